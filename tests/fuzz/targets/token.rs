//! An access token that somebody made or changed: none but ours, whole, is taken.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shared::{
    auth::{AccessClaims, TokenKeys, Tokens},
    clock,
    keys::Seed,
    roles::Role,
};

static TOKENS: LazyLock<Tokens> =
    LazyLock::new(|| Tokens::new(&Seed::from("a seed of the fuzzer's, 32 or more"), None));

static KEYS: LazyLock<TokenKeys> = LazyLock::new(|| TOKENS.public().clone());

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    assert!(KEYS.verify_access(&text).is_none() && TOKENS.verify_challenge(&text).is_none());

    let claims = AccessClaims {
        sub: "ada".into(),
        sid: "s".into(),
        role: Role::User,
        org: None,
        mfa: None,
        auth_time: None,
        ver: 0,
    };
    let token = TOKENS.access(claims, clock::now());
    assert!(KEYS.verify_access(&token).is_some() && TOKENS.verify_challenge(&token).is_none());

    // The first bytes say where the others are put.
    let Some((place, put)) = bytes.split_first_chunk::<2>() else { return };
    let place = usize::from(u16::from_le_bytes(*place)) % token.len();
    let put = String::from_utf8_lossy(put);
    let end = (place + put.len()).min(token.len());
    for changed in [format!("{}{put}{}", &token[..place], &token[end..]), format!("{}{put}", &token[..place])] {
        assert!(changed == token || KEYS.verify_access(&changed).is_none(), "{changed} was taken");
    }
});

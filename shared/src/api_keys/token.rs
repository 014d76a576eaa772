//! The form of a platform key: `pk_<public id>_<secret>_<checksum>`.
//!
//! The public id finds the key, the secret proves it, and the checksum tells a mistyped or cut-off key
//! from a wrong one before anything is looked up; it also lets scanners of leaked secrets recognise it.

use secrecy::SecretString;

use crate::keys::{self, hex};

const PREFIX: &str = "pk";
const PUBLIC_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// A key, taken apart.
pub(super) struct Token {
    pub(super) public_id: String,
    pub(super) secret: SecretString,
}

/// A new secret for `public_id` (or a new one): what its owner sees once, and its parts.
pub(super) fn mint(public_id: Option<&str>) -> (String, Token) {
    let public_id = public_id.map_or_else(|| hex(&keys::random::<PUBLIC_BYTES>()), str::to_owned);
    let secret = hex(&keys::random::<SECRET_BYTES>());
    let body = format!("{PREFIX}_{public_id}_{secret}");
    let text = format!("{body}_{}", checksum(&body));
    (text, Token { public_id, secret: secret.into() })
}

/// Whether `text` claims to be a platform key.
pub(super) fn is_key(text: &str) -> bool {
    text.starts_with("pk_")
}

/// The parts of a key whose checksum is right.
pub(super) fn parse(text: &str) -> Option<Token> {
    let (body, sum) = text.rsplit_once('_')?;
    let mut parts = body.split('_');
    let (prefix, public_id, secret) = (parts.next()?, parts.next()?, parts.next()?);
    let shaped = prefix == PREFIX
        && parts.next().is_none()
        && is_hex(public_id, PUBLIC_BYTES)
        && is_hex(secret, SECRET_BYTES)
        && sum == checksum(body);
    shaped.then(|| Token { public_id: public_id.to_owned(), secret: secret.into() })
}

fn checksum(body: &str) -> String {
    keys::sha256(body)[..8].to_owned()
}

fn is_hex(text: &str, bytes: usize) -> bool {
    text.len() == bytes * 2 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_key_is_read_back_and_a_damaged_one_is_not() {
        let (text, token) = mint(None);
        let read = parse(&text).expect("whole");
        assert_eq!(read.public_id, token.public_id);
        assert_eq!(read.secret.expose_secret(), token.secret.expose_secret());
        let (again, rotated) = mint(Some(&token.public_id));
        assert!(again != text && rotated.public_id == token.public_id);
        for damaged in [&text[1..], &text[..text.len() - 1], "pk_", "", &text.replace('_', "-"), &text.to_uppercase()] {
            assert!(parse(damaged).is_none(), "{damaged}");
        }
    }
}

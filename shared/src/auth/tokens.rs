//! Signed tokens: access tokens, and the challenge between a password and its second factor. And refresh tokens, which
//! are random, and follow from one another.
//!
//! Environment: `SIGNING_SEED` ([secret](crate::secrets); during a rotation the new and the old one with a comma between),
//! for who signs; [`TokenKeys`] has what it takes to check access tokens alone.
//!
//! JWT with `EdDSA` and nothing else: the algorithm is ours to say, never the token's.

use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::token_keys::{ACCESS, AccessClaims, Envelope, ISSUER, TokenKeys, key_id};
use crate::{
    clock::Moment,
    config::ConfigError,
    http::Problem,
    id,
    keys::{self, Mac, Seed, Seeds},
    secrets::Secret,
    users::ACCESS_S,
};

/// How long a sign-in may wait for its second factor, in seconds.
pub(super) const CHALLENGE_S: i64 = 10 * 60;
/// What the other tokens are for.
const CHALLENGE: &str = "promptlib:mfa";
const DEVICE: &str = "promptlib:device";
const EMAIL_PROOF: &str = "promptlib:email-proof";
const FACTOR_RESET: &str = "promptlib:factor-reset";
const FACTOR_KEEP: &str = "promptlib:factor-keep";
/// How long a device is known after its last sign-in, in seconds.
const DEVICE_S: i64 = 90 * 24 * 3600;
/// How long a link to prove an address counts, in seconds.
const EMAIL_PROOF_S: i64 = 24 * 3600;
/// How long a link to begin a factor's reset counts, and one to end it, in seconds: the latter as long as there is
/// anything to end.
const FACTOR_RESET_S: i64 = 3600;
const FACTOR_KEEP_S: i64 = 25 * 3600;

/// What a device's token says: that it signed in to the account.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct DeviceClaims {
    /// The account.
    pub(super) sub: String,
    /// The account's session version when it was issued: a new password ends it.
    pub(super) ver: i64,
    /// The device.
    pub(super) did: String,
}

/// What a link about a factor's reset says.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FactorResetClaims {
    /// The account.
    pub sub: String,
    /// The account's session version when it was issued.
    pub ver: i64,
}

/// What a link that proves an address says.
#[derive(Deserialize, Serialize)]
struct EmailProofClaims {
    sub: String,
}

/// What a challenge says: whose password was right.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ChallengeClaims {
    /// The account.
    pub sub: String,
    /// The account's session version when it was issued.
    pub ver: i64,
}

/// Signs with today's key, verifies with today's and the previous one.
pub struct Tokens {
    current: SigningKey,
    previous: Option<SigningKey>,
    public: TokenKeys,
}

struct SigningKey {
    id: String,
    pair: Ed25519KeyPair,
    encoding: EncodingKey,
    /// Makes the refresh token that follows another.
    successor: Mac,
}

impl Tokens {
    /// Those that the seeds in `SIGNING_SEED` make.
    pub fn from_env() -> Result<Secret<Self>, ConfigError> {
        Secret::from_env("SIGNING_SEED", Self::parse)
    }

    /// From the text of a seed, or of two.
    pub fn parse(text: &str) -> Result<Self, String> {
        let seeds = Seeds::parse(text)?;
        Ok(Self::new(&seeds.current, seeds.before.as_ref()))
    }

    /// From seeds at hand.
    pub fn new(current: &Seed, previous: Option<&Seed>) -> Self {
        let (current, previous) = (SigningKey::derive(current), previous.map(SigningKey::derive));
        let public = TokenKeys::of(std::iter::once(&current.pair).chain(previous.iter().map(|key| &key.pair)));
        Self { current, previous, public }
    }

    /// An access token for `claims`.
    pub fn access(&self, claims: AccessClaims, now: Moment) -> String {
        self.sign(claims, ACCESS, now, ACCESS_S)
    }

    /// A challenge for `claims`.
    pub fn challenge(&self, claims: ChallengeClaims, now: Moment) -> String {
        self.sign(claims, CHALLENGE, now, CHALLENGE_S)
    }

    /// A token by which a device is known at its next sign-in.
    pub(super) fn device(&self, account_id: &str, version: i64, now: Moment) -> String {
        let claims = DeviceClaims { sub: account_id.to_owned(), ver: version, did: id::new() };
        self.sign(claims, DEVICE, now, DEVICE_S)
    }

    /// The token of a link that proves the address of an account.
    pub(super) fn email_proof(&self, account_id: &str, now: Moment) -> String {
        self.sign(EmailProofClaims { sub: account_id.to_owned() }, EMAIL_PROOF, now, EMAIL_PROOF_S)
    }

    /// The token of a link that begins a factor's reset.
    pub fn factor_reset(&self, claims: FactorResetClaims, now: Moment) -> String {
        self.sign(claims, FACTOR_RESET, now, FACTOR_RESET_S)
    }

    /// The token of a link that ends a factor's reset before it is done.
    pub fn factor_keep(&self, claims: FactorResetClaims, now: Moment) -> String {
        self.sign(claims, FACTOR_KEEP, now, FACTOR_KEEP_S)
    }

    /// The claims of a device's token that is ours and still counts.
    pub(super) fn verify_device(&self, token: &str) -> Option<DeviceClaims> {
        self.verify(token, DEVICE)
    }

    /// Whose address a link proves, if it is ours and still counts.
    pub(super) fn verify_email_proof(&self, token: &str) -> Option<String> {
        self.verify::<EmailProofClaims>(token, EMAIL_PROOF).map(|claims| claims.sub)
    }

    /// The claims of a link that begins a reset, if it is ours and still counts.
    pub fn verify_factor_reset(&self, token: &str) -> Option<FactorResetClaims> {
        self.verify(token, FACTOR_RESET)
    }

    /// The claims of a link that ends a reset, if it is ours and still counts.
    pub fn verify_factor_keep(&self, token: &str) -> Option<FactorResetClaims> {
        self.verify(token, FACTOR_KEEP)
    }

    /// The claims of a challenge that is ours and still counts.
    pub fn verify_challenge(&self, token: &str) -> Option<ChallengeClaims> {
        self.verify(token, CHALLENGE)
    }

    /// The first refresh token of a session.
    pub(super) fn refresh() -> SecretString {
        refresh_token(&keys::random_text())
    }

    /// The refresh token that follows `token` in its session: always the same, by today's key and by the previous one.
    /// Only who has the key can tell it.
    pub(super) fn successors(&self, family_id: &str, token: &SecretString) -> Vec<SecretString> {
        let text = format!("{family_id}|{}", token.expose_secret());
        self.keys().map(|key| refresh_token(&key.successor.sign(&text))).collect()
    }

    /// The public keys, for whoever only verifies.
    pub const fn public(&self) -> &TokenKeys {
        &self.public
    }

    fn sign<C: Serialize>(&self, claims: C, audience: &str, now: Moment, seconds: i64) -> String {
        let header = Header { kid: Some(self.current.id.clone()), ..Header::new(Algorithm::EdDSA) };
        let (iat, exp) = (now.as_second(), now.as_second() + seconds);
        let envelope = Envelope { claims, iss: ISSUER.into(), aud: audience.into(), iat, exp, jti: id::new() };
        let token = jsonwebtoken::encode(&header, &envelope, &self.current.encoding);
        // Our own claims serialise, and the key was made to sign.
        token.unwrap_or_else(|error| unreachable!("a token is signed: {error}"))
    }

    fn verify<C: DeserializeOwned>(&self, token: &str, audience: &str) -> Option<C> {
        self.public.verify(token, audience)
    }

    fn keys(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

impl SigningKey {
    fn derive(seed: &Seed) -> Self {
        let derived = Ed25519KeyPair::from_seed_unchecked(&seed.key("access-token/ed25519"));
        let pair = derived.unwrap_or_else(|error| unreachable!("any 32 bytes are a seed: {error}"));
        let pkcs8 = pair.to_pkcs8v1().unwrap_or_else(|error| unreachable!("a key can be written: {error}"));
        Self {
            id: key_id(&pair),
            encoding: EncodingKey::from_ed_der(pkcs8.as_ref()),
            successor: seed.mac("refresh-token/successor"),
            pair,
        }
    }
}

fn refresh_token(text: &str) -> SecretString {
    SecretString::from(format!("rt_{text}"))
}

/// 401: whatever was wrong with a token, the caller signs in again.
pub fn sign_in_again() -> Problem {
    Problem::unauthorized("The token is invalid or expired: sign in again.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock, roles::Role};
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    fn tokens(seed: &str) -> Tokens {
        Tokens::new(&Seed::from(seed), None)
    }

    const SEED: &str = "a seed of thirty-two characters!";

    fn claims() -> AccessClaims {
        AccessClaims {
            sub: "u".into(),
            sid: "s".into(),
            role: Role::User,
            org: None,
            mfa: None,
            auth_time: None,
            ver: 0,
        }
    }

    #[test]
    fn a_token_counts_until_it_expires() {
        let tokens = tokens(SEED);
        let token = tokens.access(claims(), clock::now());
        assert_eq!(tokens.public.verify_access(&token).map(|claims| claims.sub), Some("u".into()));
        let old = clock::now() - jiff::SignedDuration::from_secs(ACCESS_S + 10);
        assert!(tokens.public.verify_access(&tokens.access(claims(), old)).is_none(), "expired");
        let future = clock::now() + jiff::SignedDuration::from_mins(5);
        assert!(tokens.public.verify_access(&tokens.access(claims(), future)).is_none(), "from the future");
    }

    #[test]
    fn the_clocks_of_two_functions_may_differ_a_little() {
        let tokens = tokens(SEED);
        let counts = |seconds: i64| {
            let issued = clock::now() + jiff::SignedDuration::from_secs(seconds);
            tokens.public.verify_access(&tokens.access(claims(), issued)).is_some()
        };
        assert!(counts(55) && !counts(65), "the one that signs is ahead");
        assert!(counts(-(ACCESS_S + 3)) && !counts(-(ACCESS_S + 8)), "the one that checks is ahead");
    }

    #[test]
    fn what_we_did_not_sign_for_this_use_does_not_count() {
        let ours = tokens(SEED);
        let token = ours.access(claims(), clock::now());
        let (header, rest) = token.split_once('.').expect("three parts");
        let (payload, signature) = rest.split_once('.').expect("three parts");
        let forged = URL_SAFE_NO_PAD.encode(
            String::from_utf8(URL_SAFE_NO_PAD.decode(payload).expect("base64"))
                .expect("text")
                .replace("user", "super_admin"),
        );
        let none = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"none","kid":"{}"}}"#, ours.current.id));
        let hs256 = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","kid":"{}"}}"#, ours.current.id));
        let challenge = ours.challenge(ChallengeClaims { sub: "u".into(), ver: 0 }, clock::now());
        let foreign = tokens("another of thirty-two characters").access(claims(), clock::now());
        for bad in [
            format!("{header}.{forged}.{signature}"),
            format!("{none}.{payload}."),
            format!("{none}.{payload}.{signature}"),
            format!("{hs256}.{payload}.{signature}"),
            format!("{header}.{payload}."),
            challenge,
            foreign,
            String::new(),
            "a.b.c".into(),
        ] {
            assert!(ours.public.verify_access(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn after_a_rotation_the_previous_key_still_verifies_and_both_are_published() {
        let old = tokens(SEED).access(claims(), clock::now());
        let rotated = Tokens::new(&Seed::from("another of thirty-two characters"), Some(&Seed::from(SEED)));
        assert!(rotated.public.verify_access(&old).is_some());
        assert!(
            tokens(SEED).public.verify_access(&rotated.access(claims(), clock::now())).is_none(),
            "the new key signs"
        );
        let text = rotated.public.text();
        assert_eq!(text.matches("\"kid\"").count(), 2);
        assert!(!text.contains("\"d\""), "public halves only");
    }
    #[test]
    fn a_refresh_token_has_one_successor_which_only_the_key_tells() {
        let next = |seed: &str, family: &str, token: &str| -> String {
            let successors = tokens(seed).successors(family, &refresh_token(token));
            successors[0].expose_secret().to_owned()
        };
        let successor = next(SEED, "f", "a");
        assert_eq!(successor, next(SEED, "f", "a"));
        assert_eq!(successor.len(), Tokens::refresh().expose_secret().len());
        for (seed, family, token) in
            [("another of thirty-two characters", "f", "a"), (SEED, "g", "a"), (SEED, "f", "b"), (SEED, "f", "a|")]
        {
            assert_ne!(successor, next(seed, family, token), "{seed} {family} {token}");
        }
        let rotated = Tokens::new(&Seed::from("another of thirty-two characters"), Some(&Seed::from(SEED)));
        let both = rotated.successors("f", &refresh_token("a"));
        assert!(both.len() == 2 && both[1].expose_secret() == successor, "also after a rotation");
    }
}

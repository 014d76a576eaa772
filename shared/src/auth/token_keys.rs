//! What it takes to check a token: the public halves of the keys that sign. Who has no more than these can make none.
//!
//! Environment: `TOKEN_KEYS` (a JWK set, RFC 7517, or a [reference](crate::secrets) to one).

use std::{sync::LazyLock, time::Duration};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    clock,
    config::ConfigError,
    keys::sha256_bytes,
    roles::Role,
    secrets::{Secret, Unavailable},
};

pub(super) const ISSUER: &str = "promptlib";
/// What an access token is for: one kind of token is never taken for another.
pub(super) const ACCESS: &str = "promptlib:access";
/// A token by an unknown key has the keys read anew, but strangers can make such tokens: not more often than this.
const ANEW_AFTER: Duration = Duration::from_secs(30);

/// What an access token says.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AccessClaims {
    /// The account.
    pub sub: String,
    /// The session: its family of refresh tokens.
    pub sid: String,
    /// The role when it was issued: for the front end. Rights follow the account's record.
    pub role: Role,
    /// The organisation, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// When a second factor was shown last, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa: Option<i64>,
    /// When the password or a second factor was shown last, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The account's session version when it was issued.
    pub ver: i64,
}

/// A token's own claims around those of its kind.
#[derive(Deserialize, Serialize)]
pub(super) struct Envelope<C> {
    #[serde(flatten)]
    pub(super) claims: C,
    pub(super) iss: String,
    pub(super) aud: String,
    pub(super) iat: i64,
    pub(super) exp: i64,
    pub(super) jti: String,
}

/// The public keys of a deployment: today's first, and during a rotation those of before and after.
#[derive(Clone, Deserialize, Serialize)]
pub struct TokenKeys {
    keys: Vec<PublicKey>,
}

/// As RFC 8037 writes an Ed25519 key.
#[derive(Clone, Deserialize, Serialize)]
struct PublicKey {
    kty: String,
    crv: String,
    #[serde(rename = "use")]
    purpose: String,
    alg: String,
    kid: String,
    /// base64url.
    x: String,
}

impl TokenKeys {
    /// Those in `TOKEN_KEYS`.
    pub fn from_env() -> Result<Secret<Self>, ConfigError> {
        Secret::from_env("TOKEN_KEYS", Self::parse)
    }

    /// From a JWK set as [`TokenKeys::text`] writes it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let keys: Self = serde_json::from_str(text).map_err(|_| "a JWK set")?;
        let is_ours = |key: &PublicKey| key.crv == "Ed25519" && DecodingKey::from_ed_components(&key.x).is_ok();
        if keys.keys.is_empty() || !keys.keys.iter().all(is_ours) {
            return Err("a JWK set of Ed25519 keys".into());
        }
        Ok(keys)
    }

    /// The public halves of these pairs, in this order.
    pub(super) fn of<'a>(pairs: impl IntoIterator<Item = &'a Ed25519KeyPair>) -> Self {
        let key = |pair: &Ed25519KeyPair| PublicKey {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            purpose: "sig".into(),
            alg: "EdDSA".into(),
            kid: key_id(pair),
            x: URL_SAFE_NO_PAD.encode(pair.public_key()),
        };
        Self { keys: pairs.into_iter().map(key).collect() }
    }

    /// As JSON.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| unreachable!("public keys serialise: {error}"))
    }

    /// The claims of an access token that is ours and still counts.
    pub fn verify_access(&self, token: &str) -> Option<AccessClaims> {
        self.verify(token, ACCESS)
    }

    /// As [`TokenKeys::verify_access`], by the keys that `keys` has, or has when it is read anew for a token by a key
    /// that is not among them.
    pub(super) async fn verify_access_by(
        keys: &Secret<Self>,
        token: &str,
    ) -> Result<Option<AccessClaims>, Unavailable> {
        let known = keys.get().await?;
        if known.key(token).is_some() || key_of(token).is_none() {
            return Ok(known.verify_access(token));
        }
        keys.distrust(ANEW_AFTER).await;
        Ok(keys.get().await?.verify_access(token))
    }

    pub(super) fn verify<C: DeserializeOwned>(&self, token: &str, audience: &str) -> Option<C> {
        let key = DecodingKey::from_ed_components(&self.key(token)?.x).ok()?;
        let mut validation = VALIDATION.clone();
        validation.set_audience(&[audience]);
        let token = jsonwebtoken::decode::<Envelope<C>>(token, &key, &validation).ok()?;
        // A token from the future is a clock gone wrong, or a forgery with a stolen key.
        (token.claims.iat <= clock::now().as_second() + 60).then_some(token.claims.claims)
    }

    /// The key that a token says it was signed by.
    fn key(&self, token: &str) -> Option<&PublicKey> {
        let kid = key_of(token)?;
        self.keys.iter().find(|key| key.kid == kid)
    }
}

fn key_of(token: &str) -> Option<String> {
    jsonwebtoken::decode_header(token).ok()?.kid
}

/// A hash of the public half: a rotation needs no bookkeeping.
pub(super) fn key_id(pair: &Ed25519KeyPair) -> String {
    URL_SAFE_NO_PAD.encode(&sha256_bytes(pair.public_key().as_ref()).as_ref()[..8])
}

static VALIDATION: LazyLock<Validation> = LazyLock::new(|| {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Our functions' clocks are Amazon's.
    validation.leeway = 5;
    validation
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_holds_other_than_our_kind_of_keys_is_refused() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed");
        let text = TokenKeys::of([&pair]).text();
        assert!(TokenKeys::parse(&text).is_ok_and(|keys| keys.text() == text));
        for bad in
            ["", "{}", r#"{"keys":[]}"#, &text.replace("Ed25519", "X25519"), &text.replace("\"x\":\"", "\"x\":\"!")]
        {
            assert!(TokenKeys::parse(bad).is_err(), "{bad}");
        }
    }
}

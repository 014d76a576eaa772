//! Keys derived from seeds, so that a deployment's owner makes no key by hand.
//!
//! A seed is a long random text that the template generates. HKDF-SHA256 (RFC 5869) makes a key of
//! its own for each use from it, told apart by a label.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    digest, hkdf, hmac, rand,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use crate::{config, config::ConfigError};

const SALT: &[u8] = b"promptlib";
/// 32 random characters of the template's alphabet hold more than 128 bits.
const MIN_SEED_CHARS: usize = 32;

/// A seed. Neither prints nor serialises.
#[derive(Clone)]
pub struct Seed(SecretString);

impl Seed {
    /// The seed in the variable `name`.
    pub fn from_env(name: &'static str) -> Result<Self, ConfigError> {
        Self::optional(name)?.ok_or_else(|| too_short(name))
    }

    /// As [`Seed::from_env`]; `None` when the variable is unset or empty.
    pub fn optional(name: &'static str) -> Result<Option<Self>, ConfigError> {
        match config::optional(name) {
            Some(text) if text.len() < MIN_SEED_CHARS => Err(too_short(name)),
            text => Ok(text.map(|text| Self(text.into()))),
        }
    }

    /// The key for the use that `label` names.
    pub fn key(&self, label: &str) -> [u8; 32] {
        let mut key = [0; 32];
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(self.0.expose_secret().as_bytes());
        let filled = secret.expand(&[label.as_bytes()], hkdf::HKDF_SHA256).and_then(|material| material.fill(&mut key));
        // HKDF fails only for lengths that it cannot give, and 32 bytes is not one.
        filled.unwrap_or_else(|_| unreachable!("HKDF gives 32 bytes"));
        key
    }

    /// The HMAC-SHA256 key for the use that `label` names.
    pub fn mac(&self, label: &str) -> Mac {
        Mac(hmac::Key::new(hmac::HMAC_SHA256, &self.key(label)))
    }
}

impl From<&str> for Seed {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

fn too_short(name: &'static str) -> ConfigError {
    ConfigError::new(name, format!("set to a random text of {MIN_SEED_CHARS} characters or more"))
}

/// Keeps secrets recognisable without keeping them: HMAC-SHA256 with a key that the store never sees.
#[derive(Clone)]
pub struct Mac(hmac::Key);

impl Mac {
    /// The code of `text`, as kept in the store.
    pub fn sign(&self, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, text.as_bytes()))
    }

    /// Whether `code` is the code of `text`, in the same time whether it is or not.
    pub fn verify(&self, text: &str, code: &str) -> bool {
        URL_SAFE_NO_PAD.decode(code).is_ok_and(|code| hmac::verify(&self.0, text.as_bytes(), &code).is_ok())
    }
}

/// Keeps secrets that must come back: AES-256-GCM with a nonce of its own each time.
///
/// What is sealed is bound to a context, such as its owner's id: moved to another owner, it opens no
/// more.
pub struct Cipher(RandomizedNonceKey);

impl Cipher {
    /// The cipher with the key that `seed` has for `label`.
    pub fn new(seed: &Seed, label: &str) -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &seed.key(label));
        Self(key.unwrap_or_else(|error| unreachable!("a key has 32 bytes: {error}")))
    }

    /// Nonce and ciphertext, base64url.
    pub fn seal(&self, secret: &str, context: &str) -> String {
        let mut bytes = secret.as_bytes().to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(context), &mut bytes);
        let nonce = nonce.unwrap_or_else(|error| unreachable!("a short text can be sealed: {error}"));
        URL_SAFE_NO_PAD.encode([&nonce.as_ref()[..], &bytes].concat())
    }

    /// What was sealed in this context; `None` for anything else.
    pub fn open(&self, sealed: &str, context: &str) -> Option<SecretString> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, rest) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.0.open_in_place(nonce, Aad::from(context), rest).ok()?;
        std::str::from_utf8(opened).ok().map(SecretString::from)
    }
}

/// Random bytes from the operating system's generator.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness nothing that follows would be safe.
    rand::fill(&mut bytes).unwrap_or_else(|_| unreachable!("the system gives random bytes"));
    bytes
}

/// A random text of 256 bits.
pub fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

/// SHA-256 of `text`, in hexadecimal. 256 random bits need no salt and no slow hash; a password does.
pub fn sha256(text: &str) -> String {
    hex(sha256_bytes(text.as_bytes()).as_ref())
}

/// The SHA-256 of `bytes`, 32 bytes.
pub fn sha256_bytes(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

/// `bytes` in hexadecimal, lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_in_its_context_alone() {
        let cipher = Cipher::new(&Seed::from("a seed of thirty-two characters!"), "vault");
        let sealed = cipher.seal("sk-secret", "user|key|1");
        assert_ne!(sealed, cipher.seal("sk-secret", "user|key|1"), "a nonce of its own");
        assert_eq!(
            cipher.open(&sealed, "user|key|1").map(|text| text.expose_secret().to_owned()),
            Some("sk-secret".into())
        );
        assert!(cipher.open(&sealed, "other|key|1").is_none() && cipher.open("", "").is_none());
        let mut changed = sealed.into_bytes();
        changed[30] ^= 1;
        assert!(cipher.open(&String::from_utf8(changed).expect("text"), "user|key|1").is_none());
    }

    #[test]
    fn each_label_and_each_seed_has_a_key_of_its_own() {
        let (one, other) =
            (Seed::from("a seed of thirty-two characters!"), Seed::from("another of thirty-two characters"));
        assert_eq!(one.key("mfa"), one.key("mfa"));
        assert_ne!(one.key("mfa"), one.key("vault"));
        assert_ne!(one.key("mfa"), other.key("mfa"));
        let code = one.mac("mfa").sign("123456");
        assert!(one.mac("mfa").verify("123456", &code));
        assert!(!one.mac("mfa").verify("123457", &code) && !one.mac("other").verify("123456", &code));
        assert!(!one.mac("mfa").verify("123456", "not base64!"));
    }

    #[test]
    fn a_hash_is_fips_180s() {
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

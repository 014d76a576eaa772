//! The cipher of the application before: AES-256-GCM with an initialisation vector of 16 bytes, kept as
//! `ciphertext:iv:tag` in hexadecimal.
//!
//! Environment: `OLD_ENCRYPTION_KEY` (secret), its `API_KEY_ENCRYPTION_KEY`: `hex:` and 64 hexadecimal digits, else any
//! text, of which the SHA-256 is the key.

use aes_gcm::{
    AesGcm, KeyInit,
    aead::{Aead, consts::U16},
    aes::Aes256,
};
use secrecy::{ExposeSecret, SecretString};
use shared::{
    config::{self, ConfigError},
    keys,
};

pub(super) struct OldCipher(AesGcm<Aes256, U16>);

impl OldCipher {
    /// `None` while the variable is not set.
    pub(super) fn from_env() -> Result<Option<Self>, ConfigError> {
        const NAME: &str = "OLD_ENCRYPTION_KEY";
        let Some(text) = config::optional(NAME).map(SecretString::from) else { return Ok(None) };
        let key = match text.expose_secret().strip_prefix("hex:") {
            Some(digits) => unhex(digits.trim()),
            None => Some(keys::sha256_bytes(text.expose_secret().as_bytes()).as_ref().to_vec()),
        };
        let cipher = key.and_then(|key| AesGcm::new_from_slice(&key).ok());
        cipher
            .map(|cipher| Some(Self(cipher)))
            .ok_or_else(|| ConfigError::new(NAME, "`hex:` and 64 hexadecimal digits, or any other text"))
    }

    /// The secret; `None` for what this key did not seal.
    pub(super) fn open(&self, sealed: &str) -> Option<SecretString> {
        let mut parts = sealed.split(':').map(unhex);
        let (cipher, iv, tag) = (parts.next()??, parts.next()??, parts.next()??);
        let iv: [u8; 16] = iv.try_into().ok()?;
        let opened = self.0.decrypt(&iv.into(), [cipher, tag].concat().as_slice()).ok()?;
        String::from_utf8(opened).ok().map(SecretString::from)
    }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_hex = digits.len().is_multiple_of(2) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| digits.as_bytes().chunks(2).map(pair).collect()).flatten()
}

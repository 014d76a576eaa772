//! Opens compact JWE (RFC 7516) whose key both sides have: `alg` `dir`, `enc` `A256CBC-HS512` or `A256GCM`.
//!
//! By hand, on aws-lc: `jsonwebtoken` reads no JWE, and the crates that do bring OpenSSL or a second provider.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    constant_time::verify_slices_are_equal,
    hmac,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};

const MAC_KEY_BYTES: usize = 32;
/// Half of the code counts (RFC 7518 §5.2.5).
const TAG_BYTES: usize = 32;

/// A key of either algorithm; its length says of which.
pub struct Key(Algorithm);

enum Algorithm {
    CbcHmac(Box<CbcHmac>),
    Gcm(RandomizedNonceKey),
}

struct CbcHmac {
    mac: hmac::Key,
    cipher: PaddedBlockDecryptingKey,
}

/// What the protected header may hold; one that demands more (`crit`, `zip`) is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    enc: String,
    #[serde(rename = "kid")]
    _kid: Option<String>,
    #[serde(rename = "typ")]
    _typ: Option<String>,
}

impl Key {
    /// 64 bytes for `A256CBC-HS512`, 32 for `A256GCM`; `None` for any other number.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let algorithm = match bytes.len() {
            64 => {
                let (mac, cipher) = bytes.split_at(MAC_KEY_BYTES);
                let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, cipher).ok()?).ok()?;
                let mac = hmac::Key::new(hmac::HMAC_SHA512, mac);
                Algorithm::CbcHmac(Box::new(CbcHmac { mac, cipher }))
            }
            32 => Algorithm::Gcm(RandomizedNonceKey::new(&AES_256_GCM, bytes).ok()?),
            _ => return None,
        };
        Some(Self(algorithm))
    }

    /// The claims of a token that was sealed with this key; `None` for anything else. Their times are the caller's to judge.
    pub fn open<C: DeserializeOwned>(&self, token: &str) -> Option<C> {
        let mut parts = token.split('.');
        let mut part = || parts.next();
        // With `dir` the second part, an encrypted key, is empty.
        let (header, "", iv, text, tag) = (part()?, part()?, part()?, part()?, part()?) else { return None };
        if part().is_some() {
            return None;
        }
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let Header { alg, enc, .. } = serde_json::from_slice(&decoded(header)?).ok()?;
        if alg != "dir" || enc != self.name() {
            return None;
        }
        let opened = self.0.open(header.as_bytes(), &decoded(iv)?, decoded(text)?, &decoded(tag)?)?;
        serde_json::from_slice(&opened).ok()
    }

    fn name(&self) -> &'static str {
        match self.0 {
            Algorithm::CbcHmac(_) => "A256CBC-HS512",
            Algorithm::Gcm(_) => "A256GCM",
        }
    }
}

impl Algorithm {
    /// The code is checked before anything is decrypted.
    fn open(&self, header: &[u8], iv: &[u8], mut text: Vec<u8>, tag: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::CbcHmac(key) => {
                let CbcHmac { mac, cipher } = &**key;
                let header_bits = u64::try_from(header.len()).ok()? * 8;
                let signed = [header, iv, &text, &header_bits.to_be_bytes()].concat();
                let code = hmac::sign(mac, &signed);
                verify_slices_are_equal(&code.as_ref()[..TAG_BYTES], tag).ok()?;
                let iv = DecryptionContext::Iv128(iv.try_into().ok()?);
                Some(cipher.decrypt(&mut text, iv).ok()?.to_vec())
            }
            Self::Gcm(key) => {
                text.extend_from_slice(tag);
                let nonce = Nonce::try_assume_unique_for_key(iv).ok()?;
                Some(key.open_in_place(nonce, Aad::from(header), &mut text).ok()?.to_vec())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Made by `jose`, which Auth.js makes its cookies with, under the key of bytes 0, 1, 2, ….
    const V5: &str = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwia2lkIjoiYS10aHVtYnByaW50In0..5cbVJScM353KzuLtxuToDw.Pl1p1N37YlUobltQ0JoTHg.iDYT2EtSGEuwgLSoxSAdpb2ZkmfTl9V8GPJa1vF_68s";
    const V4: &str =
        "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..UDWLTuMRDQUUUtE2.qQTrRoQWF6qGzTqKxg.F7HiC3lO-nxi_FAoaAX27Q";

    fn key(bytes: u8) -> Key {
        Key::new(&(0..bytes).collect::<Vec<_>>()).expect("a key")
    }

    #[test]
    fn a_token_of_either_algorithm_is_opened_by_its_key_alone() {
        for (token, length) in [(V5, 64), (V4, 32)] {
            let claims: Value = key(length).open(token).expect("opened");
            assert_eq!(claims, json!({"sub": "ada"}));
            assert!(key(96 - length).open::<Value>(token).is_none(), "the other algorithm's");
            assert!(Key::new(&vec![7; length.into()]).expect("a key").open::<Value>(token).is_none(), "another key");
        }
    }

    #[test]
    fn whatever_is_changed_of_a_token_opens_nothing() {
        for (token, length) in [(V5, 64), (V4, 32)] {
            let parts: Vec<&str> = token.split('.').collect();
            for index in [0, 2, 3, 4] {
                let mut bytes = URL_SAFE_NO_PAD.decode(parts[index]).expect("base64");
                for change in 0..bytes.len() {
                    bytes[change] ^= 1;
                    let mut changed: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
                    changed[index] = URL_SAFE_NO_PAD.encode(&bytes);
                    assert!(key(length).open::<Value>(&changed.join(".")).is_none(), "byte {change} of part {index}");
                    bytes[change] ^= 1;
                }
                let mut short: Vec<&str> = parts.clone();
                short[index] = "";
                assert!(key(length).open::<Value>(&short.join(".")).is_none(), "without part {index}");
            }
            for odd in ["", "....", "a.b.c", &token.replacen("..", ".AA.", 1), &format!("{token}."), &token[1..]] {
                assert!(key(length).open::<Value>(odd).is_none(), "{odd}");
            }
        }
        for bytes in [0, 16, 33, 63, 65] {
            assert!(Key::new(&vec![0; bytes]).is_none(), "{bytes}");
        }
    }
}

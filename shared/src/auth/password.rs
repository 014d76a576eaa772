//! Passwords: what a new one must have, and how one is kept and checked.

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error};

use crate::keys;

/// 19 MiB, two passes, one lane: OWASP's choice for argon2id, and what fits a function of 256 MB.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const MIN_CHARS: usize = 8;
/// Long enough for any phrase; short enough that hashing costs the same for all.
const MAX_CHARS: usize = 128;

/// A password that someone chooses now. Never printed.
#[derive(Clone, Debug)]
pub struct NewPassword(SecretString);

impl<'de> Deserialize<'de> for NewPassword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let has = |kind: fn(char) -> bool| text.chars().any(kind);
        let length = text.chars().count();
        if (MIN_CHARS..=MAX_CHARS).contains(&length)
            && has(char::is_uppercase)
            && has(char::is_lowercase)
            && has(|c| c.is_ascii_digit())
        {
            Ok(Self(text.into()))
        } else {
            Err(D::Error::custom(
                "must have 8 to 128 characters, among them an upper-case letter, a lower-case letter and a digit",
            ))
        }
    }
}

/// A password that someone claims to have.
#[derive(Clone, Debug, Deserialize)]
pub struct PasswordAttempt(SecretString);

impl NewPassword {
    /// Its hash, as kept in the store.
    pub fn hash(&self) -> String {
        hash(self.0.expose_secret())
    }
}

impl PasswordAttempt {
    /// Whether it is the password of `stored`. Without a stored hash, the same time and `false`: an
    /// unknown address must not be told by how fast it is refused.
    pub fn matches(&self, stored: Option<&str>) -> bool {
        let whole = self.0.expose_secret();
        // We never accepted anything longer; a longer attempt would only cost time.
        let text = if self.is_too_long() { "" } else { whole };
        match stored {
            // The application before may have: bcrypt looks at 72 bytes, whatever the length.
            Some(stored) if is_bcrypt(stored) => bcrypt::verify(whole, stored).unwrap_or(false),
            Some(stored) => verify(text, stored),
            None => {
                verify(text, NOBODYS);
                false
            }
        }
    }

    /// The hash to keep from now on, when `stored` is of the application before (bcrypt). A password longer than ours
    /// stays there: our own check would not take it.
    pub fn upgrade(&self, stored: &str) -> Option<String> {
        (is_bcrypt(stored) && !self.is_too_long()).then(|| hash(self.0.expose_secret()))
    }

    fn is_too_long(&self) -> bool {
        self.0.expose_secret().chars().count() > MAX_CHARS
    }
}

/// A hash with today's parameters of a password that nobody knows.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZSByYW5kb20gc2FsdA$kCXUjmjvc5XMqQedpMTsOv+zyJEf5PhtGiUghW9jFyw";

fn is_bcrypt(stored: &str) -> bool {
    stored.starts_with("$2")
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(text: &str) -> String {
    let hash: Result<PasswordHash, _> = hasher().hash_password_with_salt(text.as_bytes(), &keys::random::<16>());
    // The parameters are constants that a test tries.
    hash.unwrap_or_else(|error| unreachable!("argon2 hashes: {error}")).to_string()
}

fn verify(text: &str, stored: &str) -> bool {
    PasswordHash::new(stored).is_ok_and(|hash| hasher().verify_password(text.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(text: &str) -> Option<NewPassword> {
        serde_json::from_value(text.into()).ok()
    }

    fn attempt(text: &str) -> PasswordAttempt {
        serde_json::from_value(text.into()).expect("text")
    }

    #[test]
    fn a_new_password_follows_the_rules() {
        assert!(new("Secret12").is_some() && new(&format!("aA1{}", "ü".repeat(125))).is_some());
        for text in ["Secret1", "secret12", "SECRET12", "Secretxy", &format!("aA1{}", "x".repeat(126))] {
            assert!(new(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_hash_is_argon2id_with_a_salt_of_its_own_and_fits_its_password_alone() {
        let password = new("Correct horse 1").expect("good");
        let (one, two) = (password.hash(), password.hash());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && one != two);
        assert!(attempt("Correct horse 1").matches(Some(&one)));
        assert!(!attempt("correct horse 1").matches(Some(&one)) && !attempt("").matches(None));
        assert!(PasswordHash::new(NOBODYS).is_ok(), "unknown addresses cost a real check");
    }

    #[test]
    fn an_imported_bcrypt_hash_is_checked_and_replaced() {
        let stored = bcrypt::hash("Imported 1", 4).expect("hash");
        assert!(attempt("Imported 1").matches(Some(&stored)) && !attempt("Imported 2").matches(Some(&stored)));
        let upgraded = attempt("Imported 1").upgrade(&stored).expect("new hash");
        assert!(attempt("Imported 1").matches(Some(&upgraded)));
        assert!(attempt("Imported 1").upgrade(&upgraded).is_none());
    }

    #[test]
    fn an_imported_password_may_be_longer_than_ours_and_goes_on_signing_in() {
        let long = "Imported 1".repeat(20);
        let stored = bcrypt::hash(&long, 4).expect("hash");
        assert!(attempt(&long).matches(Some(&stored)) && !attempt(&long[1..]).matches(Some(&stored)));
        assert!(attempt(&long).upgrade(&stored).is_none());
        assert!(!attempt(&long).matches(Some(&new("Secret12").expect("good").hash())));
    }
}

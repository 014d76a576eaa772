//! Recovery codes: how they are made, and what is kept of them.

use argon2::{Algorithm, Argon2, Params, Version};

use super::code::RECOVERY_CHARS;
use crate::keys::{self, hex};

/// Codes of a set.
const CODES: usize = 10;
/// Characters between two hyphens, as a person reads them.
const GROUP: usize = 4;
/// 8 MiB, one pass. Nobody guesses 80 random bits even under a fast hash; this much keeps a stolen store useless should
/// the generator ever have been weak, and a new set, which takes ten of these, well below a second.
const MEMORY_KIB: u32 = 8 * 1024;
const PASSES: u32 = 1;
const HASH_BYTES: usize = 32;

/// What is kept of a set of codes. One salt for all of them, so that checking a code costs one hash, however many are
/// left; each is random by itself, so that equal codes, which a salt each would hide, do not occur.
pub(super) struct RecoverySet {
    pub(super) salt: String,
    /// Of the codes without hyphens.
    pub(super) hashes: Vec<String>,
}

impl RecoverySet {
    /// Ten codes as their owner is shown them, once, and what is kept of them.
    pub(super) fn generate() -> (Vec<String>, Self) {
        let salt = hex(&keys::random::<16>());
        let codes: Vec<String> = std::iter::repeat_with(letters).take(CODES).collect();
        let hashes = codes.iter().map(|code| hash(code, &salt)).collect();
        (codes.iter().map(|code| shown(code)).collect(), Self { salt, hashes })
    }
}

/// What is kept of a code, given without hyphens.
pub(super) fn hash(code: &str, salt: &str) -> String {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(HASH_BYTES)).unwrap_or_default();
    let mut hash = [0; HASH_BYTES];
    let hashed = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
        code.as_bytes(),
        salt.as_bytes(),
        &mut hash,
    );
    // The parameters are constants that a test tries; a salt that somebody cut off in the store fits no code.
    if hashed.is_err() {
        return String::new();
    }
    hex(&hash)
}

/// Of 32 letters and digits that are not mistaken for one another: 80 bits.
fn letters() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    keys::random::<RECOVERY_CHARS>().iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

/// `xxxx-xxxx-xxxx-xxxx`.
fn shown(letters: &str) -> String {
    let letters: Vec<char> = letters.chars().collect();
    letters.chunks(GROUP).map(String::from_iter).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mfa::Code;

    #[test]
    fn a_code_is_read_as_it_is_shown_and_fits_its_own_set_alone() {
        let (codes, set) = RecoverySet::generate();
        let (_, other) = RecoverySet::generate();
        assert_eq!((codes.len(), set.hashes.len()), (10, 10));
        for (code, hash) in codes.iter().zip(&set.hashes) {
            assert_eq!(code.len(), "xxxx-xxxx-xxxx-xxxx".len());
            for typed in [code.clone(), code.to_uppercase().replace('-', " "), code.replace('-', "")] {
                let read = Code::parse(&typed).expect("a code");
                assert!(matches!(read, Code::Recovery(_)));
                assert_eq!(super::hash(read.expose(), &set.salt), *hash);
                assert!(!other.hashes.contains(&super::hash(read.expose(), &other.salt)));
            }
        }
    }

    #[test]
    fn a_salt_that_somebody_cut_off_fits_nothing() {
        assert_eq!(hash("abcd", ""), "");
    }
}

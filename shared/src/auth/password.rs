//! Passwords: what a new one must have, and how one is kept and checked.

mod strength;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error};

use self::strength::weakness;
use crate::{
    http::Problem,
    keys,
    text::{nfc, nfd},
};

/// 19 MiB, two passes, one lane: OWASP's choice for argon2id, and what fits a function of 256 MB.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// OWASP ASVS 5, 6.2.1 and 6.2.9. Passwords of before may have 8.
const MIN_CHARS: usize = 12;
/// Long enough for any phrase; short enough that hashing costs the same for all.
const MAX_CHARS: usize = 128;
/// What the application before hashed with.
const BCRYPT_COST: u32 = 12;
/// Of what bcrypt reads, the last byte is the end of the text.
const BCRYPT_BYTES: usize = 72;

/// A password that someone chooses now, in normal form C: 12 to 128 characters of any kind. Never printed.
#[derive(Clone, Debug)]
pub struct NewPassword(SecretString);

impl<'de> Deserialize<'de> for NewPassword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = nfc(&String::deserialize(deserializer)?);
        if (MIN_CHARS..=MAX_CHARS).contains(&text.chars().count()) {
            Ok(Self(text.into()))
        } else {
            Err(D::Error::custom("must have 12 to 128 characters, of any kind"))
        }
    }
}

/// A password that someone claims to have, in normal form C. Never printed.
#[derive(Clone, Debug)]
pub struct PasswordAttempt(SecretString);

impl<'de> Deserialize<'de> for PasswordAttempt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(nfc(&String::deserialize(deserializer)?).into()))
    }
}

impl NewPassword {
    /// 422 at `field` for a password that is common, or made of what is `known` of its owner: name and address.
    pub fn check(&self, field: &'static str, known: &[&str]) -> Result<(), Problem> {
        let found = weakness(self.0.expose_secret(), known);
        found.map_or(Ok(()), |weakness| Err(Problem::invalid_field(field, weakness.message())))
    }

    /// Its hash, as kept in the store, once it has passed [`NewPassword::check`].
    pub fn hash_for(&self, field: &'static str, known: &[&str]) -> Result<String, Problem> {
        self.check(field, known)?;
        Ok(hash(self.0.expose_secret()))
    }
}

impl PasswordAttempt {
    /// Whether it is the password of `stored`. To refuse takes the same time whatever is stored, ours, an imported one,
    /// an odd one or nothing: how fast an address is refused must tell nothing of its account.
    pub fn matches(&self, stored: Option<&str>) -> bool {
        let stored = stored.unwrap_or_default();
        if self.forms().iter().any(|form| self.fits(form.expose_secret(), stored)) {
            return true;
        }
        for form in self.forms() {
            self.spend_the_rest(form.expose_secret(), stored);
        }
        false
    }

    /// Every refusal costs as much as every other: see [`Unspent`].
    fn spend_the_rest(&self, form: &str, stored: &str) {
        let Unspent { argon2id, bcrypt_costs } = Unspent::after(stored);
        // The results are nothing to anybody.
        if argon2id {
            verify(if self.is_too_long() { "" } else { form }, NOBODYS);
        }
        for cost in bcrypt_costs {
            let _ = bcrypt::hash_with_salt(form, cost, [0; 16]);
        }
    }

    /// The hash to keep from now on, when `stored` is of the application before (bcrypt) and this is its password whole:
    /// what bcrypt does not tell apart, our own hash does.
    pub fn upgrade(&self, stored: &str) -> Option<String> {
        if !is_bcrypt(stored) || self.is_too_long() {
            return None;
        }
        let is_its_own = |form: &SecretString| {
            is_read_whole_by_bcrypt(form.expose_secret()) && self.fits(form.expose_secret(), stored)
        };
        self.forms().iter().any(is_its_own).then(|| hash(self.0.expose_secret()))
    }

    /// As it is hashed today, then as some keyboards send it: hashes of before are of what was sent.
    fn forms(&self) -> Vec<SecretString> {
        let decomposed = nfd(self.0.expose_secret());
        let other = (decomposed != self.0.expose_secret()).then(|| decomposed.into());
        std::iter::once(self.0.clone()).chain(other).collect()
    }

    fn fits(&self, form: &str, stored: &str) -> bool {
        // The application before may have taken longer ones than we do.
        if is_bcrypt(stored) {
            return bcrypt::verify(form, stored).unwrap_or(false);
        }
        // We never accepted anything longer; a longer attempt would only cost time.
        verify(if self.is_too_long() { "" } else { form }, stored)
    }

    fn is_too_long(&self) -> bool {
        self.0.expose_secret().chars().count() > MAX_CHARS
    }
}

/// bcrypt reads 72 bytes, the NUL after the text among them, and takes a text for the same as the text twice with a NUL
/// between.
fn is_read_whole_by_bcrypt(text: &str) -> bool {
    text.len() < BCRYPT_BYTES && !text.contains('\0')
}

/// What a refusal has still to cost once the check against what is stored has failed: in all it is one argon2id hash, and
/// bcrypt of [`BCRYPT_COST`]. Each cost of bcrypt doubles the one before, so those from a hash's own up to the last but one
/// make good what it lacks.
#[derive(Debug, PartialEq, Eq)]
struct Unspent {
    argon2id: bool,
    bcrypt_costs: std::ops::Range<u32>,
}

impl Unspent {
    fn after(stored: &str) -> Self {
        let bcrypt_costs = bcrypt_cost(stored).map_or(BCRYPT_COST..BCRYPT_COST + 1, |spent| spent..BCRYPT_COST);
        Self { argon2id: !is_ours(stored), bcrypt_costs }
    }
}

/// What an imported hash cost to check: 2 to the power of it. `None` for any other, and for one that bcrypt cannot read.
fn bcrypt_cost(stored: &str) -> Option<u32> {
    stored.parse::<bcrypt::HashParts>().ok().map(|parts| parts.get_cost())
}

/// A hash with today's parameters of a password that nobody knows.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZSByYW5kb20gc2FsdA$kCXUjmjvc5XMqQedpMTsOv+zyJEf5PhtGiUghW9jFyw";

fn is_bcrypt(stored: &str) -> bool {
    stored.starts_with("$2")
}

fn is_ours(stored: &str) -> bool {
    stored.starts_with("$argon2id$") && PasswordHash::new(stored).is_ok_and(|hash| hash.hash.is_some())
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

    /// The hash of somebody's of whom nothing is known.
    fn kept(text: &str) -> String {
        new(text).expect("long enough").hash_for("password", &[]).expect("not common")
    }

    #[test]
    fn a_new_password_has_12_to_128_characters_of_any_kind() {
        for text in ["twelve chars", "é12345678901", "e\u{301}12345678901", &"ü".repeat(128), &"🦀".repeat(12)] {
            assert!(new(text).is_some(), "{text}");
        }
        for text in ["eleven char", "e\u{301}1234567890", "", &"x".repeat(129), &"🦀".repeat(11)] {
            assert!(new(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_weak_password_is_refused_at_its_field_and_not_repeated() {
        let known = ["Ada Lovelace", "ada@example.com"];
        for (text, said) in [("Password1234", "common"), ("adalovelace1815", "your name")] {
            let problem = new(text).expect("long enough").hash_for("newPassword", &known).expect_err("refused");
            let problem = format!("{problem:?}");
            assert!(problem.contains("newPassword") && problem.contains(said) && !problem.contains(text), "{problem}");
        }
    }

    /// How long that is, an end-to-end test measures.
    #[test]
    fn to_refuse_costs_the_same_whatever_is_stored() {
        let ours = kept("correct horse battery");
        let [cheap, usual] = [4, 10].map(|cost| bcrypt::hash("correct horse battery", cost).expect("hash"));
        let kinds = [
            (ours.as_str(), 1, 0),
            (cheap.as_str(), 0, 1 << 4),
            (usual.as_str(), 0, 1 << 10),
            // Neither of the odd ones costs anything.
            ("", 0, 0),
            ("odd", 0, 0),
            ("$2b$odd", 0, 0),
            ("$argon2id$odd", 0, 0),
        ];
        for (stored, argon2id, bcrypt) in kinds {
            let unspent = Unspent::after(stored);
            assert_eq!(argon2id + u32::from(unspent.argon2id), 1, "{stored}");
            assert_eq!(bcrypt + unspent.bcrypt_costs.map(|cost| 1 << cost).sum::<u32>(), 1 << BCRYPT_COST, "{stored}");
            assert!(!attempt("wrong").matches(Some(stored)), "{stored}");
        }
    }

    #[test]
    fn a_hash_is_argon2id_with_a_salt_of_its_own_and_fits_its_password_alone() {
        let (one, two) = (kept("Correct horse 1"), kept("Correct horse 1"));
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
        assert!(!attempt(&long).matches(Some(&kept("correct horse battery"))));
    }

    #[test]
    fn what_bcrypt_does_not_tell_from_the_right_password_never_replaces_it() {
        let ascii = |bytes: usize| format!("Imported 1{}", "x".repeat(bytes - 10));
        for (password, guess) in [
            (ascii(90), format!("{}yy", ascii(88))),
            (ascii(90), ascii(90)),
            (ascii(90), ascii(72)),
            (ascii(73), ascii(72)),
            (ascii(72), ascii(100)),
            (ascii(72), ascii(72)),
            ("ü".repeat(45), format!("{}aa", "ü".repeat(44))),
            ("Imported 1".to_owned(), "Imported 1\0Imported 1".to_owned()),
            (ascii(71), format!("{}\0y", ascii(71))),
        ] {
            for version in ["$2a$", "$2b$", "$2y$"] {
                let stored = bcrypt::hash(&password, 4).expect("hash").replacen("$2b$", version, 1);
                assert!(attempt(&guess).matches(Some(&stored)), "bcrypt takes {guess:?} for {password:?}");
                assert!(attempt(&guess).upgrade(&stored).is_none(), "{guess:?} for {password:?}");
                assert!(attempt(&password).matches(Some(&stored)));
            }
        }
        let stored = bcrypt::hash(ascii(71), 4).expect("hash");
        assert!(attempt(&ascii(71)).upgrade(&stored).is_some());
        assert!(!attempt(&ascii(72)).matches(Some(&stored)) && !attempt(&ascii(70)).matches(Some(&stored)));
    }

    #[test]
    fn a_password_is_one_text_whichever_way_a_keyboard_sends_it() {
        for (composed, decomposed) in [
            ("Caf\u{e9}-behind-the-mill", "Cafe\u{301}-behind-the-mill"),
            ("한글-behind-the-mill", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}-behind-the-mill"),
        ] {
            for chosen in [composed, decomposed] {
                let stored = kept(chosen);
                assert!(attempt(composed).matches(Some(&stored)) && attempt(decomposed).matches(Some(&stored)));
            }
            assert!(!attempt("Cafe-behind-the-mill").matches(Some(&kept(composed))));
        }
    }

    #[test]
    fn a_hash_of_before_fits_the_text_that_was_sent_then() {
        for sent in ["Caf\u{e9}Secret12", "Cafe\u{301}Secret12"] {
            for typed in ["Caf\u{e9}Secret12", "Cafe\u{301}Secret12"] {
                assert!(attempt(typed).matches(Some(&hash(sent))), "{sent:?} {typed:?}");
                let imported = bcrypt::hash(sent, 4).expect("hash");
                let upgraded = attempt(typed).upgrade(&imported).expect("a new hash");
                assert!(attempt(typed).matches(Some(&upgraded)), "{sent:?} {typed:?}");
            }
        }
        // 69 bytes as sent today, 92 as sent then.
        let sent = format!("A1{}", "e\u{301}".repeat(30));
        let imported = bcrypt::hash(&sent, 4).expect("hash");
        assert!(attempt(&sent).matches(Some(&imported)) && attempt(&sent).upgrade(&imported).is_none());
    }

    #[test]
    fn a_password_without_account_costs_as_many_checks_as_one_with() {
        assert_eq!(attempt("Secret12").forms().len(), 1);
        assert_eq!(attempt("Caf\u{e9}Secret12").forms().len(), 2);
        assert!(!attempt("Caf\u{e9}Secret12").matches(None));
    }
}

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

const SALT: &[u8] = b"promptlib";
/// 32 random characters of the template's alphabet hold more than 128 bits.
const MIN_SEED_CHARS: usize = 32;
/// Enough to tell the few keys apart that a deployment ever has.
const KEY_ID_BYTES: usize = 4;

/// A seed. Neither prints nor serialises.
#[derive(Clone)]
pub struct Seed(SecretString);

impl Seed {
    /// A seed from its text; an error says what it must be ([`Make`](crate::secrets::Make)).
    pub fn parse(text: &str) -> Result<Self, String> {
        let too_short = || format!("set to a random text of {MIN_SEED_CHARS} characters or more");
        if text.len() < MIN_SEED_CHARS { Err(too_short()) } else { Ok(Self(text.into())) }
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
        Mac { key: hmac::Key::new(hmac::HMAC_SHA256, &self.key(label)), before: None }
    }
}

/// A seed, and while it is being replaced the one before, which still reads what it made.
#[derive(Clone)]
pub struct Seeds {
    pub current: Seed,
    pub before: Option<Seed>,
}

impl Seeds {
    /// A seed, or while it is replaced the new and the old one with a comma between.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (current, before) = text.split_once(',').map_or((text, None), |(new, old)| (new, Some(old)));
        Ok(Self {
            current: Seed::parse(current.trim())?,
            before: before.map(|old| Seed::parse(old.trim())).transpose()?,
        })
    }

    /// As [`Seed::mac`]; it also knows the codes of the seed before.
    pub fn mac(&self, label: &str) -> Mac {
        let before = self.before.as_ref().map(|seed| seed.mac(label).key);
        Mac { before, ..self.current.mac(label) }
    }

    /// The cipher for the use that `label` names; it also opens what the seed before sealed.
    pub fn cipher(&self, label: &str) -> Cipher {
        let before = self.before.as_ref().map(|seed| SealKey::new(seed, label));
        Cipher { key: SealKey::new(&self.current, label), before }
    }
}

impl From<&str> for Seed {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// Keeps secrets recognisable without keeping them: HMAC-SHA256 with a key that the store never sees.
#[derive(Clone)]
pub struct Mac {
    key: hmac::Key,
    before: Option<hmac::Key>,
}

impl Mac {
    /// The code of `text`, as kept in the store.
    pub fn sign(&self, text: &str) -> String {
        encoded(&self.key, text)
    }

    /// Every code that `text` may be kept under: today's, and the one of the seed before.
    pub fn codes(&self, text: &str) -> Vec<String> {
        self.keys().map(|key| encoded(key, text)).collect()
    }

    /// Whether `code` is the code of `text`, in the same time whether it is or not.
    pub fn verify(&self, text: &str, code: &str) -> bool {
        let fits = |code: &[u8]| self.keys().any(|key| hmac::verify(key, text.as_bytes(), code).is_ok());
        URL_SAFE_NO_PAD.decode(code).is_ok_and(|code| fits(&code))
    }

    fn keys(&self) -> impl Iterator<Item = &hmac::Key> {
        std::iter::once(&self.key).chain(&self.before)
    }
}

fn encoded(key: &hmac::Key, text: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(key, text.as_bytes()))
}

/// Keeps secrets that must come back: AES-256-GCM with a nonce of its own each time.
///
/// What is sealed is bound to a context, such as its owner's id: moved to another owner, it opens no more. It says with
/// which key it was sealed, so that a seed can be replaced: [`Seeds`].
pub struct Cipher {
    key: SealKey,
    before: Option<SealKey>,
}

/// A key, and the name that what it seals has for it. The name tells nothing of the key.
struct SealKey {
    id: String,
    key: RandomizedNonceKey,
}

impl SealKey {
    fn new(seed: &Seed, label: &str) -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &seed.key(label));
        let key = key.unwrap_or_else(|error| unreachable!("a key has 32 bytes: {error}"));
        Self { id: hex(&seed.key(&format!("{label}/id"))[..KEY_ID_BYTES]), key }
    }

    fn open(&self, sealed: &str, context: &str) -> Option<SecretString> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, rest) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.key.open_in_place(nonce, Aad::from(context), rest).ok()?;
        std::str::from_utf8(opened).ok().map(SecretString::from)
    }
}

impl Cipher {
    /// `<key id>.<nonce and ciphertext, base64url>`.
    pub fn seal(&self, secret: &str, context: &str) -> String {
        let mut bytes = secret.as_bytes().to_vec();
        let nonce = self.key.key.seal_in_place_append_tag(Aad::from(context), &mut bytes);
        let nonce = nonce.unwrap_or_else(|error| unreachable!("a short text can be sealed: {error}"));
        format!("{}.{}", self.key.id, URL_SAFE_NO_PAD.encode([&nonce.as_ref()[..], &bytes].concat()))
    }

    /// What was sealed in this context; `None` for anything else. What was sealed before keys had ids names none, and
    /// opens with whichever key it was sealed with.
    pub fn open(&self, sealed: &str, context: &str) -> Option<SecretString> {
        let mut keys = std::iter::once(&self.key).chain(&self.before);
        match sealed.split_once('.') {
            Some((id, sealed)) => keys.find(|key| key.id == id)?.open(sealed, context),
            None => keys.find_map(|key| key.open(sealed, context)),
        }
    }

    /// Whether `sealed` names today's key.
    pub fn is_current(&self, sealed: &str) -> bool {
        sealed.split_once('.').is_some_and(|(id, _)| id == self.key.id)
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

    const ONE: &str = "a seed of thirty-two characters!";
    const OTHER: &str = "another of thirty-two characters";

    fn seeds(current: &str, before: Option<&str>) -> Seeds {
        Seeds { current: current.into(), before: before.map(Seed::from) }
    }

    fn opened(cipher: &Cipher, sealed: &str) -> Option<String> {
        cipher.open(sealed, "user|key|1").map(|text| text.expose_secret().to_owned())
    }

    #[test]
    fn what_is_sealed_opens_in_its_context_alone() {
        let cipher = seeds(ONE, None).cipher("vault");
        let sealed = cipher.seal("sk-secret", "user|key|1");
        assert_ne!(sealed, cipher.seal("sk-secret", "user|key|1"), "a nonce of its own");
        assert_eq!(opened(&cipher, &sealed).as_deref(), Some("sk-secret"));
        assert!(cipher.open(&sealed, "other|key|1").is_none());
        for odd in ["", ".", "0.", "0123456789", &sealed[1..], &sealed.replace('.', "..")] {
            assert!(opened(&cipher, odd).is_none(), "{odd}");
        }
        let mut changed = sealed.into_bytes();
        changed[30] ^= 1;
        assert!(opened(&cipher, &String::from_utf8(changed).expect("text")).is_none());
    }

    #[test]
    fn what_a_former_seed_made_is_known_while_it_is_given() {
        let (old, both, new) = (seeds(ONE, None), seeds(OTHER, Some(ONE)), seeds(OTHER, None));
        let [old_cipher, both_cipher, new_cipher] = [&old, &both, &new].map(|seeds| seeds.cipher("vault"));
        let sealed = old_cipher.seal("sk-secret", "user|key|1");
        let (_, without_id) = sealed.split_once('.').expect("an id");
        for sealed in [sealed.as_str(), without_id] {
            assert_eq!(opened(&old_cipher, sealed).as_deref(), Some("sk-secret"));
            assert_eq!(opened(&both_cipher, sealed).as_deref(), Some("sk-secret"));
            assert!(!both_cipher.is_current(sealed) && opened(&new_cipher, sealed).is_none());
        }
        let resealed = both_cipher.seal("sk-secret", "user|key|1");
        assert!(both_cipher.is_current(&resealed) && opened(&new_cipher, &resealed).is_some());
        assert!(old_cipher.is_current(&sealed) && !old_cipher.is_current(without_id));

        let code = old.mac("mfa").sign("123456");
        assert!(both.mac("mfa").verify("123456", &code) && both.mac("mfa").codes("123456").contains(&code));
        assert!(!new.mac("mfa").verify("123456", &code) && both.mac("mfa").sign("123456") != code);
    }

    #[test]
    fn a_text_sealed_before_keys_had_ids_still_opens() {
        // Sealed by the release before.
        let sealed = "dHdlbHZlIGJ5dGVz7sIPJd3hdXOR_zVuE6WQaH-Fpbq2qwRCqQ";
        assert_eq!(opened(&seeds(ONE, None).cipher("vault"), sealed).as_deref(), Some("sk-secret"));
    }

    #[test]
    fn two_seeds_are_told_apart_by_a_comma_and_a_short_one_is_refused() {
        let both = Seeds::parse(&format!("{OTHER}, {ONE}")).expect("two");
        assert_eq!(both.current.key("mfa"), Seed::from(OTHER).key("mfa"));
        assert_eq!(both.before.map(|seed| seed.key("mfa")), Some(Seed::from(ONE).key("mfa")));
        assert!(Seeds::parse(ONE).expect("one").before.is_none());
        for bad in ["", "short", &format!("{ONE},"), &format!("short,{ONE}")] {
            assert!(Seeds::parse(bad).is_err_and(|expected| !expected.contains(ONE)), "{bad}");
        }
    }

    #[test]
    fn each_label_and_each_seed_has_a_key_of_its_own() {
        let (one, other) = (Seed::from(ONE), Seed::from(OTHER));
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

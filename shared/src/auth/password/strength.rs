//! Which passwords are refused although they are long enough: those that are common, and those that are made of what is
//! known of their owner (OWASP ASVS 5, 6.2.4 and 6.2.11). There are no rules about kinds of characters.
//!
//! A password is taken apart into what guessers try first: common passwords, the account's own words, repeats, runs of
//! the keyboard and of the alphabet, years. What counts is how many guesses the cheapest such parts take together.
//!
//! `common.txt` is the list `passwords` of the crate `zxcvbn` 3.1.1 (MIT), the most common first: 30,000 in 242 kB, which
//! are 129 kB of a function's zip. The crate itself would add 1.3 MB and 0.06 s to the first request.

use std::{collections::HashMap, sync::LazyLock};

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// As a power of ten. Fewer guesses make a password common: `password-1234` takes 10², `Welcome2024!!` 10⁵, three words
/// that are no neighbours 10⁹ or more. Sign-ins are limited, so this is far above what a guesser gets.
const ENOUGH: f64 = 7.0;
/// What a character takes that belongs to nothing.
const ANY_CHARACTER: f64 = 1.0;
/// The most common passwords, runs, and repeats once more.
const FIRST_TRIED: f64 = 1.0;
const RUN: f64 = 1.5;
const REPEAT: f64 = 0.3;
const REVERSED: f64 = 0.3;
const YEAR: f64 = 2.0;

/// Shorter words are in others by chance.
const MIN_WORD: usize = 3;
/// The longest that is looked up, in characters.
const MAX_WORD: usize = 64;
const MIN_RUN: usize = 3;
/// Of a text that grows when it is folded, the rest would only take more guesses.
const MAX_JUDGED: usize = 128;
/// What this service is called: the first that comes to mind.
const PRODUCT: [&str; 2] = ["prompt library", "promptlib"];

/// Neighbours on a keyboard, in rows, columns and zigzag.
const KEYBOARDS: [&str; 10] = [
    "1234567890-=",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "qwertzuiopü",
    "azertyuiop",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1q2w3e4r5t6y7u8i9o0p",
    "йцукенгшщзхъ",
];

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weakness {
    Common,
    OfTheAccount,
}

impl Weakness {
    /// As a field's error says it.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Common => "is common or easy to guess: choose another, such as four words that nobody puts together",
            Self::OfTheAccount => {
                "is made of your name, your address or this service's name: choose one that has nothing to do with them"
            }
        }
    }
}

/// What is wrong with a new password of somebody of whom this is known: name and address.
pub(super) fn weakness(password: &str, known: &[&str]) -> Option<Weakness> {
    let text: Vec<char> = folded(password).chars().filter(|letter| !is_separator(*letter)).take(MAX_JUDGED).collect();
    if guesses(&text, &HashMap::new()) < ENOUGH {
        Some(Weakness::Common)
    } else if guesses(&text, &own_words(known)) < ENOUGH {
        Some(Weakness::OfTheAccount)
    } else {
        None
    }
}

/// Words as [`look_alike`] spells them, each with the guesses that it takes, as a power of ten.
type Words = HashMap<String, f64>;

static COMMON: LazyLock<Words> = LazyLock::new(|| {
    let mut words = Words::new();
    for (rank, word) in (1_u32..).zip(include_str!("common.txt").lines()) {
        // Of two that look alike the more common one counts.
        words.entry(word.chars().map(look_alike).collect()).or_insert(f64::from(rank).log10().max(FIRST_TRIED));
    }
    words
});

/// The guesses for the cheapest parts that make up `text`, as a power of ten.
fn guesses(text: &[char], own: &Words) -> f64 {
    let spelled: Vec<char> = text.iter().copied().map(look_alike).collect();
    // For each beginning of the text, by its length.
    let mut least = vec![0.0_f64];
    for end in 1..=text.len() {
        let parts = (end.saturating_sub(MAX_WORD)..end).map(|start| {
            let part = part(text, &spelled, start, end, own);
            part.map_or(f64::INFINITY, |guesses| least[start] + guesses)
        });
        let by_parts = parts.fold(f64::INFINITY, f64::min);
        least.push(by_parts.min(least[end - 1] + ANY_CHARACTER));
    }
    least[text.len()]
}

/// The guesses for the part from `start` to `end` as a whole, if it is something that guessers try.
fn part(text: &[char], spelled: &[char], start: usize, end: usize, own: &Words) -> Option<f64> {
    let (plain, length) = (&text[start..end], end - start);
    let repeats = length <= start && text[start - length..start] == *plain;
    if repeats {
        return Some(REPEAT);
    }
    if length < MIN_WORD {
        return None;
    }
    let forwards: String = spelled[start..end].iter().collect();
    let backwards: String = spelled[start..end].iter().rev().collect();
    let word = |word: &str| own.get(word).or_else(|| COMMON.get(word)).copied();
    let found = [
        word(&forwards),
        word(&backwards).map(|guesses| guesses + REVERSED),
        is_run(plain).then_some(RUN),
        is_year(plain).then_some(YEAR),
    ];
    found.into_iter().flatten().reduce(f64::min)
}

/// `abcd`, `9876`, `qwer`.
fn is_run(part: &[char]) -> bool {
    if part.len() < MIN_RUN {
        return false;
    }
    let step = |pair: &[char]| i64::from(u32::from(pair[1])) - i64::from(u32::from(pair[0]));
    let first = step(part);
    let counts = matches!(first, -1..=1) && part.windows(2).all(|pair| step(pair) == first);
    let (forwards, backwards): (String, String) = (part.iter().collect(), part.iter().rev().collect());
    counts || KEYBOARDS.iter().any(|keys| keys.contains(&forwards) || keys.contains(&backwards))
}

/// From 1900 on.
fn is_year(part: &[char]) -> bool {
    part.len() == 4 && matches!(part[..2], ['1', '9'] | ['2', '0']) && part.iter().all(char::is_ascii_digit)
}

/// As guessers compare: lower case, without accents, and full-width letters as the others.
fn folded(text: &str) -> String {
    text.to_lowercase().nfkd().filter(|letter| !is_combining_mark(*letter)).nfc().collect()
}

fn is_separator(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '-' | '_' | '.' | ',' | '@' | '/')
}

/// One sign for those that are written for one another.
const fn look_alike(letter: char) -> char {
    match letter {
        '4' | '@' => 'a',
        '8' => 'b',
        '3' | '€' => 'e',
        '6' | '9' => 'g',
        '1' | '!' | '|' | 'l' => 'i',
        '0' => 'o',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '2' => 'z',
        other => other,
    }
}

/// Each known text whole and in its parts, without separators. Whoever tries an account knows them.
fn own_words(known: &[&str]) -> Words {
    let mut words = Words::new();
    for text in known.iter().chain(&PRODUCT) {
        let text = folded(text);
        let whole_and_parts = std::iter::once(text.as_str()).chain(text.split('@')).chain(text.split(is_separator));
        for word in whole_and_parts {
            let word: String = word.chars().filter(|letter| !is_separator(*letter)).map(look_alike).collect();
            if word.chars().count() >= MIN_WORD {
                words.insert(word, 0.0);
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: [&str; 2] = ["Ada Lovelace", "countess.ada@analytical-engine.example"];

    #[test]
    fn a_common_password_and_its_variants_are_refused() {
        for password in [
            "password1234",
            "Password1234",
            "P@ssw0rd1234",
            "P4$$w0rd!!!!",
            "p a s s w o r d 1 2",
            "pässwörd1234",
            "ｐａｓｓｗｏｒｄ１２３４",
            "drowssap1234",
            "1234password",
            "passwordpassword",
            "password password",
            "password-1234",
            "passwordqwerty123456",
            "qwertyuiop12",
            "qwertyuiop[]",
            "1q2w3e4r5t6y",
            "1qaz2wsx3edc",
            "qazwsxedcrfv",
            "zaq12wsxcde3",
            "asdfghjkl123",
            "йцукенгшщзхъ",
            "123456789012",
            "111111111111",
            "            ",
            "............",
            "!!!!!!!!!!!!",
            "abcdefghijkl",
            "lkjihgfedcba",
            "abcabcabcabc",
            "ababababababab",
            "iloveyou1234",
            "trustno1trustno1",
            "liverpool1234",
            "football2024!",
            "Welcome2024!!",
            "Summer2026!!!",
            "changeme1234",
            "letmein123456",
            "1.1.2001 1.1.2001",
        ] {
            assert_eq!(weakness(password, &ADA), Some(Weakness::Common), "{password}");
        }
    }

    #[test]
    fn a_password_of_the_accounts_own_words_is_refused() {
        for password in [
            "adalovelace1815",
            "AdaLovelace!!1",
            "ada-lovelace-99",
            "Lovelace, Ada 1",
            "l0vel4ce-ad4-1",
            "ecalevolada12",
            "countess.ada@analytical-engine.example",
            "countess.ada1",
            "countessada!23",
            "analytical-engine",
            "analyticalengine1",
            "prompt library",
            "PromptLibrary1!",
            "promptlib-2026",
            "prompt-lovelace",
        ] {
            assert!(weakness(password, &ADA).is_some(), "{password}");
        }
        assert_eq!(weakness("analyticalengine1", &ADA), Some(Weakness::OfTheAccount));
        assert_eq!(weakness("analyticalengine1", &["Bob", "bob@example.com"]), None, "it is nothing to somebody else");
    }

    #[test]
    fn a_password_needs_no_kinds_of_characters() {
        for password in [
            "correct horse battery",
            "correcthorsebatterystaple",
            "kq3vz8mw1xpt",
            "Correct7horse",
            "dunkelblauer Schirm",
            "морской ветер осенью",
            "月下独酌花间一壶酒独酌无",
            "ada and the paper lantern",
            "x&K!q#9$v*L@",
        ] {
            assert_eq!(weakness(password, &ADA), None, "{password}");
        }
    }

    #[test]
    fn the_list_is_whole() {
        assert!(COMMON.len() > 28_000, "{}", COMMON.len());
    }

    #[test]
    fn the_longest_password_is_judged_at_once() {
        let started = std::time::Instant::now();
        for password in ["a".repeat(128), "aB1!".repeat(32), "ﷺ".repeat(128), "passw0rd".repeat(16)] {
            weakness(&password, &["a ".repeat(50).as_str(), ADA[1]]);
        }
        // Well below a second, optimised or not.
        assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    }
}

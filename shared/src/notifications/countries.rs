//! To which countries SMS are sent: by default to none, since each costs money and some a lot.
//!
//! Environment: `SMS_COUNTRIES`, country calling codes with commas between (`41,49`); none when unset. A longer beginning
//! of a number allows that part alone: `1876` Jamaica, `447` Britain's mobile numbers. `1` is the United States and
//! Canada, without the other countries and the dear services that share it.

use crate::{
    config::{self, ConfigError},
    http::Problem,
};

const VARIABLE: &str = "SMS_COUNTRIES";
/// The calling codes of two digits (ITU-T E.164); `1` and `7` have one, all others three.
const TWO_DIGITS: [&str; 44] = [
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49", "51",
    "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84", "86", "90",
    "91", "92", "93", "94", "95", "98",
];
/// Areas of `+1` outside of the United States and Canada: other countries, territories of the United States, and 700 and
/// 900, whose calls cost extra (North American Numbering Plan).
const NOT_IN_1: [&str; 29] = [
    "1242", "1246", "1264", "1268", "1284", "1340", "1345", "1441", "1473", "1649", "1658", "1664", "1670", "1671",
    "1684", "1700", "1721", "1758", "1767", "1784", "1787", "1809", "1829", "1849", "1868", "1869", "1876", "1900",
    "1939",
];

/// The countries that numbers may be of.
pub struct SmsCountries(Vec<String>);

impl SmsCountries {
    /// Reads the setting.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::parse(&config::optional(VARIABLE).unwrap_or_default()).ok_or_else(|| {
            ConfigError::new(VARIABLE, "country calling codes such as 41,49, each with its digits in full, or nothing")
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let codes = text.split(',').map(|code| code.trim().trim_start_matches('+')).filter(|code| !code.is_empty());
        let codes: Vec<String> = codes.map(str::to_owned).collect();
        codes.iter().all(|code| is_whole(code)).then_some(Self(codes))
    }

    /// Whether SMS are sent to this number, in E.164 form.
    pub fn allow(&self, number: &str) -> bool {
        let digits = number.strip_prefix('+').unwrap_or_default();
        let elsewhere = NOT_IN_1.iter().any(|area| digits.starts_with(area));
        self.0.iter().any(|code| digits.starts_with(code.as_str()) && !(code == "1" && elsewhere))
    }

    /// 422 for a number that gets no SMS.
    pub fn check(&self, number: &str) -> Result<(), Problem> {
        if self.0.is_empty() {
            return Err(refused("is not taken: nothing is sent by SMS here"));
        }
        if self.allow(number) { Ok(()) } else { Err(refused("is of a country that nothing is sent to by SMS")) }
    }
}

fn refused(message: &str) -> Problem {
    Problem::invalid_field("phoneNumber", message)
}

/// Digits that begin with a whole calling code: `4` would be a dozen countries.
fn is_whole(code: &str) -> bool {
    let digits = code.len() <= 15 && code.bytes().all(|byte| byte.is_ascii_digit()) && !code.starts_with('0');
    let two = code.get(..2).is_some_and(|two| TWO_DIGITS.contains(&two));
    digits && (code.starts_with(['1', '7']) || two || code.len() >= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(countries: &str, number: &str) -> bool {
        SmsCountries::parse(countries).expect(countries).allow(number)
    }

    #[test]
    fn numbers_of_the_countries_listed_get_sms_and_no_others() {
        for (countries, number, is) in [
            ("", "+41791234567", false),
            ("41", "+41791234567", true),
            ("+49, 41 ,", "+41791234567", true),
            ("41", "+4179", true),
            ("41", "+42012345678", false),
            ("420", "+42012345678", true),
            ("420", "+42112345678", false),
            ("1", "+12125550123", true),
            ("1", "+18765550123", false),
            ("1,1876", "+18765550123", true),
            ("1876", "+12125550123", false),
            ("1", "+19005550123", false),
            ("44", "+447911123456", true),
            ("447", "+442071234567", false),
            ("41", "41791234567", false),
            ("41", "", false),
        ] {
            assert_eq!(allow(countries, number), is, "{countries} {number}");
        }
    }

    #[test]
    fn half_a_calling_code_or_a_word_is_no_country() {
        for text in ["4", "35", "CH", "41;49", "041", "41 49", "-1"] {
            assert!(SmsCountries::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_refusal_says_whether_it_is_for_the_number() {
        let told = |countries: &str| {
            let refused = SmsCountries::parse(countries).expect("good").check("+33612345678").expect_err("refused");
            (refused.status().as_u16(), format!("{refused:?}"))
        };
        assert!(told("").0 == 422 && told("").1.contains("nothing is sent by SMS here"));
        assert!(told("41").0 == 422 && told("41").1.contains("of a country"));
    }
}

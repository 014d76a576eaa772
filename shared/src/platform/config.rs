//! Settings from the environment, read once at start.
//!
//! Each concern has its own settings type beside its code, with the variables it reads listed
//! there. A missing or malformed variable ends the start with its name and what was expected; the
//! value itself is never printed, since it may be a secret.

use std::{env, fmt, str::FromStr};

use secrecy::SecretString;

/// Why a function cannot start: which variable, and what it should have been.
#[derive(Clone)]
pub struct ConfigError {
    name: &'static str,
    expected: String,
}

impl ConfigError {
    /// `expected` completes the sentence "NAME must be …".
    pub fn new(name: &'static str, expected: impl Into<String>) -> Self {
        Self { name, expected: expected.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment variable {} must be {}", self.name, self.expected)
    }
}

// `main` prints its error by `Debug`.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}

/// The variable's text; `None` when it is unset or empty (the template passes what is switched off as empty).
pub fn optional(name: &'static str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The variable's text, or an error that says what it is for.
pub fn required(name: &'static str, expected: &str) -> Result<String, ConfigError> {
    optional(name).ok_or_else(|| ConfigError::new(name, format!("set to {expected}")))
}

/// A value that must never be printed.
pub fn required_secret(name: &'static str, expected: &str) -> Result<SecretString, ConfigError> {
    required(name, expected).map(SecretString::from)
}

/// A typed value, or `default` when the variable is unset.
pub fn parsed_or<T: FromStr>(name: &'static str, expected: &str, default: T) -> Result<T, ConfigError> {
    match optional(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| ConfigError::new(name, expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_setting_is_named_with_what_was_expected() {
        let error = required("NO_SUCH_SETTING", "a connection string").expect_err("unset");
        assert_eq!(error.to_string(), "the environment variable NO_SUCH_SETTING must be set to a connection string");
    }
}

//! An address whose owner has shown that it is theirs.

use std::fmt;

/// The address of an account, proved by a link or a code that was mailed to it. Only such an address is told anything;
/// to any other goes what proves it. `Debug` does not show it.
#[derive(Clone)]
pub struct ProvedEmail(String);

impl ProvedEmail {
    /// For the account's own types, which know whether it is proved.
    pub(super) fn of(email: &str, is_proved: bool) -> Option<Self> {
        is_proved.then(|| Self(email.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProvedEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an e-mail address")
    }
}

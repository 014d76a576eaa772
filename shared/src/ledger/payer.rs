//! Whose budgets bytes are taken from.

use std::net::Ipv6Addr;

use jiff::SignedDuration;

use super::budgets::{
    ACCOUNT_DAY, ACCOUNT_TOTAL, ACCOUNTS_DAY, ALL_SIGN_INS_DAY, ANONYMOUS_DAY, NETWORK_DAY, NEW_ACCOUNT_DAY, NEW_FOR,
    SIGN_INS_DAY, WIDE_NETWORK_DAY,
};
use crate::{
    clock::{self, Moment},
    http::{ClientInfo, Problem},
};

/// Who stores something.
#[derive(Clone, Debug)]
pub enum Payer {
    /// Somebody who is signed in.
    Account {
        id: String,
        /// When the account was made: a new one may store less.
        since: Moment,
    },
    /// An account as it signs in and refreshes its session.
    SignIn { account_id: String },
    /// Somebody who signs up, from this network. The account that comes of it is one of all accounts.
    SignUp { network: String },
    /// Nobody who is known, from this network.
    Network(String),
}

/// A budget of a payer's.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    /// Its document's id.
    pub(super) key: String,
    /// What it is, without whose it is.
    pub(super) name: &'static str,
    pub(super) limit: u64,
    /// When its document may go; `None` for a total.
    pub(super) expires_at: Option<Moment>,
}

impl Payer {
    /// The caller's network.
    pub fn network(client: &ClientInfo) -> Self {
        Self::Network(client.network())
    }

    /// The smallest of its budgets of a day.
    pub fn bytes_a_day(&self, now: Moment) -> u64 {
        self.counters(now)
            .iter()
            .filter(|counter| counter.expires_at.is_some())
            .map(|counter| counter.limit)
            .min()
            .unwrap_or(0)
    }

    /// Where a slice of all its budgets lies.
    pub(super) fn slice(&self, now: Moment) -> String {
        let (kind, id) = match self {
            Self::Account { id, .. } => ("account", id),
            Self::SignIn { account_id } => ("sign-in", account_id),
            Self::SignUp { network } => ("sign-up", network),
            Self::Network(network) => ("network", network),
        };
        format!("bytes:{kind}:{id}:{}", clock::day(now))
    }

    /// Its budgets, those of everybody first: who has used up their own leaves no trace in these.
    pub(super) fn counters(&self, now: Moment) -> Vec<Counter> {
        let day = clock::day(now);
        // Two days later: by then every clock says another day.
        let expires_at = Some(clock::start_of_day(now, -2));
        let of_day =
            |name, whose: &str, limit| Counter { key: format!("{day}/{name}{whose}"), name, limit, expires_at };
        let of_network = |network: &str| {
            let wide = wide(network).map(|wide| of_day("wide-network", &format!("/{wide}"), WIDE_NETWORK_DAY));
            wide.into_iter().chain([of_day("network", &format!("/{network}"), NETWORK_DAY)])
        };
        match self {
            Self::Account { id, since } => {
                let is_new = now < *since + NEW_FOR;
                let limit = if is_new { NEW_ACCOUNT_DAY } else { ACCOUNT_DAY };
                vec![
                    of_day("accounts", "", ACCOUNTS_DAY),
                    of_day("account", &format!("/{id}"), limit),
                    Counter { key: total(id), name: "account-total", limit: ACCOUNT_TOTAL, expires_at: None },
                ]
            }
            Self::SignIn { account_id } => vec![
                of_day("all-sign-ins", "", ALL_SIGN_INS_DAY),
                of_day("sign-ins", &format!("/{account_id}"), SIGN_INS_DAY),
            ],
            Self::SignUp { network } => {
                [of_day("accounts", "", ACCOUNTS_DAY)].into_iter().chain(of_network(network)).collect()
            }
            Self::Network(network) => {
                [of_day("anonymous", "", ANONYMOUS_DAY)].into_iter().chain(of_network(network)).collect()
            }
        }
    }
}

impl Counter {
    /// What is told to whom does not fit into it.
    pub(super) fn refusal(&self, now: Moment) -> Problem {
        let megabytes = format!("{}.{} MB", self.limit / 1_000_000, self.limit % 1_000_000 / 100_000);
        let detail = match self.name {
            "account-total" => format!("Your account has {megabytes} in all: remove something, and it counts tomorrow"),
            "account" | "sign-ins" => format!("Your account has {megabytes} a UTC day, and this does not fit any more"),
            "network" | "wide-network" => {
                format!("Your network has {megabytes} a UTC day without an account, and this does not fit any more")
            }
            _ => "All that may be stored on this UTC day is: try again tomorrow".to_owned(),
        };
        Problem::limit_reached(detail, seconds_left(now))
    }
}

/// The id of the document with an account's total.
pub(super) fn total(account_id: &str) -> String {
    format!("total/{account_id}")
}

/// The /48 of an IPv6 /64.
pub(super) fn wide(network: &str) -> Option<String> {
    let prefix: Ipv6Addr = network.strip_suffix("/64")?.parse().ok()?;
    let [a, b, c, ..] = prefix.segments();
    Some(format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)))
}

/// Until the day is over.
pub(super) fn seconds_left(now: Moment) -> u64 {
    let left: SignedDuration = clock::start_of_day(now, -1).duration_since(*now);
    left.as_secs().unsigned_abs() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        text.parse().expect("valid")
    }

    fn limits(payer: &Payer, now: &str) -> Vec<(String, u64)> {
        payer.counters(at(now)).into_iter().map(|counter| (counter.key, counter.limit)).collect()
    }

    #[test]
    fn a_new_account_may_store_less_for_a_week_to_the_second() {
        let ada = Payer::Account { id: "ada".into(), since: at("2026-11-01T12:00:00Z") };
        for (now, day, limit) in [
            ("2026-11-08T11:59:59.999Z", "2026-11-08", NEW_ACCOUNT_DAY),
            ("2026-11-08T12:00:00Z", "2026-11-08", ACCOUNT_DAY),
            // The clock of whoever made the account was ahead.
            ("2026-10-31T00:00:00Z", "2026-10-31", NEW_ACCOUNT_DAY),
        ] {
            let expected = [
                (format!("{day}/accounts"), ACCOUNTS_DAY),
                (format!("{day}/account/ada"), limit),
                ("total/ada".to_owned(), ACCOUNT_TOTAL),
            ];
            assert_eq!(limits(&ada, now), expected, "{now}");
        }
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_a_64_of_a_48() {
        let keys = |network: &str| {
            let payer = Payer::Network(network.into());
            limits(&payer, "2026-11-08T23:59:59.999Z").into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(keys("192.0.2.1"), ["2026-11-08/anonymous", "2026-11-08/network/192.0.2.1"]);
        assert_eq!(
            keys("2001:db8:7:1::/64"),
            ["2026-11-08/anonymous", "2026-11-08/wide-network/2001:db8:7::/48", "2026-11-08/network/2001:db8:7:1::/64"]
        );
        assert_eq!(wide("2001:db8:7::/64"), wide("2001:db8:7:1::/64"), "zeros that are left out");
        assert_eq!(wide("2001:db8::/64").as_deref(), Some("2001:db8::/48"));
    }

    #[test]
    fn a_slice_of_yesterday_is_not_found_today() {
        let payer = Payer::Network("192.0.2.1".into());
        assert_ne!(payer.slice(at("2026-11-08T23:59:59.999Z")), payer.slice(at("2026-11-09T00:00:00Z")));
        assert_eq!(seconds_left(at("2026-11-08T23:59:59.999Z")), 1);
    }
}

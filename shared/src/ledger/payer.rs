//! Whose budgets bytes are taken from.

use jiff::SignedDuration;

use super::budgets::{
    ACCOUNT_DAY, ACCOUNT_TOTAL, ACCOUNTS_DAY, ANONYMOUS_REPORTS_DAY, AT_ACCOUNT_DAY, FAILURES_DAY, NETWORK_DAY,
    NEW_ACCOUNT_DAY, NEW_ACCOUNTS_DAY, NEW_FOR, PENDING_SIGN_UPS_DAY, SIGN_INS_DAY, SIGN_UPS_DAY, SLICE, SMALL_SLICE,
    WIDE_NETWORK_ATTEMPTS_DAY,
};
use crate::{
    clock::{self, Moment},
    http::{Problem, wide_network},
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
    /// Somebody who does something to an account that they are not signed in to: the entries about it.
    AtAccount { account_id: String },
    /// Somebody who asks for an account, from this network.
    PendingSignUp { network: String },
    /// Somebody who follows the link to one.
    SignUp { network: String },
    /// Somebody who fails at an account, from this network.
    Failure { network: String },
    /// Somebody who reports a bug without signing in, from this network.
    AnonymousReport { network: String },
}

/// A budget of a payer's.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    /// Its document's id.
    pub(super) key: String,
    /// What it is, without whose it is.
    pub(super) name: &'static str,
    /// [`UNLIMITED`] where it is counted alone.
    pub(super) limit: u64,
    /// When its document may go; `None` for a total.
    pub(super) expires_at: Option<Moment>,
}

/// Counted, and never full.
pub(super) const UNLIMITED: u64 = u64::MAX;

impl Payer {
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
            Self::AtAccount { account_id } => ("at-account", account_id),
            Self::PendingSignUp { network } => ("pending-sign-up", network),
            Self::SignUp { network } => ("sign-up", network),
            Self::Failure { network } => ("failure", network),
            Self::AnonymousReport { network } => ("anonymous-report", network),
        };
        format!("bytes:{kind}:{id}:{}", clock::day(now))
    }

    /// What it takes at once, at least. Who is not known takes exactly what is stored: a slice would cost them nothing,
    /// and everybody the rest of it.
    pub(super) fn slice_bytes(&self, now: Moment) -> u64 {
        match self {
            Self::Account { since, .. } if is_new(*since, now) => SMALL_SLICE,
            Self::Account { .. } => SLICE,
            Self::SignIn { .. } => SMALL_SLICE,
            Self::AtAccount { .. }
            | Self::PendingSignUp { .. }
            | Self::SignUp { .. }
            | Self::Failure { .. }
            | Self::AnonymousReport { .. } => 0,
        }
    }

    /// Its budgets, those of everybody first: who has used up their own leaves no trace in these.
    pub(super) fn counters(&self, now: Moment) -> Vec<Counter> {
        let day = clock::day(now);
        let of_day = |name, whose: &str, limit| Counter {
            key: format!("{day}/{name}{whose}"),
            name,
            limit,
            expires_at: Some(day_expires_at(now)),
        };
        let with_network = |everybody: Counter, network: &str| {
            let wide = wide_network(network);
            let wide = wide.map(|wide| of_day("wide-network", &format!("/{wide}"), WIDE_NETWORK_ATTEMPTS_DAY));
            [everybody]
                .into_iter()
                .chain(wide)
                .chain([of_day("network", &format!("/{network}"), NETWORK_DAY)])
                .collect()
        };
        match self {
            Self::Account { id, since } => {
                let is_new = is_new(*since, now);
                let of_new = is_new.then(|| of_day("new-accounts", "", NEW_ACCOUNTS_DAY));
                let limit = if is_new { NEW_ACCOUNT_DAY } else { ACCOUNT_DAY };
                let own = [
                    of_day("account", &format!("/{id}"), limit),
                    Counter { key: total(id), name: "account-total", limit: ACCOUNT_TOTAL, expires_at: None },
                ];
                [of_day("accounts", "", ACCOUNTS_DAY)].into_iter().chain(of_new).chain(own).collect()
            }
            Self::SignIn { account_id } => {
                vec![of_day("all-sign-ins", "", UNLIMITED), of_day("sign-ins", &format!("/{account_id}"), SIGN_INS_DAY)]
            }
            Self::AtAccount { account_id } => vec![of_day("at-account", &format!("/{account_id}"), AT_ACCOUNT_DAY)],
            Self::PendingSignUp { network } => {
                with_network(of_day("pending-sign-ups", "", PENDING_SIGN_UPS_DAY), network)
            }
            Self::SignUp { network } => with_network(of_day("sign-ups", "", SIGN_UPS_DAY), network),
            Self::Failure { network } => with_network(of_day("failures", "", FAILURES_DAY), network),
            Self::AnonymousReport { network } => {
                with_network(of_day("anonymous-reports", "", ANONYMOUS_REPORTS_DAY), network)
            }
        }
    }
}

fn is_new(since: Moment, now: Moment) -> bool {
    now < since + NEW_FOR
}

/// Two days later: by then every clock says another day.
pub(super) fn day_expires_at(now: Moment) -> Moment {
    clock::start_of_day(now, -2)
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
        for (now, day, is_new) in [
            ("2026-11-08T11:59:59.999Z", "2026-11-08", true),
            ("2026-11-08T12:00:00Z", "2026-11-08", false),
            // The clock of whoever made the account was ahead.
            ("2026-10-31T00:00:00Z", "2026-10-31", true),
        ] {
            let mut expected = vec![
                (format!("{day}/accounts"), ACCOUNTS_DAY),
                (format!("{day}/account/ada"), if is_new { NEW_ACCOUNT_DAY } else { ACCOUNT_DAY }),
                ("total/ada".to_owned(), ACCOUNT_TOTAL),
            ];
            if is_new {
                expected.insert(1, (format!("{day}/new-accounts"), NEW_ACCOUNTS_DAY));
            }
            assert_eq!(limits(&ada, now), expected, "{now}");
        }
        const { assert!(NEW_ACCOUNTS_DAY * 2 < ACCOUNTS_DAY, "strangers' accounts leave most of the day to the others") };
    }

    #[test]
    fn no_number_of_accounts_keeps_another_from_signing_in() {
        let sign_in = Payer::SignIn { account_id: "ada".into() };
        let limited: Vec<_> = limits(&sign_in, "2026-11-08T12:00:00Z")
            .into_iter()
            .filter_map(|(key, limit)| (limit != UNLIMITED).then_some(key))
            .collect();
        assert_eq!(limited, ["2026-11-08/sign-ins/ada"]);
    }

    #[test]
    fn who_is_not_known_takes_no_more_than_is_stored() {
        let (network, now) = (|| String::from("192.0.2.1"), at("2026-11-08T12:00:00Z"));
        let payers = [
            Payer::PendingSignUp { network: network() },
            Payer::SignUp { network: network() },
            Payer::Failure { network: network() },
        ];
        assert_eq!(payers.map(|payer| payer.slice_bytes(now)), [0; 3]);
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_a_64_of_a_48() {
        let keys = |network: &str| {
            let payer = Payer::Failure { network: network.into() };
            limits(&payer, "2026-11-08T23:59:59.999Z").into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(keys("192.0.2.1"), ["2026-11-08/failures", "2026-11-08/network/192.0.2.1"]);
        assert_eq!(
            keys("2001:db8:7:1::/64"),
            ["2026-11-08/failures", "2026-11-08/wide-network/2001:db8:7::/48", "2026-11-08/network/2001:db8:7:1::/64"]
        );
    }

    #[test]
    fn a_slice_of_yesterday_is_not_found_today() {
        let payer = Payer::Failure { network: "192.0.2.1".into() };
        assert_ne!(payer.slice(at("2026-11-08T23:59:59.999Z")), payer.slice(at("2026-11-09T00:00:00Z")));
        assert_eq!(seconds_left(at("2026-11-08T23:59:59.999Z")), 1);
    }
}

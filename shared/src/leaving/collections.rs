//! Every collection, and whether it holds something about an account: what an export holds, and a deletion erases.

use bson::{Document, doc};

/// Documents about an account.
pub(super) struct Holding {
    pub collection: &'static str,
    pub account: Named,
    /// What an export leaves out: what opens something, and what is about somebody else. Dots lead into a document.
    pub left_out: &'static [&'static str],
    pub fate: Fate,
}

/// Where a document names the account that it is about.
pub(super) enum Named {
    /// It is the account's own: by its `_id`.
    Id,
    In(&'static str),
    /// As `user/<id>` in this field.
    AsUser(&'static str),
}

/// What becomes of documents about a deleted account.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Erased,
    /// Prompts that are published or an organisation's stay, without a name; so do their revisions and audits.
    ErasedUnlessShared,
    /// Sums stay, without a name.
    Summed,
    /// Until it expires: who did what must be told for as long, and its entries are sealed.
    Kept,
}

impl Holding {
    /// The documents about this account.
    pub(super) fn of(&self, account_id: &str) -> Document {
        match self.account {
            Named::Id => doc! {"_id": account_id},
            Named::In(field) => doc! {field: account_id},
            Named::AsUser(field) => doc! {field: format!("user/{account_id}")},
        }
    }
}

const fn holding(collection: &'static str, account: Named, left_out: &'static [&'static str], fate: Fate) -> Holding {
    Holding { collection, account, left_out, fate }
}

pub(super) const HOLDINGS: &[Holding] = {
    use Fate::{Erased, ErasedUnlessShared, Kept, Summed};
    use Named::{AsUser, Id, In};
    &[
        holding(
            "users",
            Id,
            &["passwordHash", "mfa.totp", "mfa.recovery", "mfa.recoverySalt", "mfa.pending.totp"],
            Erased,
        ),
        holding("sessions", In("userId"), &["refreshHash"], Erased),
        holding("user_activity", In("userId"), &[], Erased),
        holding("prompts", In("authorId"), &["lastRevisedBy", "deletedBy"], ErasedUnlessShared),
        holding("prompt_revisions", In("changedBy"), &[], ErasedUnlessShared),
        holding("prompt_audits", In("auditedBy"), &[], ErasedUnlessShared),
        holding("prompt_collections", In("userId"), &[], Erased),
        holding("workbench_runs", In("userId"), &[], Erased),
        holding("bug_reports", In("userId"), &["history"], Erased),
        holding("ai_usage", In("userId"), &[], Summed),
        holding("usage_daily", In("userId"), &[], Summed),
        holding("usage_alerts", In("userId"), &[], Erased),
        holding("usage_alert_firings", In("userId"), &[], Erased),
        holding("api_keys", In("userId"), &["secretHmac", "previous"], Erased),
        holding("api_key_usage", In("userId"), &[], Erased),
        holding("provider_keys", In("userId"), &["cipher"], Erased),
        holding("notifications", In("userId"), &[], Erased),
        holding("password_resets", In("userId"), &["tokenHash"], Erased),
        holding("mfa_codes", In("userId"), &["codeHmac"], Erased),
        holding("audit_logs", In("actorId"), &["hash"], Kept),
        // What others did to it, or tried.
        holding("audit_logs", AsUser("resource"), &["hash", "actorId", "ip", "userAgent", "requestId"], Kept),
        holding("account_exports", Id, &["folder"], Erased),
    ]
};

/// Where documents that stay name somebody who did something to them.
pub(super) const MENTIONS: [(&str, &str); 7] = [
    ("prompts", "authorId"),
    ("prompts", "lastRevisedBy"),
    ("prompts", "deletedBy"),
    ("prompt_revisions", "changedBy"),
    ("prompt_audits", "auditedBy"),
    ("bug_reports", "history.by"),
    ("usage_reports", "topUsers.name"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    /// Collections that hold nothing about an account, and why.
    const OF_NOBODY: [(&str, &str); 17] = [
        ("patterns", "content"),
        ("learning_resources", "content"),
        ("sign_ups", "an address without an account, for a day"),
        ("counters", "hashes, for hours"),
        ("guards", "numbers"),
        ("database_owner", "whose the database is"),
        ("affiliate_links", "the application's"),
        ("affiliate_outreach", "the application's"),
        ("analytics_events", "of nobody who is signed in"),
        ("prompt_daily", "sums"),
        ("model_prices", "an operator's"),
        ("usage_reports", "sums; an account among the first ten is a mention"),
        ("affiliate_clicks", "of nobody who is signed in"),
        ("ledger", "numbers of bytes, until the next count"),
        ("refusals", "sums"),
        ("notification_counts", "hashes, for two days"),
        ("account_deletions", "what is being erased"),
    ];

    #[test]
    fn of_every_collection_it_is_said_what_it_holds_about_an_account() {
        for collection in schema::COLLECTIONS {
            let of_accounts = HOLDINGS.iter().any(|holding| holding.collection == collection.name);
            let of_nobody = OF_NOBODY.iter().any(|(name, _)| *name == collection.name);
            assert!(of_accounts != of_nobody, "{}", collection.name);
        }
        for name in HOLDINGS.iter().map(|holding| holding.collection).chain(MENTIONS.map(|(name, _)| name)) {
            assert!(schema::COLLECTIONS.iter().any(|collection| collection.name == name), "{name}");
        }
    }
}

//! Fields that have no place here: a line for each document that has some.

use bson::{Bson, Document};

use super::super::old::line;

/// What every document may have, and nobody misses.
const ANYWHERE: [&str; 4] = ["_id", "__v", "createdAt", "updatedAt"];
/// Fields that one line names.
const NAMED: usize = 20;

/// The fields that are read of a document of this collection; `None` where all of them come along.
#[expect(clippy::too_many_lines, reason = "a table")]
fn placed(collection: &str) -> Option<&'static [&'static str]> {
    Some(match collection {
        "users" => &[
            "email",
            "name",
            "role",
            "plan",
            "organizationId",
            "status",
            "suspended",
            "isActive",
            "deletedAt",
            "lastLoginAt",
            "password",
            "passwordHash",
            "emailVerified",
        ],
        // A factor is off here, as its line says.
        "user_mfa" => &["userId", "phoneNumber", "method", "enabled", "enabledAt", "disabledAt"],
        "user_stats" => &["userId", "daysLoggedIn", "loginDates", "lastLoginDate"],
        "prompt_collections" => &[
            "userId",
            "originalPromptId",
            "promptId",
            "content",
            "originalContent",
            "title",
            "category",
            "role",
            "pattern",
        ],
        // Its limit of calls and its end have lines of their own.
        "api_keys" => &[
            "userId",
            "provider",
            "encryptedKey",
            "keyName",
            "name",
            "isActive",
            "revokedAt",
            "rotatedAt",
            "expiresAt",
            "allowedModels",
            "monthlyUsageLimit",
        ],
        "ai_usage" | "ai_usage_logs" => &[
            "userId",
            "timestamp",
            "provider",
            "model",
            "promptTokens",
            "completionTokens",
            "totalTokens",
            "prompt",
            "completion",
            "total",
            "cost",
            "latency",
            "success",
            "error",
            "endpoint",
            "sessionId",
        ],
        "api_key_usage" => &[
            "userId",
            "keyId",
            "timestamp",
            "provider",
            "model",
            "tokensUsed",
            "cost",
            "responseTime",
            "status",
            "errorType",
        ],
        "workbench_runs" => &[
            "userId",
            "runId",
            "toolId",
            "status",
            "budgetCents",
            "costCents",
            "provider",
            "model",
            "inputTokens",
            "outputTokens",
            "totalTokens",
            "promptHash",
            "contractVersion",
            "metadata",
            "error",
            "completedAt",
        ],
        "bug_reports" => &[
            "userId",
            "intent",
            "description",
            "pageUrl",
            "url",
            "selector",
            "elementText",
            "elementSize",
            "timestamp",
            "userAgent",
            "status",
        ],
        "affiliate_config" | "affiliate_links" => &[
            "tool",
            "baseUrl",
            "referralUrl",
            "affiliateCode",
            "commission",
            "status",
            "notes",
            "clickCount",
            "conversionCount",
            "lastClickAt",
        ],
        "partnership_outreach" => &["company", "contact", "priority", "rating", "traffic", "status", "notes"],
        _ => return None,
    })
}

/// Names what of a document has no place here, never what it holds; `None` where everything has one, or is empty.
pub(crate) fn without_a_place(collection: &str, document: &Document) -> Option<String> {
    let placed = placed(collection)?;
    let is_left = |name: &str, value: &Bson| {
        let is_empty = match value {
            Bson::Null | Bson::Undefined => true,
            Bson::String(text) => text.trim().is_empty(),
            Bson::Array(items) => items.is_empty(),
            Bson::Document(fields) => fields.is_empty(),
            _ => false,
        };
        !is_empty && !placed.contains(&name) && !ANYWHERE.contains(&name)
    };
    let left = document.iter().filter(|(name, value)| is_left(name, value));
    let left: Vec<String> = left.map(|(name, _)| line(name, 50)).collect();
    let more = left.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let named = left.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    (!left.is_empty()).then(|| format!("without what has no place here: {named}{more}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    #[test]
    fn what_has_no_place_is_named_and_never_shown() {
        let user = doc! {
            "_id": 1, "email": "a@example.com", "stripeCustomerId": "cus_1", "favoritePrompts": ["a"], "preferences": {},
            "xp": 7, "bio": " ", "careerContext": null,
        };
        let line = without_a_place("users", &user);
        assert_eq!(line.as_deref(), Some("without what has no place here: stripeCustomerId, favoritePrompts, xp"));
        let key = doc! {"userId": 1, "encryptedKey": "a", "notes": "of Ada", "usageCount": 3};
        let line = without_a_place("api_keys", &key);
        assert_eq!(line.as_deref(), Some("without what has no place here: notes, usageCount"));
        assert_eq!(without_a_place("users", &doc! {"email": "a@example.com", "updatedAt": 1}), None);
        assert_eq!(without_a_place("prompts", &doc! {"anything": 1}), None, "every field of it comes along");
    }
}

//! What people may write of a prompt. Everything else (ids, authors, counts) is not theirs to send.

#![expect(clippy::option_option, reason = "absent, null and a value are three things")]

use garde::Validate;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{CURATE, Prompt};
use crate::{
    auth::Principal,
    http::Problem,
    roles::Permission,
    text::{line, plain},
};

/// A prompt to make, or what to change of one: absent fields stay as they are. Null removes what a prompt can be
/// without.
#[derive(Clone, Debug, Default, Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "title": "Explain an error message", "category": "debugging", "tags": ["errors"],
    "content": "Explain this error message in one paragraph, then name the two likeliest causes: {{message}}"
}))]
pub struct PromptFields {
    /// 1 to 200 characters. A new prompt needs one.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 200), custom(line)))]
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    pub title: Option<String>,
    /// Up to 1,000 characters.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, max = 1000), custom(plain))))]
    #[schema(value_type = Option<String>, max_length = 1000)]
    description: Option<Option<String>>,
    /// 1 to 50,000 characters, kept letter by letter. A new prompt needs it.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 50_000), custom(plain)))]
    #[schema(nullable = false, min_length = 1, max_length = 50_000)]
    pub content: Option<String>,
    /// `general` when absent. The vocabulary is open.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 100), custom(line)))]
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    category: Option<String>,
    /// Whom it is for.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, min = 1, max = 100), custom(line))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    role: Option<Option<String>>,
    /// `junior`, `senior`, …
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, min = 1, max = 100), custom(line))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    experience_level: Option<Option<String>>,
    /// Id of a pattern.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, min = 1, max = 100), custom(line))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    pattern: Option<Option<String>>,
    /// Up to 20.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 20), inner(inner(inner(length(chars, min = 1, max = 50), custom(line)))))]
    #[schema(value_type = Option<Vec<String>>, max_items = 20)]
    tags: Option<Option<Vec<String>>>,
    /// What it is, in a paragraph.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, min = 1, max = 2000), custom(plain))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000)]
    what_is: Option<Option<String>>,
    /// Reasons to use it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 20), inner(inner(inner(length(chars, min = 1, max = 500), custom(plain)))))]
    #[schema(value_type = Option<Vec<String>>, max_items = 20)]
    why_use: Option<Option<Vec<String>>>,
    /// Reasons not to.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 20), inner(inner(inner(length(chars, min = 1, max = 500), custom(plain)))))]
    #[schema(value_type = Option<Vec<String>>, max_items = 20)]
    when_not_to_use: Option<Option<Vec<String>>>,
    /// What it is used for.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 20), inner(inner(inner(length(chars, min = 1, max = 500), custom(plain)))))]
    #[schema(value_type = Option<Vec<String>>, max_items = 20)]
    use_cases: Option<Option<Vec<String>>>,
    /// Advice.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 20), inner(inner(inner(length(chars, min = 1, max = 500), custom(plain)))))]
    #[schema(value_type = Option<Vec<String>>, max_items = 20)]
    best_practices: Option<Option<Vec<String>>>,
    /// For search engines.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, min = 1, max = 165), custom(line))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 165)]
    meta_description: Option<Option<String>>,
    /// For search engines.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 20), inner(inner(inner(length(chars, min = 1, max = 50), custom(line)))))]
    #[schema(value_type = Option<Vec<String>>, max_items = 20)]
    seo_keywords: Option<Option<Vec<String>>>,
    /// `beginner`, …
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, min = 1, max = 50), custom(line))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 50)]
    difficulty: Option<Option<String>>,
    /// `10 minutes`, …
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, min = 1, max = 50), custom(line))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 50)]
    estimated_time: Option<Option<String>>,
    /// What the reader fills in.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 20), dive)]
    #[schema(value_type = Option<Vec<Parameter>>, max_items = 20)]
    parameters: Option<Option<Vec<Parameter>>>,
    /// Models that it was written for.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 10), dive)]
    #[schema(value_type = Option<Vec<RecommendedModel>>, max_items = 10)]
    recommended_model: Option<Option<Vec<RecommendedModel>>>,
    /// Whether everybody sees it after the next export. For curators (`org_admin` and above).
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    #[schema(nullable = false)]
    is_public: Option<bool>,
    /// Whether only the premium plans read it. For curators.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    #[schema(nullable = false)]
    is_premium: Option<bool>,
    /// Whether only those who are signed in read it. For curators.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    #[schema(nullable = false)]
    requires_auth: Option<bool>,
    /// Whether it is put in front. For super admins.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    #[schema(nullable = false)]
    is_featured: Option<bool>,
    /// Why, for the revision; not a part of the prompt.
    #[serde(skip_serializing)]
    #[garde(inner(length(chars, max = 500), custom(plain)))]
    #[schema(max_length = 500)]
    pub change_reason: Option<String>,
}

/// Something to fill in.
#[derive(Clone, Debug, Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameter {
    /// Its name within the content.
    #[garde(length(chars, min = 1, max = 100), custom(line))]
    #[schema(min_length = 1, max_length = 100)]
    id: String,
    /// What a reader sees.
    #[garde(length(chars, min = 1, max = 200), custom(line))]
    #[schema(min_length = 1, max_length = 200)]
    label: String,
    /// What is filled in.
    #[serde(rename = "type")]
    #[garde(skip)]
    kind: ParameterKind,
    /// Whether it must be.
    #[serde(default)]
    #[garde(skip)]
    required: bool,
    /// What stands in the empty field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, max = 500), custom(plain)))]
    #[schema(max_length = 500)]
    placeholder: Option<String>,
    /// What to choose from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 50), inner(inner(length(chars, min = 1, max = 200), custom(line))))]
    #[schema(max_items = 50)]
    options: Option<Vec<String>>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, max = 500), custom(plain)))]
    #[schema(max_length = 500)]
    description: Option<String>,
    /// An example.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, max = 500), custom(plain)))]
    #[schema(max_length = 500)]
    example: Option<String>,
    /// What it is unless something else is filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, max = 500), custom(plain)))]
    #[schema(max_length = 500)]
    default_value: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum ParameterKind {
    Text,
    Select,
    Textarea,
    Checkbox,
    Multiselect,
}

/// A model that suits.
#[derive(Clone, Debug, Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecommendedModel {
    /// The provider's name of it.
    #[garde(length(chars, min = 1, max = 100), custom(line))]
    #[schema(min_length = 1, max_length = 100)]
    model: String,
    /// Who runs it.
    #[garde(length(chars, min = 1, max = 50), custom(line))]
    #[schema(min_length = 1, max_length = 50)]
    provider: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, max = 500), custom(plain)))]
    #[schema(max_length = 500)]
    reason: Option<String>,
    /// For what.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, max = 500), custom(plain)))]
    #[schema(max_length = 500)]
    use_case: Option<String>,
}

/// The fields that a revision keeps: all that people may write.
pub(super) const EDITABLE: [&str; 23] = [
    "title",
    "description",
    "content",
    "category",
    "role",
    "experienceLevel",
    "pattern",
    "tags",
    "whatIs",
    "whyUse",
    "whenNotToUse",
    "useCases",
    "bestPractices",
    "metaDescription",
    "seoKeywords",
    "difficulty",
    "estimatedTime",
    "parameters",
    "recommendedModel",
    "isPublic",
    "isPremium",
    "requiresAuth",
    "isFeatured",
];

impl PromptFields {
    /// 403 for flags that would change and are not this caller's to set. A new prompt (no `before`) has none.
    pub fn check_flags(&self, principal: &Principal, before: Option<&Prompt>) -> Result<(), Problem> {
        let is = |flag: &str| before.is_some_and(|before| before.flag(flag, false));
        let published = [
            (self.is_public, before.is_some_and(Prompt::is_public)),
            (self.is_premium, is("isPremium")),
            (self.requires_auth, is("requiresAuth")),
        ];
        let changes = |(sent, is): (Option<bool>, bool)| sent.is_some_and(|sent| sent != is);
        if published.into_iter().any(changes) && !principal.may(CURATE) {
            return Err(Problem::forbidden("publishing_not_allowed", "Ask an administrator to publish it."));
        }
        if changes((self.is_featured, is("isFeatured"))) && !principal.may(Permission::PromptsFeatured) {
            return Err(Problem::forbidden("featuring_not_allowed", "Your account may not put prompts in front."));
        }
        Ok(())
    }

    /// 422 unless there is what a new prompt needs.
    pub fn check_new(&self) -> Result<(), Problem> {
        let required = [("title", &self.title), ("content", &self.content)];
        match required.into_iter().find(|(_, value)| value.is_none()) {
            Some((field, _)) => Err(Problem::invalid_field(field, "is required")),
            None => Ok(()),
        }
    }

    /// The fields that were sent: a value to set, or null to remove.
    pub fn into_map(self) -> Result<Map<String, Value>, Problem> {
        match serde_json::to_value(self)? {
            Value::Object(map) => Ok(map),
            other => Err(Problem::internal(format!("a struct became {other}"))),
        }
    }
}

/// Tells null (`Some(None)`) from absent (`None`).
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Refuses null, which would remove what every prompt has.
fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{prompts::rights::tests::principal, roles::Role};
    use serde_json::json;

    #[test]
    fn null_removes_and_absent_leaves_alone() {
        let fields: PromptFields =
            serde_json::from_value(json!({"title": "T", "role": null, "changeReason": "because"})).expect("fields");
        assert_eq!(Value::Object(fields.into_map().expect("a map")), json!({"title": "T", "role": null}));
    }

    #[test]
    fn null_is_never_ignored() {
        for field in EDITABLE {
            let sent = json!({field: null});
            let is_required = ["title", "content", "category", "isPublic", "isPremium", "requiresAuth", "isFeatured"]
                .contains(&field);
            match serde_json::from_value::<PromptFields>(sent.clone()) {
                Ok(fields) => {
                    assert!(!is_required, "{field}");
                    assert_eq!(Value::Object(fields.into_map().expect("a map")), sent);
                }
                Err(error) => assert!(is_required, "{field}: {error}"),
            }
        }
    }

    #[test]
    fn a_flag_is_refused_only_where_it_would_change() {
        let prompt = |value: Value| Prompt(value.as_object().expect("an object").clone());
        let (private, public) = (prompt(json!({"isPublic": false})), prompt(json!({"isPremium": true})));
        let code = |role: Role, before: Option<&Prompt>, sent: Value| {
            let fields: PromptFields = serde_json::from_value(sent).expect("fields");
            let refusal = format!("{:?}", fields.check_flags(&principal(role, None), before).err()?);
            ["publishing_not_allowed", "featuring_not_allowed"].into_iter().find(|code| refusal.contains(code))
        };
        let (publishing, featuring) = (Some("publishing_not_allowed"), Some("featuring_not_allowed"));
        for (before, sent, refused) in [
            (None, json!({"isPublic": false, "isPremium": false, "requiresAuth": false, "isFeatured": false}), None),
            (None, json!({"isPublic": true}), publishing),
            (None, json!({"isFeatured": true}), featuring),
            (Some(&private), json!({"isPublic": false, "isFeatured": false}), None),
            (Some(&private), json!({"isPublic": true}), publishing),
            (Some(&private), json!({"requiresAuth": true}), publishing),
            (Some(&public), json!({"isPublic": true, "isPremium": true}), None),
            (Some(&public), json!({"isPublic": false}), publishing),
            (Some(&public), json!({"isPremium": false}), publishing),
        ] {
            assert_eq!(code(Role::User, before, sent.clone()), refused, "{sent}");
            assert_eq!(code(Role::SuperAdmin, before, sent), None);
        }
        assert_eq!(code(Role::OrgAdmin, None, json!({"isPublic": true})), None);
        assert_eq!(code(Role::OrgAdmin, None, json!({"isFeatured": true})), featuring);
    }

    #[test]
    fn what_is_not_the_authors_to_send_is_refused() {
        for field in ["id", "_id", "views", "authorId", "organizationId", "active", "currentRevision", "slug", "$set"] {
            assert!(serde_json::from_value::<PromptFields>(json!({field: 1})).is_err(), "{field}");
        }
    }

    #[test]
    fn every_field_that_can_be_written_is_kept_by_a_revision() {
        let all: Map<String, Value> = EDITABLE
            .iter()
            .map(|field| {
                let value = match *field {
                    "title" | "description" | "content" | "category" => json!("x"),
                    "tags" | "whyUse" | "whenNotToUse" | "useCases" | "bestPractices" | "seoKeywords" => json!(["x"]),
                    "parameters" => json!([{"id": "x", "label": "x", "type": "text", "required": false}]),
                    "recommendedModel" => json!([{"model": "x", "provider": "x"}]),
                    "isPublic" | "isPremium" | "requiresAuth" | "isFeatured" => json!(true),
                    _ => Value::Null,
                };
                ((*field).to_owned(), value)
            })
            .collect();
        let fields: PromptFields = serde_json::from_value(Value::Object(all.clone())).expect("known fields");
        assert_eq!(fields.into_map().expect("a map"), all);
    }
}

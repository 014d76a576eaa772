//! What people may write of a prompt. Everything else (ids, authors, counts) is not theirs to send.

#![expect(clippy::option_option, reason = "absent, null and a value are three things")]

use garde::Validate;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::CURATE;
use crate::{
    accounts::{Permission, Principal},
    http::{Problem, plain},
};

/// A prompt to make, or what to change of one: absent fields stay as they are, null removes.
#[derive(Clone, Debug, Default, Deserialize, Serialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "title": "Explain an error message", "category": "debugging", "tags": ["errors"],
    "content": "Explain this error message in one paragraph, then name the two likeliest causes: {{message}}"
}))]
pub struct PromptFields {
    /// 1 to 200 characters. A new prompt needs one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 200), custom(plain)))]
    #[schema(min_length = 1, max_length = 200)]
    pub title: Option<String>,
    /// Up to 1,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, max = 1000), custom(plain)))]
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// 1 to 50,000 characters, kept letter by letter. A new prompt needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 50_000), custom(plain)))]
    #[schema(min_length = 1, max_length = 50_000)]
    pub content: Option<String>,
    /// `general` when absent. The vocabulary is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 100), custom(plain)))]
    #[schema(min_length = 1, max_length = 100)]
    category: Option<String>,
    /// Whom it is for.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, min = 1, max = 100), custom(plain))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    role: Option<Option<String>>,
    /// `junior`, `senior`, …
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, min = 1, max = 100), custom(plain))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    experience_level: Option<Option<String>>,
    /// Id of a pattern.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, min = 1, max = 100), custom(plain))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    pattern: Option<Option<String>>,
    /// Up to 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 20), inner(inner(length(chars, min = 1, max = 50), custom(plain))))]
    #[schema(max_items = 20)]
    tags: Option<Vec<String>>,
    /// What it is, in a paragraph.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, min = 1, max = 2000), custom(plain))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000)]
    what_is: Option<Option<String>>,
    /// Reasons to use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 20), inner(inner(length(chars, min = 1, max = 500), custom(plain))))]
    #[schema(max_items = 20)]
    why_use: Option<Vec<String>>,
    /// Reasons not to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 20), inner(inner(length(chars, min = 1, max = 500), custom(plain))))]
    #[schema(max_items = 20)]
    when_not_to_use: Option<Vec<String>>,
    /// What it is used for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 20), inner(inner(length(chars, min = 1, max = 500), custom(plain))))]
    #[schema(max_items = 20)]
    use_cases: Option<Vec<String>>,
    /// Advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 20), inner(inner(length(chars, min = 1, max = 500), custom(plain))))]
    #[schema(max_items = 20)]
    best_practices: Option<Vec<String>>,
    /// For search engines.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, min = 1, max = 165), custom(plain))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 165)]
    meta_description: Option<Option<String>>,
    /// For search engines.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 20), inner(inner(length(chars, min = 1, max = 50), custom(plain))))]
    #[schema(max_items = 20)]
    seo_keywords: Option<Vec<String>>,
    /// `beginner`, …
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, min = 1, max = 50), custom(plain))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 50)]
    difficulty: Option<Option<String>>,
    /// `10 minutes`, …
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(length(chars, min = 1, max = 50), custom(plain))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 50)]
    estimated_time: Option<Option<String>>,
    /// What the reader fills in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 20), dive)]
    #[schema(max_items = 20)]
    parameters: Option<Vec<Parameter>>,
    /// Models that it was written for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 10), dive)]
    #[schema(max_items = 10)]
    recommended_model: Option<Vec<RecommendedModel>>,
    /// Whether everybody sees it after the next export. For curators (`org_admin` and above).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    is_public: Option<bool>,
    /// Whether only the premium plans read it. For curators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    is_premium: Option<bool>,
    /// Whether only those who are signed in read it. For curators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    requires_auth: Option<bool>,
    /// Whether it is put in front. For super admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
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
    #[garde(length(chars, min = 1, max = 100), custom(plain))]
    #[schema(min_length = 1, max_length = 100)]
    id: String,
    /// What a reader sees.
    #[garde(length(chars, min = 1, max = 200), custom(plain))]
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
    #[garde(length(max = 50), inner(inner(length(chars, min = 1, max = 200), custom(plain))))]
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
    #[garde(length(chars, min = 1, max = 100), custom(plain))]
    #[schema(min_length = 1, max_length = 100)]
    model: String,
    /// Who runs it.
    #[garde(length(chars, min = 1, max = 50), custom(plain))]
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
    /// 403 for flags that are not this caller's to set.
    pub fn check_flags(&self, principal: &Principal) -> Result<(), Problem> {
        let role = principal.role();
        let published = self.is_public.or(self.is_premium).or(self.requires_auth).is_some();
        if published && !role.may(CURATE) {
            return Err(Problem::forbidden("publishing_not_allowed", "Ask an administrator to publish it."));
        }
        if self.is_featured.is_some() && !role.may(Permission::PromptsFeatured) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn null_removes_and_absent_leaves_alone() {
        let fields: PromptFields =
            serde_json::from_value(json!({"title": "T", "role": null, "changeReason": "because"})).expect("fields");
        assert_eq!(Value::Object(fields.into_map().expect("a map")), json!({"title": "T", "role": null}));
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

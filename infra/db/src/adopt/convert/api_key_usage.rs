//! Records of use of provider keys: each is a use of a model, and a use of its key, as with our own keys.

use bson::Document;
use shared::{api_keys::ApiKeyUsage, usage::AiUsage};

use super::{
    super::old::{OldFields, made_at, ordered_id, shorten},
    Context,
    ai_usage::{base, tokens, user},
    api_keys::new_id,
    row::{NewDocument, Row, each},
};

pub(super) fn convert(context: &Context<'_>, collection: &str) -> Vec<Row> {
    each(context.old(collection), |record, mapped| {
        let fields = &record.fields;
        let none = Document::new();
        let dollars = fields.object("cost").map_or_else(|| fields.number("cost"), total_dollars);
        let (sent, received) = tokens(fields.object("tokensUsed").unwrap_or(&none));
        let usage = AiUsage {
            id: record.id.clone(),
            user_id: user(context, fields, mapped),
            key_id: key(context, fields),
            prompt_tokens: sent,
            completion_tokens: received,
            latency_ms: fields.count("responseTime").unwrap_or_default(),
            success: fields.text("status").is_none_or(|status| status == "success"),
            error: fields.text("errorType").map(|error| shorten(&error, 500)),
            ..base(context, fields, dollars, mapped)?
        };
        let status = fields.text("status").unwrap_or_else(|| "success".into());
        let of_key = usage.key_id.clone().map(|key_id| ApiKeyUsage {
            id: record.id.clone(),
            user_id: usage.user_id.clone(),
            key_id,
            provider: Some(usage.provider.clone()),
            status: if ["success", "rate_limited"].contains(&status.as_str()) { status } else { "error".into() },
            occurred_at: usage.occurred_at,
        });
        let mut written = vec![NewDocument::typed("ai_usage", &usage)?];
        match of_key {
            Some(of_key) => written.push(NewDocument::typed("api_key_usage", &of_key)?),
            None => mapped.push("it names no key: a use of a model alone".into()),
        }
        Ok(written)
    })
}

/// The key by its id here; one that is gone there as it would be.
fn key(context: &Context<'_>, fields: &Document) -> Option<String> {
    let old = fields.reference("keyId")?;
    let known = context.old("api_keys").iter().find(|key| key.id == old);
    Some(known.map_or_else(|| ordered_id(&old, made_at(fields, &["timestamp"]).unwrap_or_default()), new_id))
}

fn total_dollars(cost: &Document) -> Option<f64> {
    let parts = || Some(cost.number("input")? + cost.number("output")?);
    cost.number("total").or_else(parts)
}

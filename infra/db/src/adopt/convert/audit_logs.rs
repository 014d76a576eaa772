//! The audit log, of both of its shapes. Entries get our code, are marked as taken over, and hold no addresses. They are
//! kept for a year from when they come here.

use bson::{Document, RawDocumentBuf};
use serde_json::{Map, Value, json};
use shared::{audit::AuditEntry, clock::Moment, mongo::to_json_leniently};

use super::{
    super::{
        old::{OldFields, line, made_at, ordered_id, shorten},
        source::OldDocument,
    },
    Context,
    row::{NewDocument, Outcome, Row, each},
};

const DAYS_KEPT: i64 = 365;

pub(super) fn convert(context: &Context<'_>, collection: &str) -> Vec<Row> {
    each(context.old(collection), |entry, mapped| one(context, collection, entry, mapped))
}

fn one(context: &Context<'_>, collection: &str, entry: &OldDocument, mapped: &mut Vec<String>) -> Outcome {
    let fields = &entry.fields;
    let at = made_at(fields, &["timestamp", "createdAt", "loggedAt"])
        .ok_or("it has no date: give it createdAt, or leave it")?;
    let action = fields
        .text("eventType")
        .or_else(|| fields.text("action"))
        .ok_or("it names no action: give it one, or leave it")?;
    let action = line(&action, 100);
    let is_known = |name: &String| ["auth", "security", "admin", "data"].contains(&name.as_str());
    let of_name = action.split(['.', '_']).next().unwrap_or_default().to_lowercase();
    let category = fields.text("eventCategory").filter(is_known).or(Some(of_name).filter(is_known));
    let failed = fields.flag("success") == Some(false)
        || ["failed", "denied", "error"].iter().any(|word| action.to_lowercase().contains(word));
    let severity = match fields.text("severity").unwrap_or_default().to_lowercase().as_str() {
        "error" | "critical" => "error",
        "warning" => "warning",
        "" if failed => "warning",
        _ => "info",
    };
    let actor = context.user(fields, "userId").filter(|id| !id.contains('@')).or_else(|| by_address(context, fields));
    let resource = match (fields.text("resourceType"), fields.reference("resourceId")) {
        (Some(kind), Some(id)) => Some(format!("{kind}/{id}")),
        (kind, id) => id.or(kind).or_else(|| fields.text("resource")),
    };
    let unsealed = AuditEntry {
        id: ordered_id(&entry.id, at),
        action,
        category: category.unwrap_or_else(|| "data".into()),
        severity: severity.into(),
        outcome: if failed { "failure" } else { "success" }.into(),
        actor_id: actor.map(|actor| shorten(&actor, 100)),
        actor_role: fields.text("userRole").map(|role| shorten(&role, 50)),
        resource: resource.filter(|resource| !resource.contains('@')).map(|resource| shorten(&resource, 200)),
        ip: fields.text("ipAddress").map(|ip| shorten(&ip, 50)),
        user_agent: fields.text("userAgent").map(|agent| shorten(&agent, 500)),
        request_id: fields.text("requestId").map(|request| shorten(&request, 100)),
        details: Some(details(collection, entry, mapped)),
        at,
        expires_at: expiry(context.now),
        hash: String::new(),
        written_at: Some(context.now),
    };
    Ok(vec![NewDocument::typed("audit_logs", &unsealed.signed(&context.secrets.audit))?])
}

fn expiry(now: Moment) -> Moment {
    now + jiff::SignedDuration::from_hours(24 * DAYS_KEPT)
}

/// The actor by the address that the entry has: an id alone is kept.
fn by_address(context: &Context<'_>, fields: &Document) -> Option<String> {
    context.user(fields, "userEmail").filter(|id| !id.contains('@'))
}

fn details(collection: &str, entry: &OldDocument, mapped: &mut Vec<String>) -> Map<String, Value> {
    let more = entry.fields.object("metadata").or_else(|| entry.fields.object("details"));
    let more = more.and_then(|more| RawDocumentBuf::try_from(more).ok());
    let more = more.and_then(|raw| to_json_leniently(&raw, &mut Vec::new()).ok());
    let mut details = more.unwrap_or_default();
    for field in ["action", "errorMessage"] {
        if let Some(text) = entry.fields.text(field) {
            details.insert(field.into(), shorten(&text, 500).into());
        }
    }
    details.insert("takenOverFrom".into(), json!(format!("{collection}/{}", entry.id)));
    let mut details = Value::Object(details);
    if without_addresses(&mut details) {
        mapped.push("without the e-mail addresses in its details".into());
    }
    details.as_object().cloned().unwrap_or_default()
}

/// Takes what looks like an e-mail address out of every text; tells whether there was one.
fn without_addresses(value: &mut Value) -> bool {
    match value {
        Value::String(text) if text.contains('@') => {
            let words = text.split(' ').map(|word| if word.contains('@') { "(address)" } else { word });
            *text = words.collect::<Vec<_>>().join(" ");
            true
        }
        Value::Array(items) => items.iter_mut().map(without_addresses).filter(|found| *found).count() > 0,
        Value::Object(fields) => fields.values_mut().map(without_addresses).filter(|found| *found).count() > 0,
        _ => false,
    }
}

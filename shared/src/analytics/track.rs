//! What a front end reports, checked and turned into events.

use garde::Validate;
use jiff::ToSpan;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{AnalyticsAction, AnalyticsEvent};
use crate::{
    clock::Moment,
    content::{Access, Library},
    http::{FieldError, Problem},
    id,
    queue::Queued,
};

/// Events of a request.
const MAX_EVENTS: usize = 10;
/// Values that an event's metadata holds.
const MAX_METADATA: usize = 8;
/// Characters of each name and each text of them.
const MAX_METADATA_CHARS: usize = 100;
/// How long a front end may hold an event back (offline use).
pub(super) const OLDEST_DAYS: i64 = 7;
/// How far a client's clock may be ahead.
const AHEAD_MINUTES: i64 = 5;

/// A batch of events; or one event, whose fields stand without a list around them.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"events": [{"promptId": "find-a-bug-by-ranked-hypotheses", "event": "copy", "metadata": {"from": "detail"}}]}))]
pub struct TrackRequest {
    /// 1 to 10 events.
    #[garde(custom(few_events), dive)]
    #[schema(min_items = 1, max_items = 10)]
    events: Option<Vec<TrackedEvent>>,
    /// Of one event without a list.
    #[garde(skip)]
    #[schema(format = "uuid")]
    id: Option<String>,
    /// As above.
    #[garde(inner(length(bytes, min = 1, max = 200)))]
    #[schema(min_length = 1, max_length = 200)]
    prompt_id: Option<String>,
    /// As above.
    #[garde(skip)]
    event: Option<AnalyticsAction>,
    /// As above.
    #[garde(custom(few_scalars))]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// As above.
    #[garde(inner(length(bytes, min = 1, max = 100)))]
    #[schema(min_length = 1, max_length = 100)]
    session_id: Option<String>,
    /// As above.
    #[garde(skip)]
    occurred_at: Option<Moment>,
}

/// One event, as a front end reports it.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrackedEvent {
    /// The client's own UUID for the event: sent again, it is counted once.
    #[garde(skip)]
    #[schema(format = "uuid")]
    id: Option<String>,
    /// Id or slug of the prompt.
    #[garde(length(bytes, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    prompt_id: String,
    #[garde(skip)]
    event: AnalyticsAction,
    /// Up to 8 numbers, flags and texts of 100 characters, under names of 1 to 100.
    #[garde(custom(few_scalars))]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// The front end's session.
    #[garde(inner(length(bytes, min = 1, max = 100)))]
    #[schema(min_length = 1, max_length = 100)]
    session_id: Option<String>,
    /// When it happened, RFC 3339; at most 7 days ago and 5 minutes ahead. Now when absent.
    #[garde(skip)]
    occurred_at: Option<Moment>,
}

/// Which events are now safe.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {
    /// How many.
    accepted: usize,
    /// Their ids, in the order of the request.
    ids: Vec<String>,
}

impl TrackRequest {
    /// The events as they go through the queue, or every field at fault.
    pub fn into_events(self, library: &Library, now: Moment) -> Result<Vec<Queued<AnalyticsEvent>>, Problem> {
        let is_single = self.events.is_none();
        let (mut events, mut errors) = (Vec::new(), Vec::new());
        for (index, tracked) in self.tracked()?.into_iter().enumerate() {
            match tracked.into_event(library, now) {
                Ok(event) => events.push(Queued(event)),
                Err((field, message)) => {
                    let list = if is_single { String::new() } else { format!("events[{index}].") };
                    errors.push(FieldError { field: format!("{list}{field}"), message });
                }
            }
        }
        if errors.is_empty() { Ok(events) } else { Err(Problem::invalid(errors)) }
    }

    /// The events of the list, or the one without it: never both, and never half of one.
    fn tracked(self) -> Result<Vec<TrackedEvent>, Problem> {
        let Self { events, id, prompt_id, event, metadata, session_id, occurred_at } = self;
        let has_more = id.is_some() || metadata.is_some() || session_id.is_some() || occurred_at.is_some();
        match (events, prompt_id, event) {
            (Some(events), None, None) if !has_more => Ok(events),
            (Some(_), ..) => Err(Problem::invalid_field("events", "must not stand beside the fields of one event")),
            (None, Some(prompt_id), Some(event)) => {
                Ok(vec![TrackedEvent { id, prompt_id, event, metadata, session_id, occurred_at }])
            }
            (None, Some(_), None) => Err(Problem::invalid_field("event", "is required")),
            (None, None, Some(_)) => Err(Problem::invalid_field("promptId", "is required")),
            (None, None, None) => Err(Problem::invalid_field("events", "is required")),
        }
    }
}

impl TrackedEvent {
    fn into_event(self, library: &Library, now: Moment) -> Result<AnalyticsEvent, (&'static str, String)> {
        let id = match self.id {
            None => id::new(),
            Some(text) => id::parse(&text).ok_or_else(|| ("id", "must be a UUID".to_owned()))?,
        };
        let prompt_id = known_prompt(library, &self.prompt_id)
            .ok_or_else(|| ("promptId", "is not the id or slug of a prompt".to_owned()))?;
        let occurred_at = self.occurred_at.unwrap_or(now);
        if occurred_at < now - (24 * OLDEST_DAYS).hours() || occurred_at > now + AHEAD_MINUTES.minutes() {
            return Err((
                "occurredAt",
                format!("must be at most {OLDEST_DAYS} days ago and {AHEAD_MINUTES} minutes ahead"),
            ));
        }
        let session_id = self.session_id;
        Ok(AnalyticsEvent { id, prompt_id, event: self.event, metadata: self.metadata, session_id, occurred_at })
    }
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "as the validator calls it")]
fn few_events(events: &Option<Vec<TrackedEvent>>, _: &()) -> garde::Result {
    let fits = events.as_ref().is_none_or(|events| (1..=MAX_EVENTS).contains(&events.len()));
    if fits { Ok(()) } else { Err(garde::Error::new(format!("must be 1 to {MAX_EVENTS} events"))) }
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "as the validator calls it")]
fn few_scalars(metadata: &Option<Map<String, Value>>, _: &()) -> garde::Result {
    let Some(metadata) = metadata else { return Ok(()) };
    let is_short = |text: &str| text.chars().count() <= MAX_METADATA_CHARS;
    let is_scalar = |value: &Value| match value {
        Value::String(text) => is_short(text),
        Value::Array(_) | Value::Object(_) => false,
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    };
    let is_fine = |(name, value): (&String, &Value)| !name.is_empty() && is_short(name) && is_scalar(value);
    if metadata.len() <= MAX_METADATA && metadata.iter().all(is_fine) {
        return Ok(());
    }
    Err(garde::Error::new(format!(
        "must be {MAX_METADATA} numbers, flags or texts of {MAX_METADATA_CHARS} characters at most, none of them nested"
    )))
}

/// A view of a prompt, now.
pub fn view_event(library: &Library, id_or_slug: &str, now: Moment) -> Result<Queued<AnalyticsEvent>, Problem> {
    let prompt_id = known_prompt(library, id_or_slug).ok_or_else(|| Problem::not_found("There is no such prompt."))?;
    Ok(Queued(AnalyticsEvent {
        id: id::new(),
        prompt_id,
        event: AnalyticsAction::View,
        metadata: None,
        session_id: None,
        occurred_at: now,
    }))
}

/// The id of a prompt that readers know of, so that nobody can fill the store with names they made up.
pub fn known_prompt(library: &Library, id_or_slug: &str) -> Option<String> {
    library.find(id_or_slug).filter(|item| item.access != Access::Hidden).map(|item| item.id.clone())
}

impl From<&[Queued<AnalyticsEvent>]> for Accepted {
    fn from(events: &[Queued<AnalyticsEvent>]) -> Self {
        Self { accepted: events.len(), ids: events.iter().map(|event| event.0.id.clone()).collect() }
    }
}

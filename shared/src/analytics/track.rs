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

/// Bytes of metadata kept with an event.
const MAX_METADATA_BYTES: usize = 2048;
/// How long a front end may hold an event back (offline use).
pub(super) const OLDEST_DAYS: i64 = 7;
/// How far a client's clock may be ahead.
const AHEAD_MINUTES: i64 = 5;

/// A batch of events.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"events": [{"promptId": "find-a-bug-by-ranked-hypotheses", "event": "copy", "metadata": {"from": "detail"}}]}))]
pub struct TrackRequest {
    /// 1 to 50 events.
    #[garde(length(min = 1, max = 50), dive)]
    #[schema(min_items = 1, max_items = 50)]
    pub events: Vec<TrackedEvent>,
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
    /// Anything, up to 2 KiB.
    #[garde(skip)]
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
        let (mut events, mut errors) = (Vec::new(), Vec::new());
        for (index, tracked) in self.events.into_iter().enumerate() {
            match tracked.into_event(library, now) {
                Ok(event) => events.push(Queued(event)),
                Err((field, message)) => errors.push(FieldError { field: format!("events[{index}].{field}"), message }),
            }
        }
        if errors.is_empty() { Ok(events) } else { Err(Problem::invalid(errors)) }
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
        let size = self
            .metadata
            .as_ref()
            .and_then(|metadata| serde_json::to_string(metadata).ok())
            .map_or(0, |text| text.len());
        if size > MAX_METADATA_BYTES {
            return Err(("metadata", format!("must be {MAX_METADATA_BYTES} bytes of JSON at most")));
        }
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

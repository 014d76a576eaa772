//! Logs and metrics, both as JSON lines on standard error.
//!
//! Metrics use CloudWatch's embedded metric format: one line, no SDK, no permission. Each name with each set of
//! dimensions is paid for by the month, so there are few ([`Metric`]), with the stack as their one dimension: what an
//! alarm watches, or what must be seen over months. Every other figure is a field of a log line, which the dashboard
//! asks for.
//!
//! Environment: `RUST_LOG` (filter, default `info`), `STACK_NAME` (default `local`),
//! `AWS_LAMBDA_FUNCTION_NAME` (set by Lambda).

use std::{
    env,
    io::Write,
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

/// Of all metrics.
pub const NAMESPACE: &str = "PromptLibrary";
/// The one dimension: the stack's name.
pub const DIMENSION: &str = "Stack";

/// Sends `tracing` events to standard error as JSON lines.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call (tests) keeps the first subscriber.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .try_init();
}

/// The name of this function, as Lambda tells it.
pub fn function_name() -> String {
    env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|_| "local".into())
}

/// A metric of the whole stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Connections at the primary.
    MongoConnections,
    /// Share of the tier's storage that data and indexes fill.
    MongoStoragePercent,
    /// Documents in `ai_usage`: how the database grows.
    UsageDocuments,
    /// How often something went wrong that failed no request ([`Incident`]).
    Incidents,
}

impl Metric {
    pub const ALL: [Self; 4] =
        [Self::MongoConnections, Self::MongoStoragePercent, Self::UsageDocuments, Self::Incidents];

    /// Its name at CloudWatch.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MongoConnections => "MongoConnections",
            Self::MongoStoragePercent => "MongoStoragePercent",
            Self::UsageDocuments => "UsageDocuments",
            Self::Incidents => "Incidents",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::MongoStoragePercent => "Percent",
            Self::MongoConnections | Self::UsageDocuments | Self::Incidents => "Count",
        }
    }
}

/// What the operator should look at although every request was answered; the alarm of [`Metric::Incidents`] tells of
/// all of them, and the log line of which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incident {
    /// Published content could not be read, and MongoDB or the built-in backup stood in.
    ContentFallback,
    /// A document that cannot be read as it is.
    OddDocument,
    /// An audit entry that no function made came through the queue.
    ForgedAuditEntry,
}

impl Incident {
    const fn name(self) -> &'static str {
        match self {
            Self::ContentFallback => "ContentFallback",
            Self::OddDocument => "OddDocument",
            Self::ForgedAuditEntry => "ForgedAuditEntry",
        }
    }

    /// Counts it.
    pub fn count(self) {
        write(&line(&[(Metric::Incidents, 1.0)], Some(self)));
    }
}

/// Writes values of metrics.
pub fn emit(values: &[(Metric, f64)]) {
    write(&line(values, None));
}

fn write(line: &Value) {
    // In one piece: standard error has no buffer, and would be written to token by token. And a metric that cannot be
    // written must not fail the request.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

fn line(values: &[(Metric, f64)], incident: Option<Incident>) -> Value {
    let metrics: Vec<_> =
        values.iter().map(|(metric, _)| json!({"Name": metric.name(), "Unit": metric.unit()})).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": crate::clock::now().as_millisecond(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": metrics}],
        },
        DIMENSION: env::var("STACK_NAME").unwrap_or_else(|_| "local".into()),
        "function": function_name(),
        "trace_id": trace_id(),
    });
    for (metric, value) in values {
        line[metric.name()] = json!(value);
    }
    if let Some(incident) = incident {
        line["incident"] = incident.name().into();
    }
    line
}

/// An environment has one invocation at a time.
static TRACE_ID: Mutex<String> = Mutex::new(String::new());

/// The X-Ray trace of the running invocation; empty if there is none.
pub(crate) fn trace_id() -> String {
    TRACE_ID.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Notes the trace of an invocation, from the header that Lambda hands over: `Root=1-…;Parent=…;Sampled=0`.
pub(crate) fn begin_trace(header: Option<&str>) {
    let root = header.unwrap_or_default().split(';').find_map(|part| part.trim().strip_prefix("Root="));
    root.unwrap_or_default().clone_into(&mut TRACE_ID.lock().unwrap_or_else(PoisonError::into_inner));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_form_that_cloudwatch_extracts() {
        begin_trace(Some("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"));
        let line = line(&[(Metric::Incidents, 1.0)], Some(Incident::OddDocument));
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([["Stack"]]));
        assert_eq!(directive["Metrics"], json!([{"Name": "Incidents", "Unit": "Count"}]));
        assert_eq!((&line["incident"], &line["Incidents"]), (&json!("OddDocument"), &json!(1.0)));
        assert_eq!(line["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
    }
}

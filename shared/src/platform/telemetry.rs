//! Logs and metrics, both as JSON lines on standard error.
//!
//! Metrics use CloudWatch's embedded metric format: one line, no SDK, no permission. Each distinct
//! set of dimensions is a billed metric, so the dimensions are few: the stack, and where it helps
//! the function or the collection.
//!
//! Environment: `RUST_LOG` (filter, default `info`), `STACK_NAME` (default `local`),
//! `AWS_LAMBDA_FUNCTION_NAME` (set by Lambda).

use std::{env, io::Write};

use serde_json::{Map, Value, json};
use tracing_subscriber::EnvFilter;

const NAMESPACE: &str = "PromptLibrary";

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

/// One line of metrics in the making.
pub struct Metrics {
    dimensions: Vec<(&'static str, String)>,
    values: Vec<(&'static str, &'static str, f64)>,
}

impl Metrics {
    /// Metrics of the whole stack.
    pub fn of_stack() -> Self {
        let stack = env::var("STACK_NAME").unwrap_or_else(|_| "local".into());
        Self { dimensions: vec![("Stack", stack)], values: Vec::new() }
    }

    /// Metrics of this function.
    pub fn of_function() -> Self {
        Self::of_stack().by("Function", function_name())
    }

    /// Adds a dimension. Only values from a small fixed set: never an id.
    #[must_use]
    pub fn by(mut self, dimension: &'static str, value: impl Into<String>) -> Self {
        self.dimensions.push((dimension, value.into()));
        self
    }

    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "CloudWatch stores doubles")]
    pub fn count(mut self, name: &'static str, value: u64) -> Self {
        self.values.push((name, "Count", value as f64));
        self
    }

    /// Adds a share in percent.
    #[must_use]
    pub fn percent(mut self, name: &'static str, value: f64) -> Self {
        self.values.push((name, "Percent", value));
        self
    }

    /// Writes the line.
    pub fn emit(self) {
        // In one piece: standard error has no buffer, and would be written to token by token.
        let line = format!("{}\n", self.line());
        // A metric that cannot be written must not fail the request.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn line(&self) -> Value {
        let names: Vec<_> = self.dimensions.iter().map(|(name, _)| *name).collect();
        let metrics: Vec<_> = self.values.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        let mut line = Map::new();
        line.insert(
            "_aws".into(),
            json!({
                "Timestamp": crate::clock::now().as_millisecond(),
                "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": metrics}],
            }),
        );
        line.extend(self.dimensions.iter().map(|(name, value)| ((*name).into(), json!(value))));
        line.extend(self.values.iter().map(|(name, _, value)| ((*name).into(), json!(value))));
        Value::Object(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_form_that_cloudwatch_extracts() {
        let line = Metrics::of_stack().by("Collection", "prompts").count("ContentFallback", 1).line();
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([["Stack", "Collection"]]));
        assert_eq!(directive["Metrics"], json!([{"Name": "ContentFallback", "Unit": "Count"}]));
        assert_eq!(line["Collection"], "prompts");
        assert_eq!(line["ContentFallback"], 1.0);
    }
}

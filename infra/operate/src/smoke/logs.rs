//! What the functions' log tells: whether it can be read, cold starts, runs of jobs, sockets.

use std::collections::BTreeMap;

use serde_json::Value;

/// One line, as `CloudWatch` keeps it.
pub(super) struct Line<'a> {
    /// `2026/11/29/promptlib-prompts[$LATEST]0a1b…`
    pub(super) stream: &'a str,
    /// Milliseconds since 1970.
    pub(super) at_ms: i64,
    pub(super) text: &'a str,
}

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Logs {
    pub(super) lines: usize,
    /// Lines of ours that are no JSON: how many, and the function of the first.
    pub(super) unreadable: usize,
    pub(super) unreadable_in: Option<String>,
    streams: BTreeMap<String, Stream>,
    /// The last figure of the job that watches the cluster, and when it was.
    pub(super) connections: Option<(i64, f64)>,
}

/// One environment's.
#[derive(Debug, Default)]
struct Stream {
    function: String,
    invocations: Vec<Invocation>,
    sockets: u64,
}

/// As Lambda reports it.
#[derive(Clone, Debug)]
pub(super) struct Invocation {
    pub(super) at_ms: i64,
    pub(super) succeeded: bool,
    pub(super) duration_ms: f64,
    /// Of the first in an environment.
    pub(super) init_ms: Option<f64>,
}

/// What starts cost, in milliseconds.
#[derive(Debug, PartialEq)]
pub(super) struct ColdStarts {
    pub(super) number: usize,
    /// Until the function asked for its first event: the median, the slowest, and whose that was.
    pub(super) init: (f64, f64, String),
    /// The first invocation's own time, and that of the others: medians.
    pub(super) first: f64,
    pub(super) warm: Option<f64>,
}

impl Logs {
    /// Takes a line in.
    pub(super) fn add(&mut self, line: &Line<'_>) {
        self.lines += 1;
        let stream = self
            .streams
            .entry(line.stream.to_owned())
            .or_insert_with(|| Stream { function: function_of(line.stream).to_owned(), ..Stream::default() });
        let Ok(value) = serde_json::from_str::<Value>(line.text) else {
            if let Some(invocation) = reported(line) {
                stream.invocations.push(invocation);
            } else if !is_lambdas_own(line.text) {
                self.unreadable += 1;
                self.unreadable_in.get_or_insert_with(|| stream.function.clone());
            }
            return;
        };
        if let Some(function) = ["function", "Function"].iter().find_map(|name| value[*name].as_str()) {
            function.clone_into(&mut stream.function);
        }
        let number = |name: &str| value[name].as_f64();
        if let Some(open) = number("MongoSocketsOpen").or_else(|| number("mongo_sockets_open")) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few sockets")]
            let open = open as u64;
            stream.sockets = stream.sockets.max(open);
        }
        if let Some(connections) = number("MongoConnections")
            && self.connections.is_none_or(|(at, _)| at <= line.at_ms)
        {
            self.connections = Some((line.at_ms, connections));
        }
        if value["type"] == "platform.report" {
            let (record, metrics) = (&value["record"], &value["record"]["metrics"]);
            stream.invocations.push(Invocation {
                at_ms: line.at_ms,
                succeeded: record["status"].as_str().is_none_or(|status| status == "success"),
                duration_ms: metrics["durationMs"].as_f64().unwrap_or_default(),
                init_ms: metrics["initDurationMs"].as_f64(),
            });
        }
    }

    /// The last run of a function.
    pub(super) fn last_run(&self, function: &str) -> Option<&Invocation> {
        self.invocations(function).max_by_key(|invocation| invocation.at_ms)
    }

    /// Invocations that crashed, failed or ran out of time, and the function of one.
    pub(super) fn failed(&self) -> (usize, Option<&str>) {
        let failed = |stream: &&Stream| stream.invocations.iter().any(|invocation| !invocation.succeeded);
        let all = self.streams.values().flat_map(|stream| &stream.invocations);
        let number = all.filter(|invocation| !invocation.succeeded).count();
        (number, self.streams.values().find(failed).map(|stream| stream.function.as_str()))
    }

    /// The most sockets that an environment of each function held.
    pub(super) fn sockets(&self) -> BTreeMap<&str, u64> {
        let mut most = BTreeMap::new();
        for stream in self.streams.values().filter(|stream| stream.sockets > 0) {
            let held = most.entry(stream.function.as_str()).or_insert(0);
            *held = stream.sockets.max(*held);
        }
        most
    }

    /// `None` where no line tells of a start.
    pub(super) fn cold_starts(&self) -> Option<ColdStarts> {
        let all: Vec<_> = self
            .streams
            .values()
            .flat_map(|stream| stream.invocations.iter().map(|invocation| (stream.function.as_str(), invocation)))
            .collect();
        let starts: Vec<_> =
            all.iter().filter_map(|(function, one)| Some((*function, one.init_ms?, one.duration_ms))).collect();
        let (slowest, most, _) = starts.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let median_of = |values: Vec<f64>| median(values);
        Some(ColdStarts {
            number: starts.len(),
            init: (median_of(starts.iter().map(|(_, init, _)| *init).collect())?, most, slowest.to_owned()),
            first: median_of(starts.iter().map(|(_, _, first)| *first).collect())?,
            warm: median_of(
                all.iter().filter(|(_, one)| one.init_ms.is_none()).map(|(_, one)| one.duration_ms).collect(),
            ),
        })
    }

    fn invocations(&self, function: &str) -> impl Iterator<Item = &Invocation> {
        let of_it = self.streams.values().filter(move |stream| stream.function == function);
        of_it.flat_map(|stream| &stream.invocations)
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Of `2026/11/29/promptlib-prompts[$LATEST]0a1b…`; empty if the stream's name does not tell.
fn function_of(stream: &str) -> &str {
    stream.rsplit('/').next().and_then(|name| name.split('[').next()).unwrap_or_default()
}

/// `REPORT RequestId: … Duration: 1.2 ms … Init Duration: 30 ms`, as Lambda writes in text, and the emulator always.
fn reported(line: &Line<'_>) -> Option<Invocation> {
    let text = line.text.strip_prefix("REPORT RequestId:")?;
    let field = |name: &str| {
        text.split('\t').find_map(|part| part.trim().strip_prefix(name)?.trim().strip_suffix(" ms")?.parse().ok())
    };
    Some(Invocation {
        at_ms: line.at_ms,
        succeeded: !text.contains("Status: "),
        duration_ms: field("Duration:").unwrap_or_default(),
        init_ms: field("Init Duration:"),
    })
}

fn is_lambdas_own(text: &str) -> bool {
    ["START ", "END ", "INIT_", "EXTENSION", "TELEMETRY"].iter().any(|word| text.starts_with(word))
        || text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&str, i64, &str)]) -> Logs {
        let mut logs = Logs::default();
        for (stream, at_ms, text) in lines {
            logs.add(&Line { stream, at_ms: *at_ms, text });
        }
        logs
    }

    const PROMPTS: &str = "2026/11/29/s-prompts[$LATEST]a";

    #[test]
    fn cold_starts_come_from_the_report_lines() {
        let report = |ms: u32, init: &str| {
            format!(
                r#"{{"type":"platform.report","record":{{"status":"success","metrics":{{"durationMs":{ms}{init}}}}}}}"#
            )
        };
        let (first, warm) = (report(90, r#","initDurationMs":40"#), report(3, ""));
        let logs = read(&[(PROMPTS, 1, &first), (PROMPTS, 2, &warm), (PROMPTS, 3, &warm)]);
        let starts = logs.cold_starts().expect("one start");
        assert_eq!(
            starts,
            ColdStarts { number: 1, init: (40.0, 40.0, "s-prompts".into()), first: 90.0, warm: Some(3.0) }
        );
        assert_eq!(logs.last_run("s-prompts").map(|run| run.at_ms), Some(3));
    }

    #[test]
    fn a_line_that_is_no_json_is_counted_unless_it_is_lambdas_own() {
        let logs = read(&[
            (PROMPTS, 1, "START RequestId: 1 Version: $LATEST"),
            (PROMPTS, 1, "REPORT RequestId: 1\tDuration: 5 ms\tBilled Duration: 5 ms\tStatus: timeout"),
            (PROMPTS, 1, r#"{"level":"INFO"}"#),
            (PROMPTS, 1, "thread 'main' panicked"),
        ]);
        assert_eq!((logs.unreadable, logs.unreadable_in.as_deref()), (1, Some("s-prompts")));
        assert_eq!(logs.failed(), (1, Some("s-prompts")));
        assert!(logs.cold_starts().is_none());
    }

    #[test]
    fn sockets_are_the_most_that_an_environment_held() {
        let logs = read(&[
            ("other", 1, r#"{"Function":"s-a","MongoSocketsOpen":2.0}"#),
            ("other", 2, r#"{"Function":"s-a","MongoSocketsOpen":1.0}"#),
            ("m", 2, r#"{"MongoConnections":31.0}"#),
            ("m", 1, r#"{"MongoConnections":90.0}"#),
        ]);
        assert_eq!(logs.sockets(), BTreeMap::from([("s-a", 2)]));
        assert_eq!(logs.connections, Some((2, 31.0)));
    }
}

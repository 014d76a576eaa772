//! Schemathesis against the deployed stack: no request that it makes up from the document may be answered with a
//! 5xx, or in a way that the document does not tell; no operation is left out; and what was accepted is not lost.

use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use anyhow::{Context, ensure};
use local::{folder, step::openly};
use serde_json::Value;
use tests::{
    callers::super_admin,
    eventually,
    saturation::without_limits,
    stack::{Stack, stack},
};
use tokio::task::spawn_blocking;

/// What every answer is held to.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance";
/// Where schemathesis writes down what a run came to.
const REPORT: &str = "schemathesis.json";
/// The longest run with one access token, which lasts 15 minutes.
const ROUND: Duration = Duration::from_mins(10);

/// A quarter of the time as nobody, the rest as somebody who may do everything.
pub(crate) async fn fuzz(time: Duration) -> anyhow::Result<()> {
    let stack = stack();
    println!("requests made up from /api/openapi.json, signed in as nobody");
    check(&stack, None, time / 4).await?;
    let left = 3 * (time / 4);
    let rounds = u32::try_from(left.as_secs().div_ceil(ROUND.as_secs()).max(1))?;
    for _ in 0..rounds {
        println!("requests made up from /api/openapi.json, signed in as a super admin");
        stack.forget_rates().await;
        check(&stack, Some(super_admin(&stack).await.token), left / rounds).await?;
    }
    // What a consumer hands back comes again after so long; a notification after two minutes.
    stack.set_visibility_timeout(15).await;
    for (queue, dead_letters) in [
        (&stack.events_queue_url, &stack.events_dlq_url),
        (&stack.notifications_queue_url, &stack.notifications_dlq_url),
    ] {
        eventually("the queue is empty", 150, async || (stack.depth(queue).await == 0).then_some(())).await;
        assert_eq!(stack.depth(dead_letters).await, 0, "something was accepted that no consumer could store");
    }
    stack.set_visibility_timeout(390).await;
    Ok(())
}

async fn check(stack: &Stack, token: Option<String>, time: Duration) -> anyhow::Result<()> {
    let mut command = Command::new(folder("schemathesis/bin/schemathesis"));
    command
        .args(["run", &format!("{}/api/openapi.json", stack.api_url), "--checks", CHECKS])
        .args(["--phases", "coverage,fuzzing", "--max-time", &time.as_secs().max(1).to_string()])
        .args(["--request-timeout", "35", "--suppress-health-check", "all", "--warnings", "off"])
        // A run leaves nothing behind that the next one would start from, and its own notes are not put into the tree.
        .args(["--generation-database", "none", "--report", "json", "--report-json-path", REPORT])
        .current_dir(folder(""));
    let signed_in = token.is_some();
    if let Some(token) = token {
        // It would end its own session.
        command.args(["--header", &format!("authorization: Bearer {token}"), "--exclude-path", "/api/auth/logout"]);
    }
    without_limits(stack, spawn_blocking(move || openly(&mut command))).await??;
    tell_reach(usize::from(signed_in))
}

/// Prints which operations were reached; an error unless all were, but for as many as were left out on purpose.
fn tell_reach(left_out: usize) -> anyhow::Result<()> {
    let report: Value = serde_json::from_str(&fs::read_to_string(folder(REPORT))?)?;
    let operations = &report["operations"];
    let number = |field: &str| operations[field].as_u64().with_context(|| format!("the report tells no {field}"));
    let (total, tested) = (number("total")?, number("tested")?);
    // By its phases: how often what should be accepted was.
    let rates = report["valid_rates"].as_object().into_iter().flatten();
    let accepted = |(name, phases): (&String, &Value)| {
        let some = phases.as_object()?.values().any(|phase| phase["accepted"].as_u64() > Some(0));
        some.then(|| name.clone())
    };
    let accepted: BTreeSet<_> = rates.filter_map(accepted).collect();
    println!(
        "{tested} of {total} operations reached, {} of them accepted something, by {} requests",
        accepted.len(),
        report["test_cases"]["generated"]
    );
    ensure!(total > 0 && tested + left_out as u64 == total, "operations were not reached: {operations}");
    Ok(())
}

//! Runs of the workbench: cents become micro-dollars.

use std::collections::HashSet;

use bson::{Document, RawDocumentBuf, doc};
use shared::{mongo::to_json_leniently, workbench::Contract};

use super::{
    super::{
        old::{OldFields, days_before, made_at, ordered_id, shorten},
        source::OldDocument,
    },
    Context,
    ai_usage::user,
    row::{NewDocument, Outcome, Row, each},
};

/// As long as runs are kept.
const DAYS: u64 = 400;
const MICROS_IN_A_CENT: f64 = 10_000.0;

pub(super) fn convert(context: &Context<'_>, collection: &str) -> Vec<Row> {
    let mut taken = HashSet::new();
    each(context.old(collection), |run, mapped| one(context, run, &mut taken, mapped))
}

fn one(
    context: &Context<'_>,
    run: &OldDocument,
    taken: &mut HashSet<(String, String)>,
    mapped: &mut Vec<String>,
) -> Outcome {
    let fields = &run.fields;
    let made =
        made_at(fields, &["createdAt", "completedAt"]).ok_or("it has no date: give it createdAt, or leave it")?;
    if made <= days_before(context.now, DAYS) {
        return Err(format!("older than the {DAYS} days that runs are kept"));
    }
    let user = user(context, fields, mapped);
    let mut run_id = fields.text("runId").unwrap_or_else(|| run.id.clone());
    if !taken.insert((user.clone(), run_id.clone())) {
        run_id = format!("{run_id}~{}", run.id);
        mapped.push("the account has another run of the same id: its own id is added to it".into());
        taken.insert((user.clone(), run_id.clone()));
    }
    let tool = fields.text("toolId").unwrap_or_else(|| "unknown".into());
    let contract = Contract::of(&tool).map(|contract| contract.budget_micros);
    let budget = micros(fields, "budgetCents").or_else(|| contract.and_then(|micros| i64::try_from(micros).ok()));
    let cost = micros(fields, "costCents");
    let (sent, received) = tokens(fields);
    let mut new = doc! {
        "_id": ordered_id(&run.id, made), "userId": user, "runId": run_id, "toolId": tool,
        "contractVersion": fields.count("contractVersion").and_then(|version| i32::try_from(version).ok()).unwrap_or(1),
        "status": status(fields, mapped), "promptHash": fields.text("promptHash").unwrap_or_default(),
        "provider": fields.text("provider").unwrap_or_default(), "model": fields.text("model").unwrap_or_default(),
        "budgetMicros": budget.unwrap_or_default(), "estimateMicros": budget.unwrap_or_default(), "createdAt": made,
        "costMicros": cost, "priced": cost.is_some(), "promptTokens": sent, "completionTokens": received,
        "error": fields.text("error").map(|error| shorten(&error, 2000)), "metadata": metadata(fields),
    };
    if let Some(at) = fields.at("completedAt") {
        new.insert("completedAt", at);
    }
    Ok(vec![NewDocument::new("workbench_runs", new)])
}

/// A repeat overwrote what a run had come to: one that has a cost had been done.
fn status(fields: &Document, mapped: &mut Vec<String>) -> &'static str {
    let named = fields.text("status").unwrap_or_default();
    match named.as_str() {
        "pending" => "pending",
        "success" => "success",
        "error" => "error",
        "budget_exceeded" => "budget_exceeded",
        _ => {
            let status = if micros(fields, "costCents").is_some() { "success" } else { "error" };
            let named = if named.is_empty() { "none" } else { &named };
            mapped.push(format!("its status {} is none here: {status}", shorten(named, 50)));
            status
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a cast of floats saturates")]
fn micros(fields: &Document, field: &str) -> Option<i64> {
    let cents = fields.number(field).filter(|cents| *cents >= 0.0)?;
    Some((cents * MICROS_IN_A_CENT).round() as i64)
}

fn tokens(fields: &Document) -> (Option<i64>, Option<i64>) {
    let count = |field: &str| fields.count(field).and_then(|count| i64::try_from(count).ok());
    let (sent, received, total) = (count("inputTokens"), count("outputTokens"), count("totalTokens"));
    let rest = |known: Option<i64>| total.map(|total| (total - known.unwrap_or_default()).max(0));
    match (sent, received) {
        (None, received) => (rest(received), received),
        (sent, None) => (sent, rest(sent)),
        both => both,
    }
}

/// As JSON text.
fn metadata(fields: &Document) -> Option<String> {
    let metadata = fields.object("metadata").filter(|metadata| !metadata.is_empty())?;
    let raw = RawDocumentBuf::try_from(metadata).ok()?;
    let object = to_json_leniently(&raw, &mut Vec::new()).ok()?;
    serde_json::to_string(&object).ok()
}

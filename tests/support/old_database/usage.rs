//! Usage records and runs of the workbench.

use bson::{Document, doc};

use super::{
    ADMIN,
    Becomes::{Here, LeftOut},
    Oddity, day, decimal, hex, odd, with, without,
};

pub(super) fn usage() -> Vec<Oddity> {
    let used = |number: u32, fields: Document| {
        let mut used = doc! {"userId": hex(10), "timestamp": day(9), "provider": "openai", "model": "gpt-4o", "promptTokens": 100, "completionTokens": 20, "totalTokens": 120, "cost": 0.0003, "latency": 800, "endpoint": "/e", "success": true};
        used.extend(fields);
        with(number, used)
    };
    let of_key = |number: u32, fields: Document| {
        let mut used = doc! {"userId": hex(ADMIN), "keyId": hex(200), "provider": "openai", "timestamp": day(9), "tokensUsed": {"prompt": 10, "completion": 5, "total": 15}, "cost": {"input": 0.001, "output": 0.002, "total": 0.003}, "model": "gpt-4o", "status": "success"};
        used.extend(fields);
        with(number, used)
    };
    let here = |number: u32, fields: Document| {
        let mut wanted = doc! {"_id": hex(number)};
        wanted.extend(fields);
        Here("ai_usage", wanted)
    };
    vec![
        odd(
            "ai_usage",
            "a cost as a decimal",
            used(300, doc! {"cost": decimal("0.0000004")}),
            here(300, doc! {"costMicros": 0_i64, "costPicos": 400_000_i64}),
        ),
        odd(
            "ai_usage",
            "tokens as fractions and texts",
            used(301, doc! {"promptTokens": 100.0, "completionTokens": "20"}),
            here(301, doc! {"promptTokens": 100_i64, "completionTokens": 20_i64}),
        ),
        odd(
            "ai_usage",
            "only a total",
            without(without(used(302, doc! {}), "promptTokens"), "completionTokens"),
            here(302, doc! {"promptTokens": 120_i64}),
        ),
        odd("ai_usage", "of nobody", used(303, doc! {"userId": null}), here(303, doc! {"userId": "anonymous"})),
        odd(
            "ai_usage",
            "older than such records are kept",
            used(304, doc! {"timestamp": day(500)}),
            LeftOut("older than the 400 days"),
        ),
        odd(
            "ai_usage",
            "a cost below nothing",
            used(305, doc! {"cost": -1.0}),
            here(305, doc! {"costMicros": 0_i64, "priced": false}),
        ),
        odd(
            "ai_usage",
            "a model with its maker in front",
            used(306, doc! {"model": "openai/GPT-4o"}),
            here(306, doc! {"model": "gpt-4o", "reportedModel": "openai/GPT-4o"}),
        ),
        odd(
            "ai_usage",
            "a date as text",
            used(307, doc! {"timestamp": day(9).to_string()}),
            here(307, doc! {"occurredAt": day(9)}),
        ),
        odd(
            "api_key_usage",
            "a use of a key",
            of_key(320, doc! {}),
            here(320, doc! {"costMicros": 3_000_i64, "promptTokens": 10_i64}),
        ),
        odd(
            "api_key_usage",
            "a state that we lack",
            of_key(321, doc! {"status": "timeout", "errorType": "t"}),
            Here("api_key_usage", doc! {"_id": hex(321), "status": "error"}),
        ),
        odd(
            "api_key_usage",
            "no total of the cost",
            of_key(322, doc! {"cost": {"input": 0.001, "output": 0.002}}),
            here(322, doc! {"costMicros": 3_000_i64}),
        ),
        odd(
            "api_key_usage",
            "a key that is gone",
            of_key(323, doc! {"keyId": hex(998)}),
            Here("api_key_usage", doc! {"_id": hex(323)}),
        ),
    ]
}

pub(super) fn runs() -> Vec<Oddity> {
    let run = |number: u32, fields: Document| {
        let mut run = doc! {"runId": format!("run-{number}"), "toolId": "prompt-tester", "userId": hex(ADMIN), "status": "success", "budgetCents": 90, "costCents": 2, "provider": "openai", "model": "gpt-4o", "inputTokens": 100, "outputTokens": 50, "totalTokens": 150, "promptHash": "00", "contractVersion": 1, "metadata": {"a": {"$b": 1}}, "error": null, "createdAt": day(9), "completedAt": day(9)};
        run.extend(fields);
        with(number, run)
    };
    let here = |fields: Document| Here("workbench_runs", fields);
    vec![
        odd(
            "workbench_runs",
            "cents",
            run(400, doc! {}),
            here(doc! {"runId": "run-400", "costMicros": 20_000_i64, "budgetMicros": 900_000_i64}),
        ),
        odd(
            "workbench_runs",
            "a part of a cent",
            run(401, doc! {"costCents": 0.25}),
            here(doc! {"runId": "run-401", "costMicros": 2_500_i64}),
        ),
        odd(
            "workbench_runs",
            "repeated, after it was done",
            run(402, doc! {"status": "replay"}),
            here(doc! {"runId": "run-402", "status": "success"}),
        ),
        odd(
            "workbench_runs",
            "repeated, before it was done",
            run(403, doc! {"status": "replay", "costCents": null}),
            here(doc! {"runId": "run-403", "status": "error"}),
        ),
        odd(
            "workbench_runs",
            "of nobody",
            run(404, doc! {"userId": null}),
            here(doc! {"runId": "run-404", "userId": "anonymous"}),
        ),
        odd(
            "workbench_runs",
            "the same id again",
            run(405, doc! {"runId": "run-400"}),
            here(doc! {"runId": format!("run-400~{}", hex(405))}),
        ),
        odd(
            "workbench_runs",
            "no provider, model and hash",
            run(406, doc! {"provider": null, "model": null, "promptHash": null}),
            here(doc! {"runId": "run-406", "provider": ""}),
        ),
        odd(
            "workbench_runs",
            "older than runs are kept",
            run(407, doc! {"createdAt": day(500)}),
            LeftOut("older than the 400 days"),
        ),
        odd(
            "workbench_runs",
            "never done",
            run(408, doc! {"status": "pending", "costCents": null, "completedAt": null}),
            here(doc! {"runId": "run-408", "status": "pending", "completedAt": {"$exists": false}}),
        ),
        odd("workbench_runs", "no id", without(run(409, doc! {}), "runId"), here(doc! {"runId": hex(409)})),
    ]
}

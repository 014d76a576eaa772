//! The proof at the end: counts and sums on both sides, and documents read as the application reads them.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::ensure;
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use mongodb::Database;
use serde::Serialize;
use serde_json::{Map, Value};
use shared::{
    affiliates,
    api_keys::ProviderKeys,
    audit::{self, AuditFilter},
    cache::Cache,
    clock,
    content::{Kind, Store},
    http::Page,
    mongo::{Mongo, WORK_TIMEOUT},
    prompts::{Prompt, collections, revisions},
    users::Users,
    workbench,
};

use super::{
    convert::{OldData, Row},
    ledger::{Ledger, Wrote, whole_version},
    old::{OldFields, number},
    pace::Pace,
};

/// Documents of each kind that are read through the application's own code.
const SAMPLE: usize = 5;
const READ: usize = 500;

/// A figure of an old collection, on both sides.
#[derive(Serialize)]
pub(super) struct Sum {
    pub(super) there: f64,
    pub(super) here: f64,
}

/// What was adopted of an old collection, added up.
#[derive(Default)]
pub(super) struct Sums {
    /// By name; what was changed or has gone here since is on neither side.
    figures: BTreeMap<String, Sum>,
    /// How many old documents those are.
    changed_or_gone: u64,
}

/// Ids of the old documents that a run has written, by their collection.
pub(super) type Written = HashMap<String, HashSet<String>>;

/// Adds up what was adopted of each collection, there and here. An error names what this run wrote and is not here.
pub(super) async fn sums(
    mongo: &Mongo,
    ledger: &Ledger,
    old: &OldData,
    adopted: &BTreeMap<String, Vec<String>>,
    of_this_run: &Written,
    pace: &mut Pace,
) -> anyhow::Result<BTreeMap<String, Sums>> {
    let mut all: BTreeMap<String, Sums> = BTreeMap::new();
    let mut absent = Vec::new();
    for (collection, ids) in adopted {
        let entries: Vec<_> = ids.iter().filter_map(|id| ledger.of(collection, id)).collect();
        let mut here: HashMap<(String, String), Document> = HashMap::new();
        let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for wrote in entries.iter().flat_map(|entry| &entry.wrote) {
            wanted.entry(&wrote.collection).or_default().push(&wrote.id);
        }
        for (name, ids) in wanted {
            for ids in ids.chunks(READ) {
                pace.wait(1).await;
                let find = async |database: Database| {
                    let all = database.collection::<Document>(name);
                    let these = all.find(doc! {"_id": {"$in": ids}}).batch_size(1000);
                    these.await?.try_collect::<Vec<_>>().await
                };
                let found = mongo.run(WORK_TIMEOUT, find).await?.into_iter();
                here.extend(
                    found.map(|document| ((name.to_owned(), document.text("_id").unwrap_or_default()), document)),
                );
            }
        }
        let documents: HashMap<&str, &Document> =
            old.get(collection).into_iter().flatten().map(|old| (old.id.as_str(), &old.fields)).collect();
        let sums = all.entry(collection.clone()).or_default();
        for entry in entries {
            let is_new = of_this_run.get(collection).is_some_and(|ids| ids.contains(&entry.id));
            let is_here = |wrote: &Wrote| here.contains_key(&(wrote.collection.clone(), wrote.id.clone()));
            if is_new && !entry.wrote.iter().all(is_here) {
                absent.push(format!("{collection}/{}", entry.id));
            }
            let of_entry: Vec<_> = entry
                .wrote
                .iter()
                .filter_map(|wrote| {
                    let document = here.get(&(wrote.collection.clone(), wrote.id.clone()))?;
                    (whole_version(document) == wrote.whole).then_some(document)
                })
                .collect();
            // Of days that were there before, none is the tool's.
            let is_whole = of_entry.len() == entry.wrote.len() || entry.collection == "user_stats";
            let Some(document) = documents.get(entry.id.as_str()).filter(|_| is_whole) else {
                sums.changed_or_gone += 1;
                continue;
            };
            let sums = &mut sums.figures;
            for (name, figure) in there(collection, document) {
                sums.entry(name).or_insert(Sum { there: 0.0, here: 0.0 }).there += figure;
            }
            sums.entry("documents".into()).or_insert(Sum { there: 0.0, here: 0.0 }).here += 1.0;
            for (name, figure) in of_entry.iter().flat_map(|document| here_of(collection, document)) {
                sums.entry(name).or_insert(Sum { there: 0.0, here: 0.0 }).here += figure;
            }
        }
    }
    ensure!(absent.is_empty(), "written a moment ago, and not here: {}; run it again", absent.join(", "));
    Ok(all)
}

/// The figures of an old document.
fn there(collection: &str, old: &Document) -> Vec<(String, f64)> {
    let positive = |value: Option<f64>| value.filter(|value| *value > 0.0).unwrap_or_default();
    // As they are read: no count is anywhere near where a float has gaps.
    #[expect(clippy::cast_precision_loss, reason = "a float is exact up to 9e15")]
    let count = |of: &Document, field: &str| of.count(field).map(|count| count as f64);
    let empty = Document::new();
    let tokens = |of: &Document, parts: [&str; 2], total: &str| match parts.map(|part| count(of, part)) {
        [Some(sent), Some(received)] => sent + received,
        [sent, received] => {
            count(of, total).unwrap_or_default().max(sent.unwrap_or_default() + received.unwrap_or_default())
        }
    };
    let mut figures = vec![("documents".to_owned(), 1.0)];
    match collection {
        "prompts" => figures.push(("views".into(), count(old, "views").unwrap_or_default())),
        "ai_usage" | "ai_usage_logs" => {
            figures.push(("tokens".into(), tokens(old, ["promptTokens", "completionTokens"], "totalTokens")));
            figures.push(("cost in dollars".into(), positive(old.number("cost"))));
        }
        "api_key_usage" => {
            let (used, cost) = (old.object("tokensUsed").unwrap_or(&empty), old.object("cost"));
            figures.push(("tokens".into(), tokens(used, ["prompt", "completion"], "total")));
            let parts = |cost: &Document| Some(cost.number("input")? + cost.number("output")?);
            let dollars = cost.map_or_else(|| old.number("cost"), |cost| cost.number("total").or_else(|| parts(cost)));
            figures.push(("cost in dollars".into(), positive(dollars)));
        }
        "workbench_runs" => {
            let status = old.text("status").unwrap_or_default();
            if ["pending", "success", "error", "budget_exceeded"].contains(&status.as_str()) {
                figures.push((format!("runs {status}"), 1.0));
            } else {
                let done = old.number("costCents").is_some_and(|cents| cents >= 0.0);
                figures.push((format!("runs {}", if done { "success" } else { "error" }), 1.0));
            }
            figures.push(("tokens".into(), tokens(old, ["inputTokens", "outputTokens"], "totalTokens")));
            figures.push(("cost in dollars".into(), positive(old.number("costCents")) / 100.0));
        }
        "affiliate_config" | "affiliate_links" => {
            figures.push(("clicks".into(), count(old, "clickCount").unwrap_or_default()));
        }
        _ => {}
    }
    figures
}

/// The same figures of what was written for it.
fn here_of(collection: &str, new: &Document) -> Vec<(String, f64)> {
    let figure = |field: &str| new.get(field).and_then(number).unwrap_or_default();
    match collection {
        // Of the counts, which later ones are added to.
        "prompts" => match new.object("counts") {
            Some(counts) => vec![("views".into(), counts.number("view").unwrap_or_default())],
            None => Vec::new(),
        },
        "ai_usage" | "ai_usage_logs" | "api_key_usage" if new.contains_key("promptTokens") => vec![
            ("tokens".into(), figure("promptTokens") + figure("completionTokens")),
            ("cost in dollars".into(), figure("costMicros") / 1e6 + figure("costPicos") / 1e12),
        ],
        "workbench_runs" => vec![
            (format!("runs {}", new.text("status").unwrap_or_default()), 1.0),
            ("tokens".into(), figure("promptTokens") + figure("completionTokens")),
            ("cost in dollars".into(), figure("costMicros") / 1e6),
        ],
        "affiliate_config" | "affiliate_links" => vec![("clicks".into(), figure("clickCount"))],
        _ => Vec::new(),
    }
}

/// A line for each collection, and an error where a figure is not the same on both sides.
pub(super) fn lines(sums: &BTreeMap<String, Sums>) -> anyhow::Result<Vec<String>> {
    let mut differing = Vec::new();
    let mut lines = Vec::new();
    for (collection, Sums { figures, changed_or_gone }) in sums {
        if figures.is_empty() && *changed_or_gone == 0 {
            continue;
        }
        let documents = figures.get("documents").map_or(0.0, |sum| sum.there);
        let told = figures.iter().map(|(name, Sum { there, here })| {
            // Cents and dollars there have parts of micro-dollars, of which each document may lose a half.
            if (there - here).abs() > 1e-9 * there.abs() + 5e-7 * documents {
                differing.push(format!("{collection}: {name} {there} there, {here} here"));
            }
            if there.fract() == 0.0 { format!("{name} {there}") } else { format!("{name} {there:.6}") }
        });
        let mut told: Vec<String> = told.collect();
        if *changed_or_gone > 0 {
            told.push(format!("{changed_or_gone} changed or gone here since"));
        }
        lines.push(format!("  {collection}: {}", told.join(", ")));
    }
    ensure!(differing.is_empty(), "what was written is not what was read: {}", differing.join("; "));
    Ok(lines)
}

/// Reads some of each kind that this run wrote as the application does; returns how many it read.
pub(super) async fn sample(
    mongo: &Mongo,
    vault: &ProviderKeys,
    converted: &HashMap<String, Vec<Row>>,
    of_this_run: &Written,
    pace: &mut Pace,
) -> anyhow::Result<usize> {
    let users = Users::new(mongo.clone(), Cache::in_process());
    let of = |collection: &str, name: &str| -> Vec<Document> {
        let is_new = |row: &&Row| of_this_run.get(collection).is_some_and(|ids| ids.contains(&row.id));
        let rows = converted.get(collection).into_iter().flatten().filter(is_new);
        let documents = rows.filter_map(|row| row.outcome.as_ref().ok()).flatten();
        let these = documents.filter(|new| new.collection == name).map(|new| new.document.clone());
        // Spread over all of them.
        let all: Vec<_> = these.collect();
        let step = (all.len() / SAMPLE).max(1);
        all.into_iter().step_by(step).take(SAMPLE).collect()
    };
    let field = |document: &Document, name: &str| document.text(name).unwrap_or_default();
    let id = |document: &Document| field(document, "_id");
    let mut read = 0;
    let unreadable = |kind: &str, id: &str| format!("{kind} {id} was written, and cannot be read back");
    for user in of("users", "users") {
        pace.wait(1).await;
        ensure!(users.stored(&id(&user)).await?.is_some(), unreadable("the account", &id(&user)));
        read += 1;
    }
    for prompt in of("prompts", "prompts").iter().filter(|prompt| prompt.get("active") != Some(&Bson::Boolean(false))) {
        pace.wait(1).await;
        let found = Prompt::find(mongo, &id(prompt)).await.map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
        ensure!(found.is_some(), unreadable("the prompt", &id(prompt)));
        read += 1;
    }
    for revision in of("prompt_revisions", "prompt_revisions") {
        pace.wait(1).await;
        let found = revisions::stored(mongo, &field(&revision, "promptId"), Page { limit: 100, cursor: None }).await;
        ensure!(found.is_ok_and(|(revisions, _)| !revisions.is_empty()), unreadable("the revision", &id(&revision)));
        read += 1;
    }
    for kept in of("prompt_collections", "prompt_collections") {
        pace.wait(1).await;
        let found = collections::list(mongo, &field(&kept, "userId"), Page { limit: 100, cursor: None }).await;
        ensure!(found.is_ok_and(|page| !page.collections.is_empty()), unreadable("the kept prompt", &id(&kept)));
        read += 1;
    }
    let links = [of("affiliate_config", "affiliate_links"), of("affiliate_links", "affiliate_links")].concat();
    let talks = of("partnership_outreach", "affiliate_outreach");
    if !(links.is_empty() && talks.is_empty()) {
        // Two lists, and clicks.
        pace.wait(3).await;
        let listing = affiliates::list(mongo, clock::now()).await.map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
        let has =
            |list: &[Map<String, Value>], document: &Document| list.iter().any(|item| item["_id"] == id(document));
        for (link, list) in
            links.iter().map(|link| (link, &listing.links)).chain(talks.iter().map(|talk| (talk, &listing.outreach)))
        {
            ensure!(has(list, link), unreadable("the link or talk", &id(link)));
            read += 1;
        }
    }
    for run in of("workbench_runs", "workbench_runs") {
        pace.wait(1).await;
        let (user, run_id) = (run.text("userId").unwrap_or_default(), run.text("runId").unwrap_or_default());
        let found = workbench::find(mongo, &user, &run_id).await;
        ensure!(found.is_ok(), unreadable("the run", &run_id));
        read += 1;
    }
    let owners: HashSet<String> = of("api_keys", "provider_keys").iter().filter_map(|key| key.text("userId")).collect();
    for owner in owners {
        pace.wait(1).await;
        let keys = vault.list(&owner, None, Page { limit: 100, cursor: None }).await?;
        ensure!(!keys.keys.is_empty(), unreadable("the provider keys of", &owner));
        read += keys.keys.len().min(SAMPLE);
    }
    for entry in of("audit_logs", "audit_logs") {
        pace.wait(1).await;
        let filter =
            AuditFilter { action: entry.text("action"), actor: entry.text("actorId"), ..AuditFilter::default() };
        let found = audit::list(mongo, &filter, Page { limit: 100, cursor: None }).await;
        ensure!(found.is_ok_and(|page| !page.data.is_empty()), unreadable("the audit entry", &id(&entry)));
        read += 1;
    }
    for kind in Kind::ALL {
        if !of(kind.collection(), kind.collection()).is_empty() {
            pace.wait(1).await;
            read += Store::new(mongo.clone()).publishable(kind, WORK_TIMEOUT).await?.len().min(SAMPLE);
        }
    }
    Ok(read)
}

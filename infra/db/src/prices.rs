//! The list of prices, made from the figures of the package `litellm`: `cargo db prices`.
//!
//! A model that a release no longer has keeps its line, for records that come late; a changed price is another line,
//! with today as its day. A line that says what another one says of its name already is left out.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use jiff::{civil::Date, tz::TimeZone};
use serde_json::{Map, Value};
use shared::{
    clock,
    usage::price::{KINDS, Kind, Listed, PriceList, Rate, Rates, name},
};

const LIST: &str = "shared/src/usage/price/list.txt";
const FIGURES: &str = "litellm/model_prices_and_context_window_backup.json";
/// What is charged by the token.
const MODES: [&str; 5] = ["chat", "completion", "responses", "embedding", "realtime"];
/// Those who sell models of their own, and how those are called where they sell others' too: their prices hold wherever
/// no other is listed.
const MAKERS: [(&str, &str); 18] = [
    ("ai21", ""),
    ("amazon-nova", ""),
    ("anthropic", "claude"),
    ("cohere", ""),
    ("cohere-chat", ""),
    ("dashscope", "qw"),
    ("deepseek", "deepseek"),
    ("gemini", "gem"),
    ("jina-ai", ""),
    ("minimax", "minimax"),
    ("mistral", ""),
    ("moonshot", ""),
    ("openai", ""),
    ("perplexity", "sonar"),
    ("text-completion-openai", ""),
    ("voyage", ""),
    ("xai", "grok"),
    ("zai", "glm"),
];
/// Those who run models of others, and whom people use. The package knows a hundred more, and the list comes with every
/// function that prices.
const HOSTS: [&str; 14] = [
    "azure",
    "bedrock",
    "cerebras",
    "cloudflare",
    "databricks",
    "deepinfra",
    "fireworks-ai",
    "groq",
    "hyperbolic",
    "nebius",
    "novita",
    "sambanova",
    "together-ai",
    "vertex-ai",
];

/// Which releases to take.
#[derive(Debug, clap::Args)]
pub(crate) struct Prices {
    /// The release of `litellm`; the newest when absent.
    #[arg(long)]
    release: Option<String>,
    /// An older release, for models that the other one no longer has. May be given several times, the newest first.
    #[arg(long)]
    retired: Vec<String>,
}

/// Makes the list anew, over the one that there is.
pub(crate) fn refresh(wanted: &Prices) -> anyhow::Result<()> {
    let today = TimeZone::UTC.to_datetime(*clock::now()).date();
    let folder = std::env::temp_dir().join(format!("model-prices-{}", std::process::id()));
    let (release, mut figures) = download(&folder.join("now"), wanted.release.as_deref())?;
    for retired in &wanted.retired {
        let (_, older) = download(&folder.join(retired), Some(retired))?;
        for (name, figure) in older {
            figures.entry(name).or_insert(figure);
        }
    }
    std::fs::remove_dir_all(&folder)?;
    let before = std::fs::read_to_string(LIST).unwrap_or_default();
    let (list, odd) = PriceList::parse(&before);
    ensure!(odd.is_empty(), "{LIST} has odd lines: {odd:?}");
    let (list, changes) = merged(list, &figures, today)?;
    std::fs::write(LIST, text(&list, &release, &wanted.retired, today))?;
    println!("litellm {release}: {} models, {changes} new lines, in {LIST}", list.lines().count());
    Ok(())
}

/// The figures of a release, and which it is.
fn download(folder: &Path, release: Option<&str>) -> anyhow::Result<(String, Map<String, Value>)> {
    let package = release.map_or_else(|| "litellm".to_owned(), |release| format!("litellm=={release}"));
    run(
        "python3",
        &["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest"],
        folder,
        &package,
    )?;
    let wheel = wheel(folder)?;
    run("python3", &["-m", "zipfile", "--extract"], &wheel, &folder.to_string_lossy())?;
    let name = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let release = name.split('-').nth(1).context("a wheel names its release")?.to_owned();
    let figures = std::fs::read(folder.join(FIGURES)).with_context(|| format!("{name} has no {FIGURES}"))?;
    Ok((release, serde_json::from_slice(&figures)?))
}

fn run(program: &str, arguments: &[&str], path: &Path, last: &str) -> anyhow::Result<()> {
    let status = Command::new(program).args(arguments).arg(path).arg(last).status()?;
    ensure!(status.success(), "{program} {} failed", arguments.join(" "));
    Ok(())
}

fn wheel(folder: &Path) -> anyhow::Result<PathBuf> {
    let files = std::fs::read_dir(folder)?.filter_map(|file| Some(file.ok()?.path()));
    files.into_iter().find(|path| path.extension().is_some_and(|end| end == "whl")).context("no wheel came")
}

/// The list with these figures, and how many lines are new.
fn merged(mut list: PriceList, figures: &Map<String, Value>, today: Date) -> anyhow::Result<(PriceList, usize)> {
    let (mut models, mut seen) = (Vec::new(), BTreeSet::new());
    for (name, figure) in figures {
        if let Some((host, model)) = place(name, figure)
            && let Some(rates) = rates(figure)
            && seen.insert((host.clone(), name::normal(&model)))
        {
            models.push(((host, model), rates));
        }
    }
    // Plain names first, of several dates the newest: what is the same under a longer name needs no line.
    models.sort_by_cached_key(|((host, model), _)| {
        let plain = model.trim_end_matches("-latest");
        let bare = name::bare(plain);
        (host.is_some(), bare.len(), plain != model, bare != plain, model.len(), Reverse(model.clone()))
    });
    let mut changes = 0;
    // Of several dates of a model, the newest is the one that the bare name stands for.
    let mut bare_names: BTreeMap<(Option<&str>, String), &str> = BTreeMap::new();
    for ((host, model), _) in &models {
        bare_names.entry((host.as_deref(), name::normal(name::bare(model)))).or_insert(model);
    }
    // What was left out because of a line is checked again once there are others.
    for _ in 0..3 {
        for ((host, model), rates) in &models {
            let (host, bare) = (host.as_deref(), name::bare(model));
            if is_found(&list, host, model, rates, today) {
                continue;
            }
            changes += 1;
            if bare_names.get(&(host, name::normal(bare))).is_some_and(|first| first == model) {
                let line = line(&list, host, bare, rates, today);
                list.add(line.clone());
                if is_found(&list, host, model, rates, today) {
                    continue;
                }
                // Another line is found before this one would be.
                list.remove(&line);
            }
            let line = line(&list, host, model, rates, today);
            list.add(line);
        }
    }
    for ((host, model), rates) in &models {
        ensure!(is_found(&list, host.as_deref(), model, rates, today), "{host:?} {model} is not found");
    }
    Ok((list, changes))
}

/// Whether the list has that price, under a name that stands for the same model.
fn is_found(list: &PriceList, host: Option<&str>, model: &str, rates: &Rates, today: Date) -> bool {
    let itself = |name: &str| {
        let name = name.rsplit('/').next().unwrap_or(name);
        name::normal(name::bare(name.trim_end_matches("-latest")))
    };
    let found = list.find(host.unwrap_or_default(), model, today);
    found.is_some_and(|found| found.rates == *rates && itself(found.model()) == itself(model))
}

/// A line, from today on where there is one of that name.
fn line(list: &PriceList, host: Option<&str>, model: &str, rates: &Rates, today: Date) -> Listed {
    let name = host.map_or_else(|| model.to_owned(), |host| format!("{host}/{model}"));
    let since = list.lines().any(|line| name::normal(&line.name) == name::normal(&name)).then_some(today);
    Listed { name, since, rates: rates.clone() }
}

/// Where a model stands in the list: its host, if it is not its maker's, and its name there.
fn place(key: &str, figure: &Value) -> Option<(Option<String>, String)> {
    let mode = figure["mode"].as_str()?;
    let provider = figure["litellm_provider"].as_str()?;
    // `vertex_ai-anthropic_models`, `fireworks_ai-embedding-models`: the part in front is the host.
    let provider =
        ["vertex_ai", "fireworks_ai"].into_iter().find(|host| provider.starts_with(host)).unwrap_or(provider);
    let (provider, key) = (name::host(provider), key.trim().to_lowercase());
    let model = match key.split_once('/') {
        Some((before, model)) if name::host(before) == provider => model.to_owned(),
        _ => key,
    };
    // Regions and commitments of a host have prices of their own, under names that no record has.
    let parts: Vec<&str> = model.split('/').collect();
    let is_region = |part: &str| {
        part.contains("commitment")
            || (part.matches('-').count() >= 2 && part.ends_with(|end: char| end.is_ascii_digit()))
    };
    let by_region =
        matches!(provider.as_str(), "bedrock" | "azure") && parts.len() > 1 && (parts.len() > 2 || is_region(parts[0]));
    let model = if provider == "azure" { model.as_str() } else { parts.last()? };
    let is_maker = MAKERS.iter().any(|(maker, names)| *maker == provider && model.starts_with(names));
    let host = if is_maker { None } else { Some(provider) };
    let wanted = host.as_deref().is_none_or(|host| HOSTS.contains(&host));
    (MODES.contains(&mode) && wanted && !by_region && !model.contains(' ')).then(|| (host, model.to_owned()))
}

fn rates(figure: &Value) -> Option<Rates> {
    let mut rates = of_kinds(figure, "")?;
    let above = figure.as_object()?.keys().filter_map(|key| {
        key.strip_prefix("input_cost_per_token_above_")?.strip_suffix("k_tokens")?.parse::<u64>().ok()
    });
    if let Some(thousands) = above.min()
        && let Some(long) = of_kinds(figure, &format!("_above_{thousands}k_tokens"))
        && long != rates
    {
        rates.long = Some((thousands * 1_000, Box::new(long)));
    }
    Some(rates)
}

/// The prices under the names that end so; a kind that costs what its direction does needs none.
fn of_kinds(figure: &Value, end: &str) -> Option<Rates> {
    let price = |field: &str| Rate::each(figure[format!("{field}{end}")].as_f64()?);
    let input = price("input_cost_per_token")?;
    let mut rates = Rates::text(input, price("output_cost_per_token").unwrap_or_default());
    for (kind, _) in KINDS {
        let (field, otherwise) = match kind {
            Kind::Cached => ("cache_read_input_token_cost", rates.input),
            Kind::CacheWrite => ("cache_creation_input_token_cost", rates.input),
            Kind::PromptAudio => ("input_cost_per_audio_token", rates.input),
            Kind::PromptImage => ("input_cost_per_image_token", rates.input),
            Kind::Reasoning => ("output_cost_per_reasoning_token", rates.output),
            Kind::CompletionAudio => ("output_cost_per_audio_token", rates.output),
            Kind::CompletionImage => ("output_cost_per_image_token", rates.output),
            Kind::Image => ("output_cost_per_image", Rate::default()),
        };
        rates.own[kind as usize] = price(field).filter(|price| *price != otherwise);
    }
    Some(rates)
}

fn text(list: &PriceList, release: &str, retired: &[String], today: Date) -> String {
    let mut lines: Vec<_> = list.lines().collect();
    lines.sort_by_key(|line| (line.name.contains('/'), line.name.clone(), line.since));
    let retired =
        if retired.is_empty() { String::new() } else { format!(", and retired models of {}", retired.join(", ")) };
    let head = format!(
        "# litellm {release}, taken on {today}{retired}. Made by `cargo db prices`; what a line says: list.rs.\n"
    );
    lines.iter().fold(head, |text, line| text + &line.line() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn figures(figures: Value) -> Map<String, Value> {
        let Value::Object(mut figures) = figures else { panic!("an object") };
        for figure in figures.values_mut() {
            let (mode, provider) = (figure["mode"].take(), figure["litellm_provider"].take());
            figure["mode"] = if mode.is_null() { "chat".into() } else { mode };
            figure["litellm_provider"] = if provider.is_null() { "openai".into() } else { provider };
        }
        figures
    }

    fn lines(list: &PriceList) -> Vec<String> {
        let mut lines: Vec<_> = list.lines().map(Listed::line).collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn a_name_that_says_nothing_new_has_no_line_and_a_changed_price_has_another() {
        let first = figures(json!({
            "gpt-9": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "cache_read_input_token_cost": 1e-7},
            "gpt-9-2026-01-01": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "cache_read_input_token_cost": 1e-7},
            "gpt-9-2025-01-01": {"input_cost_per_token": 5e-6, "output_cost_per_token": 2e-6},
            "azure/gpt-9": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "cache_read_input_token_cost": 1e-7, "litellm_provider": "azure"},
            "groq/open-8b": {"input_cost_per_token": 5e-8, "output_cost_per_token": 8e-8, "litellm_provider": "groq"},
            "claude-opus-9-20260101": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "input_cost_per_token_above_200k_tokens": 2e-6, "litellm_provider": "anthropic"},
            "picture": {"output_cost_per_image": 0.04, "mode": "image_generation"},
            "embed": {"input_cost_per_token": 2e-8, "mode": "embedding"},
        }));
        let day = |text: &str| text.parse::<Date>().expect("a day");
        let (list, changes) = merged(PriceList::default(), &first, day("2026-01-01")).expect("a list");
        let expected = [
            "claude-opus-9 1 2 above=200000 2 0",
            "embed 0.02 0",
            "gpt-9 1 2 cached=0.1",
            "gpt-9-2025-01-01 5 2",
            "groq/open-8b 0.05 0.08",
        ];
        assert_eq!((lines(&list), changes), (expected.map(str::to_owned).to_vec(), 5));
        let second = figures(json!({"gpt-9": {"input_cost_per_token": 5e-7, "output_cost_per_token": 2e-6}}));
        let (list, changes) = merged(list, &second, day("2026-02-01")).expect("a list");
        assert_eq!((changes, list.lines().count()), (1, 6), "what is gone stays");
        assert!(lines(&list).contains(&"gpt-9 0.5 2 since=2026-02-01".to_owned()), "{:?}", lines(&list));
        let again = merged(list, &second, day("2026-03-01")).expect("a list");
        assert_eq!(again.1, 0);
    }
}

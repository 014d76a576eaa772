//! A report as a page that fetches nothing and runs no script: for a browser, and inside a mail.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::prelude::*;

use super::report::{Part, Report};

const WIDTH: u32 = 720;
const HEIGHT: u32 = 260;
const BLUE_BAR: RGBColor = RGBColor(38, 99, 235);
/// Models in a chart; the rest are in the table.
const BARS: usize = 8;

/// The title of a report.
pub fn title(report: &Report) -> String {
    let kind = if report.kind == "monthly" { "Monthly" } else { "Daily" };
    format!("{kind} AI usage: {}", report.period)
}

/// A whole page.
pub fn page(report: &Report) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (title(report)) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body(report)) }
        }
    };
    page.into_string()
}

/// What stands between `<body>` and `</body>`: goes into a mail as it is.
pub fn fragment(report: &Report) -> String {
    body(report).into_string()
}

/// The same in a few lines of text.
pub fn plain(report: &Report) -> String {
    let totals = report.totals;
    format!(
        "{}\n\n{} accounts made {} requests ({} failed, {} of models without a price): {} tokens sent, {} received, {}.",
        title(report),
        report.active_users,
        totals.requests,
        totals.failed,
        totals.unpriced,
        totals.prompt_tokens,
        totals.completion_tokens,
        dollars(totals.cost_micros),
    )
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#1f2937}\
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
th,td{text-align:right;padding:.25rem .5rem;border-bottom:1px solid #e5e7eb}th:first-child,td:first-child{text-align:left}\
svg{max-width:100%;height:auto}.figures{display:flex;flex-wrap:wrap;gap:2rem}.figures strong{display:block;font-size:1.4rem}";

fn body(report: &Report) -> Markup {
    let totals = report.totals;
    let figures = [
        ("accounts", report.active_users.to_string()),
        ("requests", totals.requests.to_string()),
        ("failed", totals.failed.to_string()),
        ("without a price", totals.unpriced.to_string()),
        ("tokens", (totals.prompt_tokens + totals.completion_tokens).to_string()),
        ("cost", dollars(totals.cost_micros)),
    ];
    html! {
        h1 { (title(report)) }
        div class="figures" { @for (name, value) in &figures { div { strong { (value) } (name) } } }
        @if report.days.len() > 1 {
            h2 { "Cost by day" }
            (chart(&report.days, |day| day.name.get(8..).unwrap_or(&day.name).to_owned()))
        }
        @if !report.models.is_empty() {
            h2 { "Cost by model" }
            (chart(&report.models[..report.models.len().min(BARS)], |model| model.name.chars().take(14).collect()))
            (table("Model", &report.models))
        }
        @if !report.top_users.is_empty() { h2 { "Accounts that used most" } (table("Account", &report.top_users)) }
        @if !report.top_prompts.is_empty() {
            h2 { "Prompts that were run most" }
            table {
                tr { th { "Prompt" } th { "Runs" } th { "Views" } }
                @for prompt in &report.top_prompts {
                    tr { td { (prompt.prompt_id) } td { (prompt.executions) } td { (prompt.views) } }
                }
            }
        }
    }
}

fn table(what: &str, parts: &[Part]) -> Markup {
    html! {
        table {
            tr { th { (what) } th { "Requests" } th { "Failed" } th { "Tokens" } th { "Cost" } }
            @for part in parts {
                tr {
                    td { (part.name) }
                    td { (part.totals.requests) }
                    td { (part.totals.failed) }
                    td { (part.totals.prompt_tokens + part.totals.completion_tokens) }
                    td { (dollars(part.totals.cost_micros)) }
                }
            }
        }
    }
}

/// Bars of cost in dollars. An empty chart when it cannot be drawn: the tables say the same.
fn chart(parts: &[Part], label: impl Fn(&Part) -> String) -> Markup {
    let labels: Vec<String> = parts.iter().map(label).collect();
    let mut svg = String::new();
    let drawn = draw(&mut svg, parts, &labels);
    if let Err(error) = drawn {
        tracing::warn!(%error, "a chart could not be drawn");
        return html! {};
    }
    PreEscaped(svg)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn draw(svg: &mut String, parts: &[Part], labels: &[String]) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let dollars = |part: &Part| part.totals.cost_micros as f64 / 1e6;
    let most = parts.iter().map(dollars).fold(0.0, f64::max).max(0.000_001) * 1.1;
    let count = parts.len().max(1);
    let area = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(64)
        .build_cartesian_2d((0..count).into_segmented(), 0.0..most)
        .map_err(|error| text(&error))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(count)
        .x_label_formatter(&|segment| match segment {
            SegmentValue::CenterOf(index) => labels.get(*index).cloned().unwrap_or_default(),
            _ => String::new(),
        })
        .y_label_formatter(&|value| format!("${value:.2}"))
        .draw()
        .map_err(|error| text(&error))?;
    let bars = parts.iter().enumerate().map(|(index, part)| (index, dollars(part)));
    chart
        .draw_series(Histogram::vertical(&chart).style(BLUE_BAR.filled()).margin(3).data(bars))
        .map_err(|error| text(&error))?;
    area.present().map_err(|error| text(&error))
}

fn dollars(micros: u64) -> String {
    // Half a cent rounds up; what is less than that still shows as something.
    if micros > 0 && micros < 5_000 {
        return "< $0.01".into();
    }
    let cents = (micros + 5_000) / 10_000;
    format!("${}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::{Totals, report::TopPrompt};

    fn part(name: &str, cost_micros: u64) -> Part {
        Part { name: name.into(), totals: Totals { requests: 2, cost_micros, ..Totals::default() } }
    }

    #[test]
    fn a_page_stands_alone_shows_its_figures_and_trusts_no_name() {
        let report = Report {
            kind: "monthly".into(),
            period: "2026-10".into(),
            active_users: 3,
            totals: part("", 12_345_678).totals,
            days: vec![part("2026-10-01", 1_000_000), part("2026-10-02", 11_345_678)],
            models: vec![part("<script>alert(1)</script>", 12_345_678)],
            top_users: vec![part("u", 1)],
            top_prompts: vec![TopPrompt { prompt_id: "a&b".into(), executions: 7, views: 9 }],
        };
        let page = page(&report);
        assert_eq!(page.matches("<svg").count(), 2, "a chart of days and one of models");
        assert!(page.contains("$12.35") && page.contains("a&amp;b") && page.contains("&lt; $0.01"), "{page}");
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("http-equiv"), "{page}");
        assert!(plain(&report).contains("3 accounts made 2 requests"));
    }
}

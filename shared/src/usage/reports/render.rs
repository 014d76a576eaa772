//! A report as a page that fetches nothing and runs no script: for a browser, and inside a mail.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{super::identifier, UsageGroup, UsageReport};

/// A chart, and its bars in it: the rest is for their labels.
const CHART: (f64, f64) = (720.0, 260.0);
const BARS_FROM: (f64, f64) = (64.0, 12.0);
const BARS_TO: (f64, f64) = (712.0, 232.0);
/// Models in a chart; the rest are in the table.
const BARS: usize = 8;

pub fn title(report: &UsageReport) -> String {
    let kind = if report.kind == "monthly" { "Monthly" } else { "Daily" };
    format!("{kind} AI usage: {}", report.period)
}

pub fn page(report: &UsageReport) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (title(report)) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body(report, Form::Page)) }
        }
    };
    page.into_string()
}

/// The content of a mail, whose heading is the title. Without charts: many mail clients take the picture away and leave
/// its labels. The tables hold the same figures, each with its bar.
pub fn fragment(report: &UsageReport) -> String {
    body(report, Form::Mail).into_string()
}

/// The same in a few lines of text.
pub fn plain(report: &UsageReport) -> String {
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
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}svg{max-width:100%;height:auto}";
// In the elements themselves: mail clients drop the styles of a document.
const TABLE: &str = "border-collapse:collapse;width:100%";
const CELL: &str = "text-align:right;padding:4px 8px;border-bottom:1px solid #e5e7eb";
const NAME: &str = "text-align:left;padding:4px 8px;border-bottom:1px solid #e5e7eb";
const BAR: &str = "background:#2663eb;height:10px";
const FIGURE: &str = "text-align:left;padding:0 24px 8px 0;vertical-align:top";

/// Where the figures are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Page,
    Mail,
}

fn body(report: &UsageReport, form: Form) -> Markup {
    let totals = report.totals;
    let shown = |name: &str| shown(name, form).to_owned();
    let figures = [
        ("accounts", report.active_users.to_string()),
        ("requests", totals.requests.to_string()),
        ("failed", totals.failed.to_string()),
        ("without a price", totals.unpriced.to_string()),
        ("tokens", (totals.prompt_tokens + totals.completion_tokens).to_string()),
        ("cost", dollars(totals.cost_micros)),
    ];
    html! {
        // A mail has its subject as the heading.
        @if form == Form::Page { h1 { (title(report)) } }
        table style="border-collapse:collapse" { tr {
            @for (name, value) in &figures {
                td style=(FIGURE) { strong style="font-size:22px" { (value) } br; (name) }
            }
        } }
        @if report.days.len() > 1 {
            h2 { "Cost by day" }
            @if form == Form::Page { (chart(&report.days, |day| day.name.get(8..).unwrap_or(&day.name).to_owned())) }
            (table("Day", &report.days, form))
        }
        @if !report.models.is_empty() {
            h2 { "Cost by model" }
            @if form == Form::Page {
                (chart(&report.models[..report.models.len().min(BARS)], |model| model.name.chars().take(14).collect()))
            }
            (table("Model", &report.models, form))
        }
        @if !report.top_users.is_empty() {
            h2 { "Accounts that used most" }
            (table("Account", &report.top_users, form))
        }
        @if !report.top_prompts.is_empty() {
            h2 { "Prompts that were run most" }
            table style=(TABLE) {
                tr { th style=(NAME) { "Prompt" } th style=(CELL) { "Runs" } th style=(CELL) { "Views" } }
                @for prompt in &report.top_prompts {
                    tr {
                        td style=(NAME) { (shown(&prompt.prompt_id)) }
                        td style=(CELL) { (prompt.counts.executions) }
                        td style=(CELL) { (prompt.counts.views) }
                    }
                }
            }
        }
    }
}

/// A name that a client gave. A mail holds no name that is none: its program would make who knows what of it.
fn shown(name: &str, form: Form) -> &str {
    if form == Form::Page || identifier::is_model(name) { name } else { "(not a name)" }
}

fn table(what: &str, groups: &[UsageGroup], form: Form) -> Markup {
    let most = groups.iter().map(|group| group.totals.cost_micros).max().unwrap_or_default().max(1);
    html! {
        table style=(TABLE) {
            tr {
                th style=(NAME) { (what) }
                @for heading in ["Requests", "Failed", "Tokens", "Cost"] { th style=(CELL) { (heading) } }
                @if form == Form::Mail { th style="width:25%" {} }
            }
            @for UsageGroup { name, totals } in groups {
                tr {
                    td style=(NAME) { (shown(name, form)) }
                    td style=(CELL) { (totals.requests) }
                    td style=(CELL) { (totals.failed) }
                    td style=(CELL) { (totals.prompt_tokens + totals.completion_tokens) }
                    td style=(CELL) { (dollars(totals.cost_micros)) }
                    @if form == Form::Mail {
                        td { div style=(format!("{BAR};width:{}%", totals.cost_micros.saturating_mul(100) / most)) {} }
                    }
                }
            }
        }
    }
}

/// Bars of cost in dollars, above their labels.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn chart(groups: &[UsageGroup], label: impl Fn(&UsageGroup) -> String) -> Markup {
    let most = groups.iter().map(|group| group.totals.cost_micros).max().unwrap_or_default().max(1);
    let ((left, top), (right, bottom)) = (BARS_FROM, BARS_TO);
    let wide = (right - left) / groups.len().max(1) as f64;
    let height = |micros: u64| (bottom - top) * micros as f64 / most as f64;
    html! {
        svg width=(CHART.0) height=(CHART.1) viewBox=(format!("0 0 {} {}", CHART.0, CHART.1)) font-size="10" {
            @for quarter in 0..=4 {
                @let micros = most / 4 * quarter;
                @let at = bottom - height(micros);
                line x1=(left) x2=(right) y1=(at) y2=(at) stroke="#e5e7eb" {}
                text x=(left - 8.0) y=(at + 4.0) text-anchor="end" { (dollars(micros)) }
            }
            @for (index, group) in groups.iter().enumerate() {
                @let from = left + wide * index as f64;
                @let high = height(group.totals.cost_micros);
                rect x=(from + 3.0) y=(bottom - high) width=(wide - 6.0) height=(high) fill="#2663eb" {}
                text x=(from + wide / 2.0) y=(bottom + 16.0) text-anchor="middle" { (label(group)) }
            }
        }
    }
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
    use crate::{
        analytics::counts::{Counts, TopPrompt},
        usage::reports::Totals,
    };

    fn group(name: &str, cost_micros: u64) -> UsageGroup {
        UsageGroup { name: name.into(), totals: Totals { requests: 2, cost_micros, ..Totals::default() } }
    }

    fn report() -> UsageReport {
        UsageReport {
            kind: "monthly".into(),
            period: "2026-10".into(),
            active_users: 3,
            totals: group("", 12_345_678).totals,
            days: vec![group("2026-10-01", 1_000_000), group("2026-10-02", 11_345_678)],
            models: vec![group("<script>alert(1)</script>", 12_345_678)],
            top_users: vec![group("u", 1)],
            top_prompts: vec![TopPrompt {
                prompt_id: "a&b".into(),
                counts: Counts { executions: 7, views: 9, ..Counts::default() },
            }],
        }
    }

    #[test]
    fn a_page_stands_alone_shows_its_figures_and_trusts_no_name() {
        let report = report();
        let page = page(&report);
        assert_eq!(page.matches("<svg").count(), 2, "a chart of days and one of models");
        assert!(page.contains("$12.35") && page.contains("a&amp;b") && page.contains("&lt; $0.01"), "{page}");
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("http-equiv"), "{page}");
        assert!(plain(&report).contains("3 accounts made 2 requests"));
    }
    #[test]
    fn a_mail_has_its_figures_in_tables_that_need_no_picture_and_no_style_sheet() {
        let mail = fragment(&report());
        assert!(!mail.contains("<h1") && !mail.contains("<svg") && !mail.contains("class="), "{mail}");
        assert!(
            mail.contains("<td style=") && mail.contains("$1.00") && mail.contains("$11.35"),
            "a row a day: {mail}"
        );
        assert!(mail.contains(">3</strong><br>accounts</td>"), "figures do not run together: {mail}");
        assert!(mail.contains("width:8%") && mail.contains("width:100%\"></div>"), "bars: {mail}");
        assert!(!mail.contains("script") && !mail.contains("a&amp;b"), "no name that is none: {mail}");
    }
}

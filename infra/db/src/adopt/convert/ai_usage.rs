//! Records of AI use.

use bson::Document;
use shared::{
    schema::USAGE_DAYS,
    usage::{AiUsage, Cost, price::PriceBook},
};

use super::{
    super::old::{OldFields, days_before, made_at, shorten},
    Context,
    row::{NewDocument, Row, each},
};

pub(super) fn convert(context: &Context<'_>, collection: &str) -> Vec<Row> {
    each(context.old(collection), |record, mapped| {
        let fields = &record.fields;
        let usage = AiUsage {
            id: record.id.clone(),
            user_id: user(context, fields, mapped),
            completion_tokens: tokens(fields).1,
            prompt_tokens: tokens(fields).0,
            latency_ms: fields.count("latency").unwrap_or_default(),
            endpoint: fields.text("endpoint").map(|endpoint| shorten(&endpoint, 200)),
            success: fields.flag("success").unwrap_or(true),
            error: fields.text("error").map(|error| shorten(&error, 500)),
            session_id: fields.text("sessionId").map(|session| shorten(&session, 200)),
            ..base(context, fields, fields.number("cost"), mapped)?
        };
        Ok(vec![NewDocument::typed("ai_usage", &usage)?])
    })
}

/// What both kinds of records have: the model, the cost in dollars, the instant.
pub(super) fn base(
    context: &Context<'_>,
    fields: &Document,
    dollars: Option<f64>,
    mapped: &mut Vec<String>,
) -> Result<AiUsage, String> {
    let at = made_at(fields, &["timestamp", "createdAt"]).ok_or("it has no date: give it createdAt, or leave it")?;
    if at <= days_before(context.now, USAGE_DAYS) {
        return Err(format!("older than the {USAGE_DAYS} days that records of use are kept"));
    }
    let reported = fields.text("model").unwrap_or_else(|| "unknown".into());
    let provider = fields.text("provider").unwrap_or_else(|| "unknown".into()).to_lowercase();
    let known = PriceBook::default();
    let known = known.find("", &provider, &reported, at);
    let model = known.map_or_else(|| reported.to_lowercase(), |known| known.model.to_owned());
    let cost = dollars.filter(|dollars| *dollars >= 0.0);
    if cost.is_none() {
        mapped.push("its cost is no amount: unpriced".into());
    }
    let cost = in_picos(cost.unwrap_or_default());
    Ok(AiUsage {
        provider,
        reported_model: (model != reported).then_some(reported),
        model,
        cost_micros: cost.whole_micros(),
        cost_picos: cost.picos_left(),
        // The application before took a model whose price it did not know for free.
        priced: cost != Cost::ZERO,
        occurred_at: at,
        received_at: at,
        ..AiUsage::default()
    })
}

/// Whose it is.
pub(super) fn user(context: &Context<'_>, fields: &Document, mapped: &mut Vec<String>) -> String {
    context.user(fields, "userId").unwrap_or_else(|| {
        mapped.push("it names no account: anonymous".into());
        "anonymous".into()
    })
}

/// Dollars as the application before kept them, which is exact to the pico-dollar for what a call costs.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of floats saturates")]
pub(super) fn in_picos(dollars: f64) -> Cost {
    Cost::from_picos((dollars * 1e12).round() as u128)
}

/// Tokens sent and received: where only the total is known, all of them were sent.
pub(super) fn tokens(fields: &Document) -> (u64, u64) {
    let of = |names: [&str; 2]| names.iter().find_map(|name| fields.count(name));
    let (sent, received) = (of(["promptTokens", "prompt"]), of(["completionTokens", "completion"]));
    let total = of(["totalTokens", "total"]).unwrap_or_default();
    match (sent, received) {
        (None, received) => (total.saturating_sub(received.unwrap_or_default()), received.unwrap_or_default()),
        (Some(sent), None) => (sent, total.saturating_sub(sent)),
        (Some(sent), Some(received)) => (sent, received),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    #[test]
    fn an_amount_is_exact_and_tokens_add_up() {
        assert_eq!(in_picos(0.000_000_45).picos(), 450_000);
        assert_eq!(in_picos(0.1 + 0.2).rounded_micros(), 300_000);
        assert_eq!(tokens(&doc! {"totalTokens": 10}), (10, 0));
        assert_eq!(tokens(&doc! {"promptTokens": 4, "totalTokens": 10}), (4, 6));
        assert_eq!(tokens(&doc! {"promptTokens": "4", "completionTokens": 5.0, "totalTokens": 99}), (4, 5));
        assert_eq!(tokens(&doc! {"promptTokens": -4}), (0, 0));
    }
}

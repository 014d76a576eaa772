//! Audits of prompts: kept whole, under numbers that are unique.

use bson::{Bson, Document, doc};

use super::{
    super::old::{OldFields, made_at, number},
    Context,
    prompt_revisions::{list, number_all},
    row::{NewDocument, Row, each},
};

pub(super) fn convert(context: &Context<'_>, collection: &str) -> Vec<Row> {
    let scored = context.old(collection).iter().filter(|audit| score(&audit.fields).is_some());
    let numbers = number_all(context, scored, "auditVersion", &context.here.audits);
    each(context.old(collection), |audit, mapped| {
        let fields = &audit.fields;
        let prompt = context.prompt(fields, "promptId").ok_or("there is no such prompt any more: leave it")?;
        let score = score(fields).ok_or("it has no score: give it overallScore, or leave it")?;
        let version = numbers[&audit.id];
        if fields.count("auditVersion").and_then(|own| i64::try_from(own).ok()) != Some(version) {
            mapped.push(format!("its number is taken or none: {version}"));
        }
        let mut by_category = Document::new();
        for (name, score) in fields.object("categoryScores").into_iter().flatten() {
            if let Some(score) = number(score) {
                by_category.insert(name, score);
            }
        }
        let is_quick = fields.text("auditType").is_some_and(|kind| kind == "quick");
        let revision = fields.count("promptRevision").and_then(|revision| i64::try_from(revision).ok()).unwrap_or(1);
        Ok(vec![NewDocument::new(
            "prompt_audits",
            doc! {
                "_id": &audit.id, "promptId": prompt, "promptRevision": revision, "version": version,
                "auditType": if is_quick { "quick" } else { "full" },
                "overallScore": score, "categoryScores": by_category,
                "issues": list(fields.get("issues")), "recommendations": list(fields.get("recommendations")),
                "missingElements": list(fields.get("missingElements")),
                "agentReviews": fields.get("agentReviews").cloned().unwrap_or(Bson::Null),
                "needsFix": fields.flag("needsFix").unwrap_or_default(),
                "auditToolVersion": fields.text("auditToolVersion"),
                "auditedBy": context.user(fields, "auditedBy").unwrap_or_else(|| "system".into()),
                "auditedAt": made_at(fields, &["auditedAt", "auditDate", "createdAt"]).ok_or("it has no date: give it createdAt, or leave it")?,
            },
        )])
    })
}

fn score(fields: &Document) -> Option<f64> {
    fields.number("overallScore")
}

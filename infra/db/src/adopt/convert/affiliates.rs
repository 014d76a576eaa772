//! Links of tools, and talks with companies: one for each tool and company.

use std::collections::HashMap;

use bson::{Document, doc};
use shared::affiliates::Target;

use super::{
    super::old::{OldFields, line, made_at},
    Context,
    row::{NewDocument, Row, each},
};

pub(super) fn links(context: &Context<'_>, collection: &str) -> Vec<Row> {
    let mut taken = HashMap::new();
    each(context.old(collection), |link, mapped| {
        let fields = &link.fields;
        let tool =
            fields.text("tool").map(|tool| line(&tool, 100)).ok_or("it names no tool: give it one, or leave it")?;
        let base = target(fields, "baseUrl", mapped).ok_or("its baseUrl is no public https address: correct it")?;
        if let Some(first) = taken.insert(tool.clone(), link.id.clone()) {
            taken.insert(tool, first.clone());
            return Err(format!("{first} is of the same tool, and is kept"));
        }
        let referral = target(fields, "referralUrl", mapped);
        if referral.is_none() && fields.text("referralUrl").is_some() {
            mapped.push("its referralUrl is no public https address: left out".into());
        }
        let status = one_of(fields, "status", &["active", "pending", "requested", "disabled"], "pending", mapped);
        let mut new = doc! {
            "_id": &link.id, "tool": tool, "baseUrl": base, "referralUrl": referral, "affiliateCode": fields.text("affiliateCode"),
            "commission": fields.text("commission"), "status": status, "notes": fields.text("notes"),
            "clickCount": count(fields, "clickCount"), "conversionCount": count(fields, "conversionCount"),
            "lastClickAt": fields.at("lastClickAt"),
        };
        new.extend(times(fields));
        Ok(vec![NewDocument::new("affiliate_links", new)])
    })
}

pub(super) fn outreach(context: &Context<'_>, collection: &str) -> Vec<Row> {
    let mut taken = HashMap::new();
    each(context.old(collection), |talk, mapped| {
        let fields = &talk.fields;
        let company = fields
            .text("company")
            .map(|company| line(&company, 100))
            .ok_or("it names no company: give it one, or leave it")?;
        if let Some(first) = taken.insert(company.clone(), talk.id.clone()) {
            taken.insert(company, first.clone());
            return Err(format!("{first} is of the same company, and is kept"));
        }
        let statuses = ["pending", "contacted", "responded", "partnership"];
        let mut new = doc! {
            "_id": &talk.id, "company": company, "contact": fields.text("contact"),
            "priority": one_of(fields, "priority", &["high", "medium", "low"], "medium", mapped),
            "rating": fields.number("rating").map(|rating| rating.clamp(0.0, 5.0)), "traffic": fields.text("traffic"),
            "status": one_of(fields, "status", &statuses, "pending", mapped), "notes": fields.text("notes"),
        };
        new.extend(times(fields));
        Ok(vec![NewDocument::new("affiliate_outreach", new)])
    })
}

/// An `http` address becomes an `https` one.
fn target(fields: &Document, field: &str, mapped: &mut Vec<String>) -> Option<String> {
    let text = fields.text(field)?;
    let secure = text.strip_prefix("http://").map(|rest| format!("https://{rest}"));
    if secure.is_some() {
        mapped.push(format!("its {field} begins with https:// here"));
    }
    Target::try_from(secure.unwrap_or(text)).ok().map(|target| target.as_str().to_owned())
}

fn one_of(
    fields: &Document,
    field: &str,
    known: &[&'static str],
    otherwise: &'static str,
    mapped: &mut Vec<String>,
) -> &'static str {
    let named = fields.text(field).unwrap_or_default().to_lowercase();
    let found = known.iter().find(|known| **known == named);
    found.copied().unwrap_or_else(|| {
        mapped.push(format!("its {field} is none here: {otherwise}"));
        otherwise
    })
}

fn count(fields: &Document, field: &str) -> i64 {
    fields.count(field).and_then(|count| i64::try_from(count).ok()).unwrap_or_default()
}

fn times(fields: &Document) -> Document {
    let made = made_at(fields, &["createdAt", "updatedAt"]).unwrap_or_default();
    doc! {"createdAt": made, "updatedAt": fields.at("updatedAt").unwrap_or(made)}
}

//! Bug reports. The address of the page loses what looks like a secret.

use bson::{Bson, Document, doc};
use shared::bug_reports::PageUrl;

use super::{
    super::{
        old::{OldFields, line, made_at, ordered_id, shorten},
        source::OldDocument,
    },
    Context,
    ai_usage::user,
    row::{NewDocument, Outcome, Row, each},
};

pub(super) fn convert(context: &Context<'_>, collection: &str) -> Vec<Row> {
    each(context.old(collection), |report, mapped| one(context, report, mapped))
}

fn one(context: &Context<'_>, report: &OldDocument, mapped: &mut Vec<String>) -> Outcome {
    let fields = &report.fields;
    let made = made_at(fields, &["createdAt", "timestamp", "updatedAt"])
        .ok_or("it has no date: give it createdAt, or leave it")?;
    let user = user(context, fields, mapped);
    let description = fields.get_str("description").unwrap_or_default();
    let intent = fields.text("intent").map(|intent| line(&intent, 200));
    if description.trim().is_empty() && intent.is_none() {
        return Err("it says nothing: give it a description, or leave it".into());
    }
    Ok(vec![NewDocument::new(
        "bug_reports",
        doc! {
            "_id": ordered_id(&report.id, made), "organizationId": context.organization(&user), "userId": user,
            "intent": intent.unwrap_or_else(|| "(not told)".into()), "description": description,
            "pageUrl": page(fields, mapped), "selector": fields.text("selector"), "elementText": fields.text("elementText"),
            "elementSize": size(fields), "userAgent": fields.text("userAgent").map(|agent| shorten(&agent, 500)),
            "status": status(fields, mapped), "history": [], "createdAt": made,
            "updatedAt": fields.at("updatedAt").unwrap_or(made),
        },
    )])
}

/// What is no address of a web page loses all behind its path, where secrets are.
fn page(fields: &Document, mapped: &mut Vec<String>) -> String {
    let text = fields.text("pageUrl").or_else(|| fields.text("url")).unwrap_or_default();
    let page = PageUrl::try_from(text.clone()).map_or_else(
        |_| {
            let path = text.split(['?', '#']).next().unwrap_or_default();
            // Names and passwords stand before an @.
            shorten(path.rsplit('@').next().unwrap_or_default(), 2000)
        },
        |page| page.as_str().to_owned(),
    );
    if page.len() < text.len() {
        mapped.push("its page's address is without what may be secret".into());
    }
    page
}

/// An object of two numbers, or the text `120x40px`.
fn size(fields: &Document) -> Option<Document> {
    if let Some(size) = fields.object("elementSize") {
        return Some(doc! {"width": size.number("width")?, "height": size.number("height")?});
    }
    let text = fields.text("elementSize")?;
    let (width, height) = text.trim_end_matches("px").split_once(['x', '×'])?;
    let pixels = |text: &str| super::super::old::number(&Bson::from(text.trim().trim_end_matches("px")));
    Some(doc! {"width": pixels(width)?, "height": pixels(height)?})
}

fn status(fields: &Document, mapped: &mut Vec<String>) -> &'static str {
    let named = fields.text("status").unwrap_or_else(|| "new".into()).to_lowercase();
    let (status, is_ours) = match named.as_str() {
        "new" => ("new", true),
        "triaged" => ("triaged", true),
        "resolved" => ("resolved", true),
        "rejected" => ("rejected", true),
        "in_progress" | "in-progress" | "acknowledged" | "assigned" => ("triaged", false),
        "closed" | "fixed" | "done" => ("resolved", false),
        "wontfix" | "wont_fix" | "duplicate" | "invalid" => ("rejected", false),
        _ => ("new", false),
    };
    if !is_ours {
        mapped.push(format!("its status {} is none here: {status}", line(&named, 50)));
    }
    status
}

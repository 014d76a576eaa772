//! Prompts that people made their own.

use std::collections::HashSet;

use bson::doc;

use super::{
    super::old::{OldFields, line, made_at},
    Context,
    row::{NewDocument, Row, each},
};

pub(super) fn convert(context: &Context<'_>, collection: &str) -> Vec<Row> {
    let mut taken = HashSet::new();
    each(context.old(collection), |kept, mapped| {
        let fields = &kept.fields;
        let user = context.user(fields, "userId").ok_or("it names no account: correct its userId, or leave it")?;
        let named = fields.reference("originalPromptId").or_else(|| fields.reference("promptId"));
        let original = context
            .prompt(fields, "originalPromptId")
            .or(named)
            .ok_or("it names no prompt: correct its promptId, or leave it")?;
        let text = fields.get_str("content").map_err(|_| "it has no text: give it content, or leave it")?;
        let title = fields.text("title").map_or_else(|| "Untitled".into(), |title| line(&title, 200));
        let mut unique = title.clone();
        for number in 2.. {
            if taken.insert((user.clone(), original.clone(), unique.clone())) {
                break;
            }
            unique = format!("{title} ({number})");
        }
        if unique != title {
            mapped.push(format!("the account has another of this title: {unique}"));
        }
        let made =
            made_at(fields, &["createdAt", "updatedAt"]).ok_or("it has no date: give it createdAt, or leave it")?;
        Ok(vec![NewDocument::new(
            "prompt_collections",
            doc! {
                "_id": &kept.id, "userId": user, "originalPromptId": &original, "title": unique, "content": text,
                "promptId": fields.reference("promptId").unwrap_or(original), "originalContent": fields.get_str("originalContent").ok(),
                "category": fields.text("category"), "role": fields.text("role"), "pattern": fields.text("pattern"),
                "createdAt": made, "updatedAt": fields.at("updatedAt").unwrap_or(made),
            },
        )])
    })
}

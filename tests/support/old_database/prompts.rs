//! Prompts, patterns and resources, and what is about prompts.

use bson::{Binary, Bson, DateTime, Document, doc, spec::BinarySubtype};

use super::{
    Becomes::{self, Here, LeftOut},
    Oddity, day, decimal, hex, odd, oid, with, without,
};

pub(super) fn prompt(number: u32, fields: Document) -> Document {
    let mut prompt = doc! {
        "_id": oid(number), "id": format!("p-{number}"), "slug": format!("prompt-{number}"), "title": format!("Prompt {number}"),
        "description": "What it is", "content": "Write it for {reader}: Vec<String>", "category": "general", "tags": ["a"],
        "views": 3, "isPublic": true, "active": true, "createdAt": day(20), "updatedAt": day(10),
    };
    prompt.extend(fields);
    prompt
}

fn is_prompt(id: impl Into<Bson>, fields: Document) -> Becomes {
    let mut prompt = doc! {"_id": id.into()};
    prompt.extend(fields);
    Here("prompts", prompt)
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn content() -> Vec<Oddity> {
    let nan = doc! {"views": f64::NAN};
    vec![
        odd(
            "patterns",
            "no id",
            with(100, doc! {"name": "Nameless", "level": "beginner"}),
            Here("patterns", doc! {"_id": hex(100)}),
        ),
        odd(
            "patterns",
            "an id",
            with(101, doc! {"id": "persona", "name": "Persona", "promptCount": 4.0}),
            Here("patterns", doc! {"_id": "persona", "promptCount": 4_i64}),
        ),
        odd(
            "patterns",
            "the id of another",
            with(102, doc! {"id": "persona", "name": "Persona again"}),
            Here("patterns", doc! {"_id": hex(102)}),
        ),
        odd(
            "learning_resources",
            "a slug in `seo` alone",
            with(
                110,
                doc! {"id": "ext-1", "title": "T", "status": "active", "seo": {"slug": "s"}, "organizationId": null},
            ),
            Here("learning_resources", doc! {"_id": "ext-1", "seo.slug": "s"}),
        ),
        odd(
            "learning_resources",
            "a slug",
            with(111, doc! {"id": "ext-2", "slug": "same", "title": "T"}),
            Here("learning_resources", doc! {"_id": "ext-2", "slug": "same"}),
        ),
        odd(
            "learning_resources",
            "the slug of another",
            with(112, doc! {"id": "ext-3", "slug": "same", "title": "T"}),
            Here("learning_resources", doc! {"_id": "ext-3", "slug": "same-2"}),
        ),
        odd(
            "prompts",
            "neither id nor slug",
            without(without(prompt(120, doc! {}), "id"), "slug"),
            is_prompt(hex(120), doc! {}),
        ),
        odd("prompts", "the id of another", prompt(122, doc! {"id": "p-121"}), is_prompt(hex(122), doc! {})),
        odd(
            "prompts",
            "the slug of another",
            prompt(123, doc! {"slug": "prompt-121"}),
            is_prompt("p-123", doc! {"slug": "prompt-121-2"}),
        ),
        odd(
            "prompts",
            "views as text",
            prompt(124, doc! {"views": "12"}),
            Here("prompt_daily", doc! {"_id": "imported/p-124", "counts.view": 12_i64}),
        ),
        odd(
            "prompts",
            "views below nothing",
            prompt(125, doc! {"views": -5}),
            is_prompt("p-125", doc! {"views": 0_i64}),
        ),
        odd("prompts", "views that are no number", prompt(126, nan), is_prompt("p-126", doc! {"views": 0_i64})),
        odd(
            "prompts",
            "views as a fraction",
            prompt(127, doc! {"views": 12.0}),
            is_prompt("p-127", doc! {"views": 12_i64}),
        ),
        odd(
            "prompts",
            "no views",
            without(prompt(128, doc! {}), "views"),
            Here("prompt_daily", doc! {"_id": "imported/p-128", "counts.view": 0_i64}),
        ),
        odd(
            "prompts",
            "a decimal",
            prompt(129, doc! {"rating": decimal("4.5")}),
            is_prompt("p-129", doc! {"rating": 4.5}),
        ),
        odd(
            "prompts",
            "a date beyond the calendar",
            prompt(130, doc! {"lastRevisedAt": DateTime::MAX}),
            is_prompt("p-130", doc! {"lastRevisedAt": {"$exists": false}}),
        ),
        odd(
            "prompts",
            "a date as text",
            prompt(131, doc! {"createdAt": day(30).to_string()}),
            is_prompt("p-131", doc! {"createdAt": day(30)}),
        ),
        odd(
            "prompts",
            "a field with a dot in its name",
            prompt(132, doc! {"a.b": 1}),
            is_prompt("p-132", doc! {"title": "Prompt 132"}),
        ),
        odd(
            "prompts",
            "for those who are signed in",
            prompt(133, doc! {"requiresAuth": true, "isPremium": true}),
            is_prompt("p-133", doc! {"requiresAuth": true, "isPremium": true}),
        ),
        odd("prompts", "switched off", prompt(134, doc! {"active": false}), is_prompt("p-134", doc! {"active": false})),
        odd(
            "prompts",
            "an author by their ObjectId",
            prompt(135, doc! {"authorId": oid(10)}),
            is_prompt("p-135", doc! {"authorId": hex(10)}),
        ),
        odd(
            "prompts",
            "letters taken apart",
            prompt(136, doc! {"title": "Cafe\u{301}"}),
            is_prompt("p-136", doc! {"title": "Caf\u{e9}"}),
        ),
        odd(
            "prompts",
            "bytes",
            prompt(137, doc! {"embedding": Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2] }}),
            is_prompt("p-137", doc! {"embedding": "AQI="}),
        ),
        odd(
            "prompts",
            "an organisation's own",
            prompt(138, doc! {"organizationId": oid(900), "isPublic": false}),
            is_prompt("p-138", doc! {"organizationId": hex(900), "isPublic": false}),
        ),
        odd(
            "prompts",
            "an ObjectId deep inside",
            prompt(139, doc! {"caseStudies": [{"by": oid(10)}]}),
            is_prompt("p-139", doc! {"caseStudies.by": hex(10)}),
        ),
        odd(
            "prompts",
            "a slug that is no text",
            prompt(140, doc! {"slug": 7}),
            is_prompt("p-140", doc! {"slug": {"$exists": false}}),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn about_prompts() -> Vec<Oddity> {
    let revision = |number: u32, fields: Document| {
        let mut revision = doc! {"promptId": "p-121", "revisionNumber": 1, "changes": [], "changedBy": hex(10), "changeReason": "r", "snapshot": {"title": "T"}, "createdAt": day(9)};
        revision.extend(fields);
        with(number, revision)
    };
    let audit = |number: u32, fields: Document| {
        let mut audit = doc! {"promptId": "p-121", "auditVersion": 1, "auditType": "full", "overallScore": 7.5, "categoryScores": {"completeness": 8}, "auditedBy": "system", "auditedAt": day(9)};
        audit.extend(fields);
        with(number, audit)
    };
    let kept = |number: u32, fields: Document| {
        let mut kept = doc! {"userId": hex(10), "promptId": "mine", "originalPromptId": "p-121", "title": "Mine", "content": " as  written\n", "createdAt": day(9), "updatedAt": day(8)};
        kept.extend(fields);
        with(number, kept)
    };
    vec![
        odd(
            "prompt_stats",
            "a prompt by its ObjectId",
            with(150, doc! {"promptId": hex(121), "view": 99, "copy": 5, "execute": 2.0, "shareCount": 1}),
            Here(
                "prompt_daily",
                doc! {"_id": "imported-counts/p-121", "counts": {"copy": 5_i64, "execute": 2_i64, "favorite": 0_i64, "share": 1_i64}},
            ),
        ),
        odd(
            "prompt_stats",
            "the same prompt again",
            with(151, doc! {"promptId": "p-121", "copy": 9}),
            LeftOut("another document of counts"),
        ),
        odd(
            "prompt_stats",
            "a prompt that is gone",
            with(152, doc! {"promptId": "gone", "copy": 9}),
            LeftOut("no such prompt"),
        ),
        odd(
            "prompt_revisions",
            "the first of two with one number",
            revision(160, doc! {}),
            Here("prompt_revisions", doc! {"_id": hex(160), "revision": 1_i64}),
        ),
        odd(
            "prompt_revisions",
            "the second of them",
            revision(161, doc! {"createdAt": day(7)}),
            Here("prompt_revisions", doc! {"_id": hex(161), "revision": 2_i64}),
        ),
        odd(
            "prompt_revisions",
            "a prompt by its slug",
            revision(162, doc! {"promptId": "prompt-121", "revisionNumber": 3}),
            Here("prompt_revisions", doc! {"_id": hex(162), "promptId": "p-121", "revision": 3_i64}),
        ),
        odd(
            "prompt_revisions",
            "no number",
            without(revision(163, doc! {"promptId": oid(124)}), "revisionNumber"),
            Here("prompt_revisions", doc! {"_id": hex(163), "promptId": "p-124", "revision": 1_i64}),
        ),
        odd(
            "prompt_revisions",
            "a prompt that is gone",
            revision(164, doc! {"promptId": "gone"}),
            LeftOut("no such prompt"),
        ),
        odd(
            "prompts",
            "a prompt that is behind its revisions",
            prompt(121, doc! {"currentRevision": 1}),
            is_prompt("p-121", doc! {"currentRevision": 3_i64}),
        ),
        odd(
            "prompt_audit_results",
            "a score as text",
            audit(170, doc! {"overallScore": "7.5"}),
            Here("prompt_audits", doc! {"_id": hex(170), "overallScore": 7.5}),
        ),
        odd(
            "prompt_audit_results",
            "a number that is taken",
            audit(171, doc! {"auditedAt": day(5)}),
            Here("prompt_audits", doc! {"_id": hex(171), "version": 2_i64}),
        ),
        odd("prompt_audit_results", "no score", audit(172, doc! {"overallScore": null}), LeftOut("no score")),
        odd(
            "prompt_collections",
            "letter by letter",
            kept(180, doc! {}),
            Here("prompt_collections", doc! {"_id": hex(180), "content": " as  written\n"}),
        ),
        odd(
            "prompt_collections",
            "the same title again",
            kept(181, doc! {}),
            Here("prompt_collections", doc! {"_id": hex(181), "title": "Mine (2)"}),
        ),
        odd(
            "prompt_collections",
            "an owner by their ObjectId",
            kept(182, doc! {"userId": oid(12)}),
            Here("prompt_collections", doc! {"_id": hex(182), "userId": hex(12)}),
        ),
        odd("prompt_collections", "no text", kept(183, doc! {"content": null}), LeftOut("no text")),
    ]
}

//! Where prompts are made, changed and taken back: each with its revision, in one transaction.

use std::sync::Arc;

use bson::{Document, RawDocumentBuf, doc};
use futures_util::{FutureExt, TryStreamExt, future::BoxFuture};
use mongodb::{ClientSession, Database};
use serde_json::{Map, Value, json};

use super::{
    Match, Prompt, PromptFields,
    duplicates::Fingerprint,
    may_remove, may_see,
    prompt::{collection, writable},
    revisions,
};
use crate::{
    auth::Principal,
    clock,
    content::{self, Item, Library},
    http::Problem,
    id,
    ledger::Ledger,
    mongo::{self, Mongo, REQUEST_TIMEOUT},
    roles::not_allowed,
    schema, text,
    users::Account,
};

/// Prompts that one account may make: M0 holds 512 MB for everybody. Those that were removed are kept, and count.
pub const OWN_LIMIT: usize = 500;
/// Duplicates that are told of.
const MATCHES_TOLD: usize = 10;
/// How often a deletion is tried while others change the prompt.
const REMOVE_ATTEMPTS: u32 = 5;
/// Characters of a title that its slug keeps.
const SLUG_CHARS: usize = 80;
/// What stands for a route of its own below `/api/prompts`, and so for no prompt.
const ROUTES: [&str; 1] = ["collections"];

const REVISIONS: &str = "prompt_revisions";

/// Makes and changes prompts.
pub struct PromptEditor {
    ledger: Ledger,
    mongo: Mongo,
}

impl PromptEditor {
    pub fn new(ledger: Ledger) -> Self {
        Self { mongo: ledger.mongo().clone(), ledger }
    }

    /// A new prompt of this author, unless what they see of published ones (`library`) or their own holds one
    /// like it. It is private unless its author may publish and says so.
    pub async fn create(&self, author: &Account, fields: PromptFields, library: &Library) -> Result<Prompt, Problem> {
        let reason = fields.change_reason.clone();
        let mut prompt = new_prompt(author, fields.into_map()?);
        let fingerprint = Fingerprint::of(&prompt.0);
        let seen = library.items().iter().filter(|item| item.access.is_open_to(Some(author.role)));
        let matches = self.still_there(fingerprint.among(seen.map(Fingerprint::of_item))).await?;
        if !matches.is_empty() {
            return Err(duplicate(best(matches)));
        }
        let fingerprint = Arc::new(fingerprint);
        if let Some(created) = self.insert(author, &prompt, &fingerprint, reason.as_deref()).await? {
            return Ok(created);
        }
        // Another prompt has the slug.
        let slug = slug_of_its_own(prompt.text("title").unwrap_or_default(), prompt.id());
        prompt.0.insert("slug".into(), slug.into());
        let created = self.insert(author, &prompt, &fingerprint, reason.as_deref()).await?;
        created.ok_or_else(|| Problem::internal("a random slug was taken"))
    }

    /// Of matches among published prompts those that were not removed since: the next export leaves them out.
    async fn still_there(&self, mut matches: Vec<Match>) -> Result<Vec<Match>, Problem> {
        if matches.is_empty() {
            return Ok(matches);
        }
        let ids: Vec<&str> = matches.iter().map(|found| found.id.as_str()).collect();
        let removed = doc! {"_id": {"$in": ids}, "active": false};
        let find = async |database: Database| writable(&database).distinct("_id", removed).await;
        let removed = self.mongo.run(REQUEST_TIMEOUT, find).await?;
        matches.retain(|found| !removed.iter().any(|id| id.as_str() == Some(&found.id)));
        Ok(matches)
    }

    /// `None` when the slug is taken.
    async fn insert(
        &self,
        author: &Account,
        prompt: &Prompt,
        fingerprint: &Arc<Fingerprint>,
        reason: Option<&str>,
    ) -> Result<Option<Prompt>, Problem> {
        let insertion = Insertion {
            author_id: author.id.clone(),
            fingerprint: Arc::clone(fingerprint),
            stored: content::to_document(&prompt.0).map_err(Problem::internal)?,
            revision: revisions::document(None, prompt, Some(&author.id), reason, clock::now())
                .map_err(Problem::internal)?,
        };
        let bytes = schema::weight("prompts", &insertion.stored) + schema::weight(REVISIONS, &insertion.revision);
        let insert = async {
            match insertion.run(self.mongo.clone()).await {
                Err(error) if error.is_duplicate() => Ok(Inserted::SlugTaken),
                outcome => outcome,
            }
        };
        match self.ledger.pay(&author.payer(), bytes, insert, |inserted| matches!(inserted, Inserted::Done)).await? {
            Inserted::Done => Ok(Some(prompt.clone())),
            Inserted::SlugTaken => Ok(None),
            Inserted::Duplicate(matches) => Err(duplicate(matches)),
            Inserted::TooMany => Err(too_many()),
        }
    }

    /// Changes the prompt, if it still is at the revision that its editor read: else 412.
    pub async fn change(
        &self,
        editor: &Principal,
        before: &Prompt,
        read_revision: i64,
        fields: PromptFields,
    ) -> Result<Prompt, Problem> {
        if before.revision() != read_revision {
            return Err(Problem::precondition_failed());
        }
        let reason = fields.change_reason.clone();
        let mut after = before.clone();
        for (field, value) in fields.into_map()? {
            if value.is_null() {
                after.0.shift_remove(&field)
            } else {
                after.0.insert(field, value)
            };
        }
        if after.0 == before.0 {
            return Ok(after);
        }
        if self.replace(editor, before, &mut after, reason.as_deref()).await? {
            Ok(after)
        } else {
            Err(Problem::precondition_failed())
        }
    }

    /// Takes a prompt back that its editor may remove: it is kept, and shown to nobody. False when it was gone already.
    pub async fn remove(&self, editor: &Principal, mut before: Prompt) -> Result<bool, Problem> {
        for _ in 0..REMOVE_ATTEMPTS {
            let mut after = before.clone();
            after.0.insert("active".into(), false.into());
            after.0.insert("deletedBy".into(), editor.id().into());
            after.0.insert("deletedAt".into(), json!(clock::now()));
            if self.replace(editor, &before, &mut after, None).await? {
                return Ok(true);
            }
            // Who changed it meanwhile may have published it: then it is not its author's to remove any more.
            let found = Prompt::find(&self.mongo, before.id()).await?.filter(|prompt| may_see(editor, prompt));
            let Some(now) = found else { return Ok(false) };
            if !may_remove(editor, &now) {
                return Err(not_allowed());
            }
            before = now;
        }
        Err(Problem::unavailable("a prompt changed faster than it could be removed"))
    }

    /// Puts `after` in the place of `before` as its next revision. False when somebody was faster; 429 when the editor has
    /// no bytes left for it, unless it removes the prompt.
    async fn replace(
        &self,
        editor: &Principal,
        before: &Prompt,
        after: &mut Prompt,
        reason: Option<&str>,
    ) -> Result<bool, Problem> {
        let now = clock::now();
        let stamps = [
            ("currentRevision", json!(before.revision() + 1)),
            ("lastRevisedBy", json!(editor.id())),
            ("lastRevisedAt", json!(now)),
            ("updatedAt", json!(now)),
        ];
        after.0.extend(stamps.map(|(field, value)| (field.to_owned(), value)));
        let change = Change {
            guard: guard(before),
            update: update(before, after).map_err(Problem::internal)?,
            before: revisions::document(None, before, last_editor(before), None, now).map_err(Problem::internal)?,
            revision: revisions::document(Some(before), after, Some(editor.id()), reason, now)
                .map_err(Problem::internal)?,
        };
        let weight = |prompt: &Prompt| content::to_document(&prompt.0).map(|stored| schema::weight("prompts", &stored));
        let growth =
            weight(after).and_then(|after| Ok(after.saturating_sub(weight(before)?))).map_err(Problem::internal)?;
        let bytes = growth + schema::weight(REVISIONS, &change.revision);
        let payer = editor.account.payer();
        let replace = async {
            match change.run(self.mongo.clone()).await {
                // The next revision is there already.
                Err(error) if error.is_duplicate() => Ok(false),
                outcome => outcome,
            }
        };
        if after.flag("active", true) {
            return self.ledger.pay(&payer, bytes, replace, |done| *done).await;
        }
        let done = replace.await?;
        if done {
            self.ledger.charge(&payer, bytes).await;
        }
        Ok(done)
    }
}

/// A prompt on its way into the store.
struct Insertion {
    author_id: String,
    fingerprint: Arc<Fingerprint>,
    stored: Document,
    revision: Document,
}

enum Inserted {
    Done,
    SlugTaken,
    Duplicate(Vec<Match>),
    TooMany,
}

impl Insertion {
    /// Boxed: the driver's futures are large.
    fn run(self, mongo: Mongo) -> BoxFuture<'static, Result<Inserted, mongo::Error>> {
        let insert = async move |database: Database| {
            let mut session = database.client().start_session().await?;
            let work = async move |session: &mut ClientSession| {
                // Two who make the same prompt at once both write the author: one of them starts over.
                let touch = doc! {"$inc": {"promptChanges": 1}};
                let users = database.collection::<Document>("users");
                users.update_one(doc! {"_id": &self.author_id}, touch).session(&mut *session).await?;
                let own = own_prompts(&database, &self.author_id, session).await?;
                if own.len() >= OWN_LIMIT {
                    return Ok(Inserted::TooMany);
                }
                let own = own.iter().filter(|prompt| prompt.flag("active", true));
                let matches = self.fingerprint.among(own.map(|prompt| Fingerprint::of(&prompt.0)));
                if !matches.is_empty() {
                    return Ok(Inserted::Duplicate(best(matches)));
                }
                writable(&database).insert_one(&self.stored).session(&mut *session).await?;
                keep_revision(&database, &self.revision, session).await?;
                Ok(Inserted::Done)
            };
            session.start_transaction().and_run2(work).await
        };
        async move { mongo.run(REQUEST_TIMEOUT, insert).await }.boxed()
    }
}

/// One step from a revision to the next.
struct Change {
    guard: Document,
    update: Document,
    /// The revision that it starts from.
    before: Document,
    revision: Document,
}

impl Change {
    /// False when the prompt is not as the guard has it any more. Boxed, as [`Insertion::run`].
    fn run(self, mongo: Mongo) -> BoxFuture<'static, Result<bool, mongo::Error>> {
        let change = async move |database: Database| {
            let mut session = database.client().start_session().await?;
            let work = async move |session: &mut ClientSession| {
                let prompts = writable(&database);
                let updated = prompts.update_one(self.guard.clone(), self.update.clone());
                if updated.session(&mut *session).await?.matched_count == 0 {
                    return Ok(false);
                }
                // What was imported has no revision yet: nothing that it was is lost, and the list has no gap.
                let revisions = database.collection::<Document>("prompt_revisions");
                let at = doc! {"promptId": self.before.get("promptId"), "revision": self.before.get("revision")};
                let insert = doc! {"$setOnInsert": &self.before};
                revisions.update_one(at, insert).upsert(true).session(&mut *session).await?;
                keep_revision(&database, &self.revision, session).await?;
                Ok(true)
            };
            session.start_transaction().and_run2(work).await
        };
        async move { mongo.run(REQUEST_TIMEOUT, change).await }.boxed()
    }
}

async fn keep_revision(
    database: &Database,
    revision: &Document,
    session: &mut ClientSession,
) -> mongodb::error::Result<()> {
    database.collection::<Document>(REVISIONS).insert_one(revision).session(session).await.map(drop)
}

/// An author's own prompts, removed ones too, as far as they are compared: of the content, the opening.
async fn own_prompts(
    database: &Database,
    author_id: &str,
    session: &mut ClientSession,
) -> mongodb::error::Result<Vec<Prompt>> {
    let length = i64::try_from(Item::OPENING_CHARS).unwrap_or(i64::MAX);
    let kept = doc! {
        "title": 1, "category": 1, "role": 1, "pattern": 1, "active": 1,
        "content": {"$substrCP": ["$content", 0, length]},
    };
    let pipeline = [doc! {"$match": {"authorId": author_id}}, doc! {"$project": kept}];
    let mut rows = collection(database).aggregate(pipeline).session(&mut *session).await?.with_type::<RawDocumentBuf>();
    let rows: Vec<RawDocumentBuf> = rows.stream(session).try_collect().await?;
    Ok(mongo::readable_json("prompts", &rows).into_iter().map(Prompt).collect())
}

/// Who made the prompt what it is, as far as that is known.
fn last_editor(prompt: &Prompt) -> Option<&str> {
    prompt.text("lastRevisedBy").or_else(|| prompt.text("authorId"))
}

/// Matches the prompt while nobody has changed it. One that was imported may lack its revision.
fn guard(before: &Prompt) -> Document {
    let revision = if before.0.get("currentRevision").is_some_and(|number| !number.is_null()) {
        doc! {"currentRevision": before.revision()}
    } else {
        doc! {"currentRevision": null}
    };
    let mut guard = doc! {"_id": before.id(), "active": {"$ne": false}};
    guard.extend(revision);
    guard
}

/// From one to the other, touching nothing else: counts change meanwhile.
fn update(before: &Prompt, after: &Prompt) -> anyhow::Result<Document> {
    let changed = after.0.iter().filter(|(field, value)| before.0.get(*field) != Some(*value));
    let set: Map<String, Value> = changed.map(|(field, value)| (field.clone(), value.clone())).collect();
    let unset: Document =
        before.0.keys().filter(|field| !after.0.contains_key(*field)).map(|field| (field.clone(), "".into())).collect();
    let mut update = doc! {"$set": content::to_document(&set)?};
    if !unset.is_empty() {
        update.insert("$unset", unset);
    }
    Ok(update)
}

fn new_prompt(author: &Account, fields: Map<String, Value>) -> Prompt {
    let now = clock::now();
    let title = fields.get("title").and_then(Value::as_str).unwrap_or_default();
    let (id, short) = (id::new(), slug(title));
    // Were the short slug a private prompt's, whoever is refused it would know of the title.
    let published = fields.get("isPublic") == Some(&Value::Bool(true));
    let slug = if published && !ROUTES.contains(&short.as_str()) { short } else { slug_of_its_own(title, &id) };
    let Value::Object(mut prompt) = json!({
        "id": id, "slug": slug, "title": null, "description": "", "content": null, "category": "general",
        "tags": [], "isPublic": false, "isFeatured": false, "active": true, "isPremium": false, "requiresAuth": false,
        "source": "user-submitted", "views": 0, "favorites": 0, "shares": 0, "rating": 0, "ratingCount": 0,
        "authorId": author.id, "organizationId": author.organization_id, "currentRevision": 1,
        "createdAt": now, "updatedAt": now,
    }) else {
        unreachable!("an object was written")
    };
    prompt.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
    Prompt(prompt)
}

/// `Vec<String> & me` becomes `vec-string-me`; a title without any letter of ours becomes `prompt`.
fn slug(title: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' };
    let words: String = text::in_ascii(title).chars().map(letter).take(SLUG_CHARS).collect();
    let slug = words.split_whitespace().collect::<Vec<_>>().join("-");
    if slug.is_empty() { "prompt".into() } else { slug }
}

/// A slug that no other prompt has: with the random end of the prompt's id.
fn slug_of_its_own(title: &str, id: &str) -> String {
    format!("{}-{}", slug(title), &id[24..])
}

fn duplicate(matches: Vec<Match>) -> Problem {
    let problem = Problem::conflict("duplicate", "There is a prompt like it: change that one, or this one's title.");
    match serde_json::to_value(matches) {
        Ok(matches) => problem.with("matches", matches),
        Err(error) => error.into(),
    }
}

fn too_many() -> Problem {
    Problem::conflict("too_many_prompts", format!("{OWN_LIMIT} prompts are the limit, removed ones included."))
}

fn best(mut matches: Vec<Match>) -> Vec<Match> {
    matches.truncate(MATCHES_TOLD);
    matches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{prompts::rights::tests::principal, roles::Role};

    #[test]
    fn a_slug_is_made_of_plain_letters() {
        for (title, expected) in [
            ("Vec<String> & me!", "vec-string-me"),
            ("Résumé révisé", "resume-revise"),
            ("Re\u{301}sume\u{301}", "resume"),
            ("Ελληνικά", "ellenika"),
            ("Straße", "strasse"),
            ("\u{ad}\u{200d}", "prompt"),
            ("  a  ", "a"),
            ("../etc/passwd", "etc-passwd"),
        ] {
            assert_eq!(slug(title), expected);
        }
        assert!(slug(&"x".repeat(200)).len() <= SLUG_CHARS);
    }

    #[test]
    fn only_a_public_prompt_has_its_title_for_a_slug() {
        let slug = |title: &str, public: bool| {
            let fields = json!({"title": title, "content": "c", "isPublic": public});
            let author = principal(Role::OrgAdmin, None).account;
            let prompt = new_prompt(&author, fields.as_object().expect("an object").clone());
            prompt.text("slug").expect("a slug").to_owned()
        };
        assert_eq!(slug("My title", true), "my-title");
        assert!(slug("My title", false).starts_with("my-title-"));
        assert_ne!(slug("My title", false), slug("My title", false));
        assert!(slug("Collections!", true).starts_with("collections-"), "that is a route");
    }

    #[test]
    fn an_update_touches_only_what_changed() {
        let map = |value: Value| Prompt(value.as_object().expect("object").clone());
        let before = map(json!({"id": "a", "title": "x", "role": "r", "views": 7}));
        let after = map(json!({"id": "a", "title": "y", "views": 7}));
        let update = update(&before, &after).expect("an update");
        assert_eq!(update, doc! {"$set": {"title": "y"}, "$unset": {"role": ""}});
    }
}

//! Moving in: the database of the application before is brought here whole, as often as its owner likes, and is itself
//! left as it was.

use std::{
    collections::BTreeMap,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use bson::{Document, RawDocumentBuf, doc, oid::ObjectId};
use futures_util::TryStreamExt;
use mongodb::Database;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use shared::{clock, keys::Seeds};
use tests::{
    eventually,
    host::{SECRETS, seed},
    old_database::{self as old, Becomes, LEFT, OLD_KEY, Oddity, hex, oddities, oid},
    root,
    stack::stack,
    test_env::TestEnv,
    wiretap::Wiretap,
};

/// An old database, and one of ours to move it into.
struct Move {
    env: TestEnv,
    old: Database,
}

impl Move {
    async fn new(make: impl AsyncFnOnce(&Database)) -> Self {
        let (env, old) = (TestEnv::new().await, stack().scratch().await);
        // The adoption makes it.
        env.database.drop().await.unwrap();
        make(&old).await;
        Self { env, old }
    }

    /// `cargo db` as somebody at a terminal calls it, on the new database.
    fn db(&self, arguments: &[&str], more: &[(&str, &str)]) -> Command {
        let mut command = Command::new(root().join("target/debug/db"));
        let uri = self.env.stack.mongodb_uri.as_str();
        command.args(arguments).current_dir(root()).env("RUST_BACKTRACE", "1").envs(SECRETS);
        command.envs([("MONGODB_URI", uri), ("DB_NAME", self.env.database.name()), ("SOURCE_MONGODB_URI", uri)]);
        command.env("OLD_ENCRYPTION_KEY", OLD_KEY).envs(more.iter().copied());
        command
    }

    fn adopt(&self, more: &[&str]) -> Command {
        self.db(&[&["adopt", "--source", self.old.name()], more].concat(), &[])
    }

    /// Writes, and returns what `--json` tells.
    fn write(&self) -> Value {
        told(&self.adopt(&["--write", "--json"]).output().unwrap())
    }

    /// The one line of an error.
    fn error(command: &mut Command) -> String {
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "it succeeds: {text}");
        let line =
            text.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or_else(|| panic!("{text}")).to_owned();
        for internal in ["panicked", "stack backtrace", "RawDocumentBuf", "Kind:", "hunter2", OLD_KEY] {
            assert!(!text.contains(internal), "{text}");
        }
        line
    }

    async fn count(&self, collection: &str) -> u64 {
        self.env.database.collection::<Document>(collection).count_documents(doc! {}).await.unwrap()
    }
}

fn told(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every byte of a database.
async fn bytes(database: &Database) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut all = BTreeMap::new();
    for name in database.list_collection_names().await.unwrap() {
        let found = database.collection::<RawDocumentBuf>(&name).find(doc! {}).sort(doc! {"_id": 1}).await.unwrap();
        let documents: Vec<RawDocumentBuf> = found.try_collect().await.unwrap();
        all.insert(name, documents.into_iter().map(RawDocumentBuf::into_bytes).collect());
    }
    all
}

/// What two adoptions of one database have in common: all but what is sealed anew each time, and instants of today.
async fn comparable(database: &Database) -> BTreeMap<String, Vec<Document>> {
    let mut all = BTreeMap::new();
    for name in database.list_collection_names().await.unwrap() {
        let found = database.collection::<Document>(&name).find(doc! {}).sort(doc! {"_id": 1}).await.unwrap();
        let mut documents: Vec<Document> = found.try_collect().await.unwrap();
        for document in &mut documents {
            for field in ["cipher", "hash", "expiresAt", "writtenAt"] {
                document.remove(field);
            }
        }
        if name != "adoption" {
            all.insert(name, documents);
        }
    }
    all
}

fn skipped<'a>(report: &'a Value, collection: &str) -> Vec<(&'a str, &'a str)> {
    let skipped = report["collections"][collection]["skipped"].as_array().unwrap();
    skipped.iter().map(|left| (left["id"].as_str().unwrap(), left["reason"].as_str().unwrap())).collect()
}

/// Reads are what was written, unchanged or left out; each collection of the source is there.
fn adds_up(report: &Value, written: bool) {
    for (name, of) in report["collections"].as_object().unwrap() {
        let count = |field: &str| of[field].as_u64().unwrap();
        if LEFT.contains(&name.as_str()) {
            assert!(of["left"].is_string() && count("read") == 2 && count("written") == 0, "{name}: {of}");
            continue;
        }
        let left = of["skipped"].as_array().unwrap().len() as u64;
        assert_eq!(count("read"), count("written") + count("unchanged") + left, "{name}: {of}");
        assert_eq!(if written { count("unchanged") } else { count("written") }, 0, "{name}: {of}");
    }
}

#[tokio::test]
async fn everything_that_has_a_place_here_comes_along_and_the_rest_is_named() {
    let table = oddities();
    assert!(table.len() >= 60, "{} oddities", table.len());
    let moved = Move::new(old::make).await;
    let before = bytes(&moved.old).await;

    let dry = told(&moved.adopt(&["--json"]).output().unwrap());
    adds_up(&dry, true);
    assert_eq!((moved.count("users").await, moved.count("adoption").await), (0, 0), "nothing without --write");
    let report = moved.write();
    assert_eq!(report, dry, "what would be written is what is written");

    for Oddity { what, collection, document, becomes } in &table {
        let id =
            document.get_object_id("_id").map_or_else(|_| document.get_str("_id").unwrap().into(), ObjectId::to_hex);
        let left = skipped(&report, collection).into_iter().find(|(left, _)| *left == id);
        match becomes {
            Becomes::LeftOut(words) => {
                assert!(left.is_some_and(|(_, reason)| reason.contains(words)), "{collection}, {what}: {left:?}");
            }
            Becomes::Here(name, wanted) => {
                assert_eq!(left, None, "{collection}, {what}");
                let all = moved.env.database.collection::<Document>(name);
                let found = all.count_documents(wanted.clone()).await.unwrap();
                let there: Vec<Document> =
                    all.find(doc! {"_id": wanted.get("_id")}).await.unwrap().try_collect().await.unwrap();
                assert_eq!(found, 1, "{collection}, {what}: {wanted} in {name}, where is {there:?}");
            }
        }
    }

    let lines = report["collections"]["users"]["mapped"].as_array().unwrap();
    assert!(
        lines.iter().any(|line| line["what"] == "without what has no place here: favoritePrompts, xp"),
        "what is lost is named: {lines:?}"
    );
    let again = moved.write();
    adds_up(&again, false);
    for (name, of) in report["collections"].as_object().unwrap() {
        assert_eq!(of["skipped"], again["collections"][name]["skipped"], "{name}");
    }
    assert!(bytes(&moved.old).await == before, "the source has other bytes than before");
    let audit = moved.db(&["verify-audit"], &[]).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
    let check = moved.db(&["check"], &[]).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

#[tokio::test]
async fn people_sign_in_as_before_and_find_what_was_theirs() {
    let moved = Move::new(old::make).await;
    moved.write();
    let login = moved.env.function("auth-login").await;
    let long = json!({"email": old::LONG_EMAIL, "password": old::LONG_PASSWORD});
    tests::test_env::sign_in(&login, &long).await;
    let wrong = json!({"email": old::LONG_EMAIL, "password": old::LONG_PASSWORD[1..]});
    assert_eq!(login.post("/api/auth/login", &wrong).await.status, 401);
    let admin = json!({"email": old::ADMIN_EMAIL, "password": old::ADMIN_PASSWORD});
    let token = tests::test_env::sign_in(&login, &admin).await["accessToken"].as_str().unwrap().to_owned();
    // Administrators need a second factor here.
    let mfa = moved.env.function("auth-mfa").await;
    let post = async |path: &str, token: &str, body: Value| {
        let answer = mfa.post_as(token, path, &body).await;
        assert!(answer.status < 300, "{path}: {}", answer.text);
        answer.body
    };
    let begun = post("/api/auth/mfa/enable", &token, json!({"method": "totp", "password": old::ADMIN_PASSWORD})).await;
    let app = totp_rs::Totp::from_url(begun["otpauthUrl"].as_str().unwrap()).unwrap();
    let code = app.generate(clock::now().as_second().unsigned_abs()).to_string();
    let enabled = post("/api/auth/mfa/verify", &token, json!({"code": code})).await;
    let shown = post("/api/auth/mfa/verify", &token, json!({"code": enabled["recoveryCodes"][0]})).await;
    let token = shown["accessToken"].as_str().unwrap().to_owned();

    let list = async |function: &str, path: &str, field: &str| {
        let function = moved.env.function(function).await;
        let answer = function.get_as(&token, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.body[field].as_array().unwrap().clone()
    };
    let reports = list("bug-reports", "/api/bug-reports?all=true&limit=100", "reports").await;
    assert_eq!(reports.len() as u64, moved.count("bug_reports").await, "every report can be read");
    assert!(reports.len() >= 7);
    let entries = list("audit-logs", "/api/admin/audit?limit=100", "data").await;
    let old_entries = entries.iter().filter(|entry| entry["details"]["takenOverFrom"].is_string());
    assert_eq!(old_entries.count(), 6, "{entries:?}");
    let newest = &entries[0];
    assert!(newest["details"]["takenOverFrom"].is_null(), "what was done here stands first: {newest}");
    let runs = list("workbench-runs", "/api/workbench/runs?limit=100", "runs").await;
    let mine = doc! {"userId": hex(old::ADMIN)};
    let stored = moved.env.database.collection::<Document>("workbench_runs").count_documents(mine).await.unwrap();
    assert_eq!(runs.len() as u64, stored, "every run can be read");
    let keys = list("provider-keys", "/api/provider-keys?limit=100", "keys").await;
    assert!(keys.iter().any(|key| key["name"] == "Key 200" && key["active"] == true), "{keys:?}");
    let users = list("users-admin", "/api/admin/users?limit=100", "users").await;
    assert_eq!(users.len() as u64, moved.count("users").await, "every account can be read");

    let cipher = Seeds { current: seed("VAULT_SEED"), before: None }.cipher("provider-keys");
    let stored = moved.env.database.collection::<Document>("provider_keys");
    let key = stored.find_one(doc! {"name": "Key 200"}).await.unwrap().unwrap();
    let context = format!("{}|{}|1", key.get_str("userId").unwrap(), key.get_str("_id").unwrap());
    let opened = cipher.open(key.get_str("cipher").unwrap(), &context).unwrap();
    assert_eq!(opened.expose_secret(), old::PROVIDER_SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_adoption_and_a_lost_connection_go_on_where_they_stopped() {
    let moved = Move::new(old::make).await;
    let whole = Move { env: TestEnv::new().await, old: moved.old.clone() };
    whole.write();
    let total = whole.count("users").await;

    let mut child = moved.adopt(&["--write"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("a part of the accounts", 60, async || (moved.count("users").await > 0).then_some(())).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(moved.count("users").await < total, "it was killed in the middle");

    let tap = Wiretap::to(moved.env.stack.mongodb_address()).await;
    // Enough to read all, and to write some.
    tap.end_after(120);
    let tapped = [("MONGODB_URI", tap.uri())];
    let tapped = tapped.each_ref().map(|(name, value)| (*name, value.as_str()));
    let lost = Move::error(&mut moved.db(&["adopt", "--source", moved.old.name(), "--write"], &tapped));
    assert!(lost.contains("run it again, and it goes on where it stopped"), "{lost}");
    assert!(moved.count("bug_reports").await < whole.count("bug_reports").await, "it was cut off in the middle");

    moved.write();
    let (in_parts, at_once) = (comparable(&moved.env.database).await, comparable(&whole.env.database).await);
    for (name, documents) in &at_once {
        assert_eq!(in_parts.get(name), Some(documents), "{name}: the same as in one go");
    }
    assert_eq!(in_parts.len(), at_once.len(), "the same collections");
    adds_up(&moved.write(), false);
}

#[tokio::test]
async fn a_later_run_brings_what_changed_there_and_leaves_what_changed_here() {
    let moved = Move::new(old::make).await;
    moved.write();
    let (there, here) = (moved.old.clone(), moved.env.database.clone());
    let set = async |database: &Database, collection: &str, id: bson::Bson, fields: Document| {
        let all = database.collection::<Document>(collection);
        assert_eq!(all.update_one(doc! {"_id": id}, doc! {"$set": fields}).await.unwrap().matched_count, 1);
    };
    let since = clock::now();
    set(&there, "users", oid(16).into(), doc! {"name": "Changed there"}).await;
    set(&here, "users", hex(17).into(), doc! {"name": "Changed here"}).await;
    set(&there, "users", oid(18).into(), doc! {"name": "Changed there"}).await;
    set(&here, "users", hex(18).into(), doc! {"name": "Changed here"}).await;
    // What our own functions write is no edit.
    set(&here, "users", hex(19).into(), doc! {"lastLoginAt": since, "passwordHash": "$argon2id$new"}).await;
    for counter in ["bugReports", "promptChanges", "ownedChanges", "workbenchStarts"] {
        set(&here, "users", hex(19).into(), doc! {counter: 3_i64}).await;
    }
    let used = doc! {"usageCount": 9_i64, "monthlyUsageCount": 2_i64, "usageMonth": "2099-01", "lastUsedAt": since};
    let keys = here.collection::<Document>("provider_keys");
    let key = keys.find_one_and_update(doc! {"name": "Key 200"}, doc! {"$set": used}).await.unwrap().unwrap();
    set(&there, "api_keys", oid(200).into(), doc! {"keyName": "Renamed there"}).await;
    set(&there, "users", oid(19).into(), doc! {"name": "Changed there"}).await;
    set(&here, "prompts", "p-121".into(), doc! {"views": 50_i64}).await;
    set(&there, "users", oid(20).into(), doc! {"email": "new@example.com"}).await;
    there.collection::<Document>("bug_reports").delete_one(doc! {"_id": oid(503)}).await.unwrap();
    here.collection::<Document>("affiliate_links").delete_one(doc! {"_id": hex(700)}).await.unwrap();
    set(&there, "affiliate_config", oid(700).into(), doc! {"notes": "new"}).await;
    there.collection::<Document>("bug_reports").insert_one(doc! {"_id": oid(599), "userId": hex(10), "intent": "New", "description": "A new report", "pageUrl": "https://app.example.com/", "status": "new", "createdAt": since}).await.unwrap();
    let revision = doc! {"_id": oid(169), "promptId": "p-121", "revisionNumber": 3, "changes": [], "changedBy": hex(10), "snapshot": {"title": "Later"}, "createdAt": since};
    there.collection::<Document>("prompt_revisions").insert_one(revision).await.unwrap();
    here.collection::<Document>("users")
        .insert_one(doc! {"_id": "someone-new", "email": "new@example.com", "role": "user", "createdAt": since})
        .await
        .unwrap();
    // Somebody who signed up there meanwhile, and has an account here by their session's cookie alone.
    let mut newcomer = there.collection::<Document>("users").find_one(doc! {"_id": oid(16)}).await.unwrap().unwrap();
    newcomer.extend(doc! {"_id": oid(98), "email": "by-cookie@example.com", "name": "Signed up there"});
    there.collection::<Document>("users").insert_one(newcomer).await.unwrap();
    let by_cookie = doc! {"_id": hex(98), "email": "by-cookie@example.com", "name": "By cookie", "role": "user", "status": "active", "createdAt": since};
    here.collection::<Document>("users").insert_one(by_cookie).await.unwrap();

    let report = moved.write();
    let name = async |id: String| {
        let user = here.collection::<Document>("users").find_one(doc! {"_id": id}).await.unwrap().unwrap();
        user.get_str("name").unwrap().to_owned()
    };
    assert_eq!(name(hex(16)).await, "Changed there");
    assert_eq!(name(hex(17)).await, "Changed here");
    assert_eq!(name(hex(18)).await, "Changed here", "changed on both sides, it stays as it is here");
    assert_eq!(name(hex(98)).await, "Signed up there", "what a cookie made gives way to the account itself");
    let conflict = skipped(&report, "users").into_iter().find(|(id, _)| *id == hex(18)).unwrap();
    assert!(conflict.1.contains("changed here and there"), "{conflict:?}");
    let removed = skipped(&report, "affiliate_config").into_iter().find(|(id, _)| *id == hex(700)).unwrap();
    assert!(removed.1.contains("it stays removed"), "{removed:?}");
    let user = here.collection::<Document>("users").find_one(doc! {"_id": hex(19)}).await.unwrap().unwrap();
    assert_eq!(user.get_str("name").unwrap(), "Changed there", "a sign-in here is no change");
    assert_eq!(user.get_str("passwordHash").unwrap(), "$argon2id$new", "and stays");
    assert!(user.get_datetime("lastLoginAt").is_ok());
    assert_eq!(user.get_i64("promptChanges").unwrap(), 3);
    let key = keys.find_one(doc! {"_id": key.get_str("_id").unwrap()}).await.unwrap().unwrap();
    assert_eq!((key.get_str("name").unwrap(), key.get_i64("usageCount").unwrap()), ("Renamed there", 9));
    let taken = skipped(&report, "users").into_iter().find(|(id, _)| *id == hex(20)).unwrap();
    assert!(taken.1.contains("another document here has the same"), "somebody here has the address: {taken:?}");
    assert_eq!(report["collections"]["bug_reports"]["gone"], json!([hex(503)]), "what is gone there is named");
    assert_eq!(report["collections"]["users"]["written"], 3);
    assert_eq!(report["collections"]["bug_reports"]["written"], 1);
    let revisions = here.collection::<Document>("prompt_revisions");
    let later = revisions.find_one(doc! {"_id": hex(169)}).await.unwrap().unwrap();
    assert_eq!(later.get_i64("revision").unwrap(), 4, "numbers stay unique");
    let prompt = here.collection::<Document>("prompts").find_one(doc! {"_id": "p-121"}).await.unwrap().unwrap();
    assert_eq!(prompt.get_i64("currentRevision").unwrap(), 4, "the next change finds its number free");
    assert_eq!(prompt.get_i64("views").unwrap(), 50, "views of here stay");

    // The way back.
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("back");
    let export = ["export", "--since", &since.to_string(), "--to", to.to_str().unwrap()];
    let output = moved.db(&export, &[]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(to.join("users.jsonl")).unwrap();
    let exported: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut ids: Vec<_> = exported.iter().map(|user| user["_id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    assert_eq!(
        ids,
        [hex(17), hex(18), hex(19), "someone-new".into()],
        "what was made or changed here, and nothing that came from there"
    );
    let made = exported.iter().find(|user| user["_id"] == "someone-new").unwrap();
    assert_eq!(made["createdAt"]["$date"]["$numberLong"], since.as_millisecond().to_string(), "types survive");
    assert!(!to.join("bug_reports.jsonl").exists(), "nothing was written to them here");
    let refused = Move::error(&mut moved.db(&export, &[]));
    assert!(refused.contains("is there already, and is not overwritten"), "{refused}");
}

#[tokio::test]
async fn another_applications_database_is_recognised_before_the_first_write() {
    let moved = Move::new(old::make).await;
    let before = bytes(&moved.old).await;
    let on_old = [("DB_NAME", moved.old.name())];
    for verb in [
        &["apply"][..],
        &["apply", "--dry-run"],
        &["seed"],
        &["seed", "--replace"],
        &["check"],
        &["fill", "--users", "1", "--records", "1"],
        &["promote", "founder@example.com"],
        &["publish"],
        &["export"],
        &["verify-audit"],
    ] {
        let refused = Move::error(&mut moved.db(verb, &on_old));
        assert!(refused.contains(&format!("`cargo db adopt --source {}`", moved.old.name())), "{verb:?}: {refused}");
    }
    assert!(bytes(&moved.old).await == before, "nothing was changed");
    let itself = Move::error(&mut moved.db(&["adopt", "--source", moved.old.name(), "--write"], &on_old));
    assert!(itself.contains("set DB_NAME to a database of its own"), "{itself}");
    assert!(moved.db(&["apply"], &[]).output().unwrap().status.success());
    let ours =
        Move::error(&mut moved.db(&["adopt", "--source", moved.env.database.name()], &[("DB_NAME", "test_another")]));
    assert!(ours.contains("a database of this application"), "{ours}");
    let empty = Move::error(&mut moved.db(&["adopt", "--source", "no_such_database"], &[]));
    assert!(empty.contains("has no database no_such_database"), "{empty}");

    let wrong_key = Move::error(moved.adopt(&["--write"]).env("OLD_ENCRYPTION_KEY", "another"));
    assert!(wrong_key.contains("OLD_ENCRYPTION_KEY opens none of the provider keys"), "{wrong_key}");
    let full = Move::error(&mut moved.adopt(&["--write", "--storage-mb", "0"]));
    assert!(full.contains("it does not fit") && full.contains("nothing was written"), "{full}");
    let nowhere = "mongodb://127.0.0.1:1/?directConnection=true";
    let away = Move::error(moved.adopt(&["--write"]).env("SOURCE_MONGODB_URI", nowhere));
    assert!(away.contains("the old database cannot be read (SOURCE_MONGODB_URI)"), "{away}");
    let malformed = Move::error(moved.adopt(&[]).env("SOURCE_MONGODB_URI", "postgres://user:hunter2@host"));
    assert!(malformed.contains("SOURCE_MONGODB_URI"), "{malformed}");
    assert_eq!(moved.count("users").await, 0);
    moved.env.database.collection::<Document>("prompts").insert_one(doc! {"_id": "starter"}).await.unwrap();
    let noted = moved.adopt(&["--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&noted.stderr).into_owned();
    assert!(said.contains("note: 1 prompts are here already"), "{said}");
    moved.env.database.collection::<Document>("prompts").delete_one(doc! {"_id": "starter"}).await.unwrap();
    let without_key = moved.adopt(&["--write", "--json"]).env_remove("OLD_ENCRYPTION_KEY").output().unwrap();
    let left = told(&without_key);
    assert!(skipped(&left, "api_keys").iter().any(|(_, reason)| reason.contains("OLD_ENCRYPTION_KEY is not set")));
    let keys = moved.write()["collections"]["api_keys"]["written"].as_u64().unwrap();
    assert!(keys >= 4, "the next run brings what the key opens: {keys}");
}

#[tokio::test]
async fn apply_checks_everything_before_it_changes_anything() {
    let moved = Move { env: TestEnv::new().await, old: stack().scratch().await };
    let users = moved.old.collection::<Document>("users");
    let user = |id: &str| doc! {"_id": id, "email": "same@example.com", "role": "user", "createdAt": clock::now()};
    users.insert_many([user("a"), user("b"), doc! {"_id": "c", "email": "c@example.com"}]).await.unwrap();
    let before = bytes(&moved.old).await;
    let on_old = [("DB_NAME", moved.old.name())];
    let refused = moved.db(&["apply"], &on_old).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("are the same to the unique index email_1"), "{said}");
    assert!(said.contains("the document \"c\" is not what the validator asks for"), "{said}");
    assert!(bytes(&moved.old).await == before, "no collection was made");
    users.delete_many(doc! {"_id": {"$ne": "a"}}).await.unwrap();
    let dry = moved.db(&["apply", "--dry-run"], &on_old).output().unwrap();
    let would = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert!(
        would.contains("would make users: the index email_1") && would.contains("would make prompts: the collection"),
        "{would}"
    );
    assert_eq!(bytes(&moved.old).await.len(), 1, "a dry run makes nothing");
    assert!(moved.db(&["apply"], &on_old).output().unwrap().status.success());
    assert!(moved.db(&["check"], &on_old).output().unwrap().status.success());
    let again = moved.db(&["apply"], &on_old).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&again.stdout), "everything is as it should be\n");
    let uri = format!("mongodb://{}/engify?directConnection=true", moved.env.stack.mongodb_address());
    let noted = moved.db(&["check"], &[("DB_NAME", moved.old.name()), ("MONGODB_URI", &uri)]).output().unwrap();
    let said = String::from_utf8_lossy(&noted.stderr).into_owned();
    assert!(noted.status.success() && said.contains("MONGODB_URI names the database engify"), "{said}");
}

#[tokio::test]
async fn seeding_adds_what_is_missing_and_replaces_only_when_asked() {
    let moved = Move { env: TestEnv::new().await, old: stack().scratch().await };
    let (here, folder) = (&moved.env.database, tempfile::tempdir().unwrap());
    let prompts = here.collection::<Document>("prompts");
    let seed = |more: &[&str]| {
        let output = moved.db(&[&["seed"], more].concat(), &[]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    seed(&[]);
    let all = moved.count("prompts").await;
    let one = prompts.find_one(doc! {}).await.unwrap().unwrap();
    let id = one.get_str("_id").unwrap();
    prompts.update_one(doc! {"_id": id}, doc! {"$set": {"title": "Ours"}}).await.unwrap();
    let title =
        async || prompts.find_one(doc! {"_id": id}).await.unwrap().unwrap().get_str("title").unwrap().to_owned();
    prompts.delete_one(doc! {"_id": {"$ne": id}}).await.unwrap();
    assert!(seed(&[]).contains("1 prompts imported"));
    assert_eq!((moved.count("prompts").await, title().await.as_str()), (all, "Ours"), "nothing is overwritten unasked");
    let said = seed(&["--replace", "--replaced-to", folder.path().to_str().unwrap()]);
    assert_ne!(title().await, "Ours", "{said}");
    let kept =
        std::fs::read_dir(folder.path()).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    assert!(kept.collect::<String>().contains("\"Ours\""), "what was replaced is in a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owners_size_moves_in_minutes_at_fifty_operations_a_second() {
    let moved = Move::new(old::make_large).await;
    let tap = Wiretap::to(moved.env.stack.mongodb_address()).await;
    let uri = tap.uri();
    let started = Instant::now();
    let mut adopt = moved.adopt(&["--write", "--json"]);
    let output = adopt.envs([("MONGODB_URI", &uri), ("SOURCE_MONGODB_URI", &uri)]).output().unwrap();
    let took = started.elapsed();
    let report = told(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = said.lines().last().unwrap();
    let operations: u64 = line.split(' ').next().unwrap().parse().unwrap();
    let commands: u64 = tap.take().values().sum();
    println!("100 accounts, 296 prompts, 1,000 runs, 50 reports, 50 keys: {line}, in {commands} commands");
    assert_eq!(report["collections"]["workbench_runs"]["written"], 1000);
    assert!(operations >= 1_496 + 296, "each document that is written counts: {operations}");
    assert!(took >= Duration::from_secs_f64(operations as f64 / 50.0), "{operations} in {took:?}");
    assert!(operations < 5_000, "minutes: {operations}");
    let started = Instant::now();
    adds_up(&moved.write(), false);
    println!("again, with nothing new: {:?}", started.elapsed());
}

#[tokio::test]
async fn in_a_shared_redis_each_application_has_its_own_keys() {
    let env = TestEnv::new().await;
    let Some(url) = env.stack.own_redis().await else { return };
    let client = redis::Client::open(url.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let old = json!({"stats": "of the application before"}).to_string();
    let _: () = redis::cmd("SET").arg("site:stats:v1").arg(&old).query_async(&mut connection).await.unwrap();
    let stats = env.function_with("stats", &[("REDIS_URL", &url)]).await;
    let answer = stats.get("/api/stats").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.body["prompts"].is_object(), "{}", answer.text);
    let kept: String = redis::cmd("GET").arg("site:stats:v1").query_async(&mut connection).await.unwrap();
    assert_eq!(kept, old);
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    let ours = keys.iter().filter(|key| *key != "site:stats:v1");
    assert!(keys.len() > 1 && ours.clone().all(|key| key.starts_with("promptlib:")), "{keys:?}");
}

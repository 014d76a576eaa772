//! The database of the application before, as its loose validation let it become: at least one document of every kind
//! that it has, and a table of oddities with what becomes of each.

mod accounts;
mod affiliates;
mod prompts;
mod provider_keys;
mod reports;
mod usage;

use std::time::Duration;

use aes_gcm::{
    AesGcm, KeyInit,
    aead::{Aead, consts::U16},
    aes::Aes256,
};
use bson::{Decimal128, Document, doc, oid::ObjectId};
use mongodb::Database;
use shared::{clock, clock::Moment, keys};

/// The `API_KEY_ENCRYPTION_KEY` of the application before.
pub const OLD_KEY: &str = "the key of the application before";
pub const PROVIDER_SECRET: &str = "sk-provider-0123456789abcdefWXYZ";
/// 90 characters, of which bcrypt reads 72.
pub const LONG_PASSWORD: &str =
    "Old-Secret-1-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
pub const ADMIN: u32 = 1;
pub const ADMIN_EMAIL: &str = "founder@example.com";
pub const ADMIN_PASSWORD: &str = "Old-Secret-1";
pub const LONG_USER: u32 = 2;
pub const LONG_EMAIL: &str = "long@example.com";

/// Something odd, and what becomes of it.
pub struct Oddity {
    pub what: &'static str,
    /// Where it is there.
    pub collection: &'static str,
    pub document: Document,
    pub becomes: Becomes,
}

/// What becomes of an odd document.
pub enum Becomes {
    /// Exactly one document of this collection matches this.
    Here(&'static str, Document),
    /// It is left out, with a reason that has these words.
    LeftOut(&'static str),
}

use Becomes::Here;

/// An `ObjectId` of twenty days ago, and of this number.
pub fn oid(number: u32) -> ObjectId {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&u32::try_from(day(20).as_second()).unwrap().to_be_bytes());
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    ObjectId::from_bytes(bytes)
}

pub fn hex(number: u32) -> String {
    oid(number).to_hex()
}

/// Noon, so many days ago.
pub fn day(ago: i64) -> Moment {
    clock::start_of_day(clock::now(), ago) + Duration::from_hours(12)
}

/// `ciphertext:iv:tag`, sealed as the application before did it.
pub fn sealed(secret: &str, key: &str) -> String {
    let cipher = AesGcm::<Aes256, U16>::new_from_slice(keys::sha256_bytes(key.as_bytes()).as_ref()).unwrap();
    let iv: [u8; 16] = keys::random();
    let mut text = cipher.encrypt(&iv.into(), secret.as_bytes()).unwrap();
    let tag = text.split_off(text.len() - 16);
    [keys::hex(&text), keys::hex(&iv), keys::hex(&tag)].join(":")
}

/// As bcrypt does it at its cheapest.
fn hashed(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

fn decimal(text: &str) -> Decimal128 {
    text.parse().unwrap()
}

fn user(number: u32, fields: Document) -> Document {
    let mut user = doc! {
        "_id": oid(number), "email": format!("user{number}@example.com"), "name": format!("User {number}"),
        "password": hashed("Old-Secret-1"), "role": "user", "plan": "free", "organizationId": null,
        "createdAt": day(20), "updatedAt": day(10), "favoritePrompts": ["a"], "xp": 7,
    };
    user.extend(fields);
    user
}

fn with(number: u32, fields: Document) -> Document {
    let mut document = doc! {"_id": oid(number)};
    document.extend(fields);
    document
}

fn odd(collection: &'static str, what: &'static str, document: Document, becomes: Becomes) -> Oddity {
    Oddity { what, collection, document, becomes }
}

fn without(mut document: Document, field: &str) -> Document {
    document.remove(field);
    document
}

fn is_user(number: u32, fields: Document) -> Becomes {
    let mut user = doc! {"_id": hex(number)};
    user.extend(fields);
    Here("users", user)
}

/// The table.
pub fn oddities() -> Vec<Oddity> {
    [
        accounts::accounts(),
        prompts::content(),
        prompts::about_prompts(),
        provider_keys::provider_keys(),
        usage::usage(),
        usage::runs(),
        reports::reports(),
        reports::log(),
        affiliates::links(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What has no place here.
pub const LEFT: [&str; 5] = ["accounts", "favorites", "mfa_codes", "organizations", "rate_limits"];

/// Makes the old database: the oddities, two accounts that sign in, and collections that have no place here.
pub async fn make(database: &Database) {
    for Oddity { collection, document, .. } in oddities() {
        insert(database, collection, vec![document]).await;
    }
    let users = vec![
        user(
            ADMIN,
            doc! {"email": "Founder@Example.com", "role": "super_admin", "password": hashed(ADMIN_PASSWORD).replacen("$2b$", "$2a$", 1)},
        ),
        user(LONG_USER, doc! {"email": LONG_EMAIL, "password": hashed(LONG_PASSWORD)}),
    ];
    insert(database, "users", users).await;
    // The sign-ins of `accounts` are oddities.
    for name in LEFT.into_iter().filter(|name| *name != "accounts") {
        insert(database, name, vec![with(800, doc! {"userId": hex(10)}), with(801, doc! {"userId": hex(10)})]).await;
    }
}

/// Makes an old database of the owner's size, with nothing odd in it.
pub async fn make_large(database: &Database) {
    insert(database, "users", (1000..1100).map(|number| user(number, doc! {})).collect()).await;
    let content = "Write it for {reader}. ".repeat(60);
    insert(
        database,
        "prompts",
        (2000..2296).map(|number| prompts::prompt(number, doc! {"content": &content})).collect(),
    )
    .await;
    let run = |number: u32| {
        with(
            number,
            doc! {"runId": format!("run-{number}"), "toolId": "prompt-tester", "userId": hex(1000 + number % 100), "status": "success", "budgetCents": 90, "costCents": 2, "inputTokens": 100, "outputTokens": 50, "promptHash": keys::sha256("x"), "createdAt": day(9), "completedAt": day(9)},
        )
    };
    insert(database, "workbench_runs", (3000..4000).map(run).collect()).await;
    let report = |number: u32| {
        with(
            number,
            doc! {"userId": hex(1000), "intent": "Copy", "description": "The button does nothing", "pageUrl": "https://app.example.com/", "status": "new", "createdAt": day(9)},
        )
    };
    insert(database, "bug_reports", (5000..5050).map(report).collect()).await;
    insert(
        database,
        "api_keys",
        (6000..6050).map(|number| provider_keys::key(number, doc! {"userId": hex(1000)})).collect(),
    )
    .await;
}

async fn insert(database: &Database, collection: &str, documents: Vec<Document>) {
    database.collection::<Document>(collection).insert_many(documents).await.unwrap();
}

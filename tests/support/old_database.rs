//! The database of the application before, as its loose validation let it become: at least one document of every kind
//! that it has, and a table of oddities with what becomes of each.

use std::time::Duration;

use aes_gcm::{
    AesGcm, KeyInit,
    aead::{Aead, consts::U16},
    aes::Aes256,
};
use bson::{Binary, Bson, DateTime, Decimal128, Document, doc, oid::ObjectId, spec::BinarySubtype};
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

use Becomes::{Here, LeftOut};

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
    [accounts(), content(), about_prompts(), provider_keys(), usage(), runs(), reports(), log(), links()]
        .into_iter()
        .flatten()
        .collect()
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn accounts() -> Vec<Oddity> {
    let millis = day(30).as_millisecond();
    vec![
        odd(
            "users",
            "an address in mixed case, with spaces",
            user(10, doc! {"email": " Ada@Example.COM "}),
            is_user(10, doc! {"email": "ada@example.com"}),
        ),
        odd(
            "users",
            "the same address in another spelling, later",
            user(11, doc! {"email": "ADA@example.com", "createdAt": day(5)}),
            LeftOut("has the same address"),
        ),
        odd(
            "users",
            "the same address with a higher role, later",
            user(12, doc! {"email": "Boss@example.com", "role": "org_admin", "createdAt": day(1)}),
            is_user(12, doc! {"email": "boss@example.com"}),
        ),
        odd(
            "users",
            "the same address with a lower role, earlier",
            user(13, doc! {"email": "boss@example.com"}),
            LeftOut("has the same address"),
        ),
        odd("users", "no address", user(14, doc! {"email": null}), LeftOut("no address")),
        odd("users", "an address that is none", user(15, doc! {"email": "nobody"}), LeftOut("its address is none")),
        odd(
            "users",
            "an address that no new account gets",
            user(16, doc! {"email": "José@example.com"}),
            is_user(16, doc! {"email": "josé@example.com"}),
        ),
        odd(
            "users",
            "a domain in letters of its own",
            user(17, doc! {"email": "u@München.example"}),
            is_user(17, doc! {"email": "u@xn--mnchen-3ya.example"}),
        ),
        odd("users", "no role", without(user(18, doc! {}), "role"), is_user(18, doc! {"role": "user"})),
        odd("users", "the role of a job", user(19, doc! {"role": "engineer"}), is_user(19, doc! {"role": "user"})),
        odd(
            "users",
            "a role without permissions",
            user(20, doc! {"role": "admin"}),
            is_user(20, doc! {"role": "user"}),
        ),
        odd(
            "users",
            "a role in capitals",
            user(21, doc! {"role": "Super_Admin"}),
            is_user(21, doc! {"role": "super_admin"}),
        ),
        odd("users", "a plan of teams", user(22, doc! {"plan": "team"}), is_user(22, doc! {"plan": "pro"})),
        odd(
            "users",
            "one of several enterprise plans",
            user(23, doc! {"plan": "enterprise_premium"}),
            is_user(23, doc! {"plan": "enterprise"}),
        ),
        odd("users", "a plan that nobody knows", user(24, doc! {"plan": "gold"}), is_user(24, doc! {"plan": "free"})),
        odd(
            "users",
            "a date as text",
            user(25, doc! {"createdAt": day(30).to_string()}),
            is_user(25, doc! {"createdAt": day(30)}),
        ),
        odd(
            "users",
            "a date as a number",
            user(26, doc! {"createdAt": millis}),
            is_user(26, doc! {"createdAt": day(30)}),
        ),
        odd(
            "users",
            "a date as JavaScript prints it",
            user(
                27,
                doc! {"createdAt": day(30).strftime("%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)").to_string()},
            ),
            is_user(27, doc! {"createdAt": day(30)}),
        ),
        odd("users", "no date", without(user(28, doc! {}), "createdAt"), is_user(28, doc! {"createdAt": day(20)})),
        odd(
            "users",
            "an id that is a text",
            user(29, doc! {"_id": hex(29)}),
            is_user(29, doc! {"email": "user29@example.com"}),
        ),
        odd(
            "users",
            "no password: it signed in with Google",
            user(30, doc! {"password": null}),
            is_user(30, doc! {"passwordHash": {"$exists": false}}),
        ),
        odd(
            "users",
            "a password in clear",
            user(31, doc! {"password": "Secret-in-clear-1"}),
            is_user(31, doc! {"passwordHash": {"$exists": false}}),
        ),
        odd("users", "no name", without(user(32, doc! {}), "name"), is_user(32, doc! {"name": "user32"})),
        odd(
            "users",
            "a name of two lines",
            user(33, doc! {"name": "Eve\nAdmin"}),
            is_user(33, doc! {"name": "Eve Admin"}),
        ),
        odd("users", "a name that is a number", user(34, doc! {"name": 42}), is_user(34, doc! {"name": "42"})),
        odd(
            "users",
            "an organisation by its ObjectId",
            user(35, doc! {"organizationId": oid(900)}),
            is_user(35, doc! {"organizationId": hex(900)}),
        ),
        odd(
            "users",
            "a suspended account",
            user(36, doc! {"status": "suspended"}),
            is_user(36, doc! {"status": "suspended"}),
        ),
        odd(
            "users",
            "an account that was deleted softly",
            user(37, doc! {"deletedAt": day(3)}),
            is_user(37, doc! {"status": "suspended"}),
        ),
        odd(
            "users",
            "what has no place here",
            user(38, doc! {"resetToken": "0123456789abcdef"}),
            is_user(38, doc! {"xp": {"$exists": false}, "resetToken": {"$exists": false}}),
        ),
        odd(
            "user_mfa",
            "a number with spaces",
            with(
                50,
                doc! {"userId": hex(32), "phoneNumber": "+41 79 123-45 67", "method": "sms", "enabled": true, "enabledAt": day(9)},
            ),
            is_user(32, doc! {"mfa": {"$exists": false}}),
        ),
        odd(
            "user_mfa",
            "on, and later off",
            with(
                51,
                doc! {"userId": oid(33), "phoneNumber": "+41791234567", "enabled": false, "enabledAt": day(9), "disabledAt": day(8)},
            ),
            is_user(33, doc! {"mfa.method": null}),
        ),
        odd(
            "user_mfa",
            "the older of two",
            with(52, doc! {"userId": hex(33), "phoneNumber": "+41791234567", "enabled": true, "enabledAt": day(12)}),
            LeftOut("is newer"),
        ),
        odd(
            "user_mfa",
            "a number without its country",
            with(53, doc! {"userId": hex(34), "phoneNumber": "079 123 45 67", "enabled": true}),
            is_user(34, doc! {"mfa": {"$exists": false}}),
        ),
        odd(
            "user_mfa",
            "of nobody",
            with(54, doc! {"userId": hex(999), "phoneNumber": "+41791234567", "enabled": true}),
            LeftOut("no such account"),
        ),
        odd(
            "accounts",
            "a sign-in with Google, of an account without a password",
            with(70, doc! {"userId": oid(30), "type": "oidc", "provider": "google"}),
            is_user(30, doc! {"emailVerifiedAt": day(20)}),
        ),
        odd(
            "accounts",
            "a sign-in with a provider that proves no address",
            with(71, doc! {"userId": oid(31), "type": "oauth", "provider": "azure-ad"}),
            is_user(31, doc! {"emailVerifiedAt": {"$exists": false}}),
        ),
        odd(
            "user_stats",
            "days in several types, some twice",
            with(
                60,
                doc! {"userId": hex(10), "daysLoggedIn": 9, "loginDates": [day(3), day(3).to_string(), day(2).as_millisecond(), "soon", null], "lastLoginDate": day(2)},
            ),
            Here("user_activity", doc! {"_id": format!("{}/{}", hex(10), clock::day(day(3)))}),
        ),
        odd(
            "user_stats",
            "days of years ago",
            with(61, doc! {"userId": hex(12), "loginDates": [day(800)]}),
            LeftOut("no day of the last 400"),
        ),
    ]
}

fn prompt(number: u32, fields: Document) -> Document {
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
fn content() -> Vec<Oddity> {
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
fn about_prompts() -> Vec<Oddity> {
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

fn key(number: u32, fields: Document) -> Document {
    let mut key = doc! {
        "userId": hex(ADMIN), "provider": "openai", "keyName": format!("Key {number}"), "encryptedKey": sealed(PROVIDER_SECRET, OLD_KEY),
        "keyHash": keys::sha256(PROVIDER_SECRET), "isActive": true, "usageCount": 4, "allowedModels": ["gpt-4o"], "createdAt": day(9),
    };
    key.extend(fields);
    with(number, key)
}

fn provider_keys() -> Vec<Oddity> {
    let here = |fields: Document| Here("provider_keys", fields);
    vec![
        odd(
            "api_keys",
            "a key as it should be",
            key(200, doc! {}),
            here(doc! {"name": "Key 200", "active": true, "last4": "WXYZ", "keyHash": {"$exists": false}}),
        ),
        odd(
            "api_keys",
            "a platform key",
            with(201, doc! {"userId": hex(ADMIN), "name": "sk", "keyHash": keys::sha256("x"), "lastFour": "abcd"}),
            LeftOut("platform key"),
        ),
        odd(
            "api_keys",
            "sealed with another key",
            key(202, doc! {"encryptedKey": sealed(PROVIDER_SECRET, "another key")}),
            LeftOut("does not open it"),
        ),
        odd("api_keys", "of an account that is not here", key(210, doc! {"userId": hex(999)}), LeftOut("is not here")),
        odd("api_keys", "a cipher that is none", key(203, doc! {"encryptedKey": "zz:00"}), LeftOut("does not open it")),
        odd(
            "api_keys",
            "revoked",
            key(204, doc! {"revokedAt": day(3)}),
            here(doc! {"name": "Key 204", "active": false, "cipher": ""}),
        ),
        odd(
            "api_keys",
            "run out",
            key(205, doc! {"expiresAt": day(3).to_string()}),
            here(doc! {"name": "Key 205", "active": false}),
        ),
        odd(
            "api_keys",
            "a provider by its model's name",
            key(206, doc! {"provider": "gemini"}),
            here(doc! {"name": "Key 206", "provider": "google"}),
        ),
        odd(
            "api_keys",
            "a provider that we lack",
            key(207, doc! {"provider": "replicate"}),
            LeftOut("no keys of the provider replicate"),
        ),
        odd(
            "api_keys",
            "no list of models, an end that is null",
            without(key(208, doc! {"expiresAt": null}), "allowedModels"),
            here(doc! {"name": "Key 208", "active": true, "allowedModels": []}),
        ),
        odd(
            "api_keys",
            "an owner by their address",
            key(209, doc! {"userId": "ada@example.com"}),
            here(doc! {"name": "Key 209", "userId": hex(10)}),
        ),
    ]
}

fn usage() -> Vec<Oddity> {
    let used = |number: u32, fields: Document| {
        let mut used = doc! {"userId": hex(10), "timestamp": day(9), "provider": "openai", "model": "gpt-4o", "promptTokens": 100, "completionTokens": 20, "totalTokens": 120, "cost": 0.0003, "latency": 800, "endpoint": "/e", "success": true};
        used.extend(fields);
        with(number, used)
    };
    let of_key = |number: u32, fields: Document| {
        let mut used = doc! {"userId": hex(ADMIN), "keyId": hex(200), "provider": "openai", "timestamp": day(9), "tokensUsed": {"prompt": 10, "completion": 5, "total": 15}, "cost": {"input": 0.001, "output": 0.002, "total": 0.003}, "model": "gpt-4o", "status": "success"};
        used.extend(fields);
        with(number, used)
    };
    let here = |number: u32, fields: Document| {
        let mut wanted = doc! {"_id": hex(number)};
        wanted.extend(fields);
        Here("ai_usage", wanted)
    };
    vec![
        odd(
            "ai_usage",
            "a cost as a decimal",
            used(300, doc! {"cost": decimal("0.0000004")}),
            here(300, doc! {"costMicros": 0_i64, "costPicos": 400_000_i64}),
        ),
        odd(
            "ai_usage",
            "tokens as fractions and texts",
            used(301, doc! {"promptTokens": 100.0, "completionTokens": "20"}),
            here(301, doc! {"promptTokens": 100_i64, "completionTokens": 20_i64}),
        ),
        odd(
            "ai_usage",
            "only a total",
            without(without(used(302, doc! {}), "promptTokens"), "completionTokens"),
            here(302, doc! {"promptTokens": 120_i64}),
        ),
        odd("ai_usage", "of nobody", used(303, doc! {"userId": null}), here(303, doc! {"userId": "anonymous"})),
        odd(
            "ai_usage",
            "older than such records are kept",
            used(304, doc! {"timestamp": day(500)}),
            LeftOut("older than the 400 days"),
        ),
        odd(
            "ai_usage",
            "a cost below nothing",
            used(305, doc! {"cost": -1.0}),
            here(305, doc! {"costMicros": 0_i64, "priced": false}),
        ),
        odd(
            "ai_usage",
            "a model with its maker in front",
            used(306, doc! {"model": "openai/GPT-4o"}),
            here(306, doc! {"model": "gpt-4o", "reportedModel": "openai/GPT-4o"}),
        ),
        odd(
            "ai_usage",
            "a date as text",
            used(307, doc! {"timestamp": day(9).to_string()}),
            here(307, doc! {"occurredAt": day(9)}),
        ),
        odd(
            "api_key_usage",
            "a use of a key",
            of_key(320, doc! {}),
            here(320, doc! {"costMicros": 3_000_i64, "promptTokens": 10_i64}),
        ),
        odd(
            "api_key_usage",
            "a state that we lack",
            of_key(321, doc! {"status": "timeout", "errorType": "t"}),
            Here("api_key_usage", doc! {"_id": hex(321), "status": "error"}),
        ),
        odd(
            "api_key_usage",
            "no total of the cost",
            of_key(322, doc! {"cost": {"input": 0.001, "output": 0.002}}),
            here(322, doc! {"costMicros": 3_000_i64}),
        ),
        odd(
            "api_key_usage",
            "a key that is gone",
            of_key(323, doc! {"keyId": hex(998)}),
            Here("api_key_usage", doc! {"_id": hex(323)}),
        ),
    ]
}

fn runs() -> Vec<Oddity> {
    let run = |number: u32, fields: Document| {
        let mut run = doc! {"runId": format!("run-{number}"), "toolId": "prompt-tester", "userId": hex(ADMIN), "status": "success", "budgetCents": 90, "costCents": 2, "provider": "openai", "model": "gpt-4o", "inputTokens": 100, "outputTokens": 50, "totalTokens": 150, "promptHash": "00", "contractVersion": 1, "metadata": {"a": {"$b": 1}}, "error": null, "createdAt": day(9), "completedAt": day(9)};
        run.extend(fields);
        with(number, run)
    };
    let here = |fields: Document| Here("workbench_runs", fields);
    vec![
        odd(
            "workbench_runs",
            "cents",
            run(400, doc! {}),
            here(doc! {"runId": "run-400", "costMicros": 20_000_i64, "budgetMicros": 900_000_i64}),
        ),
        odd(
            "workbench_runs",
            "a part of a cent",
            run(401, doc! {"costCents": 0.25}),
            here(doc! {"runId": "run-401", "costMicros": 2_500_i64}),
        ),
        odd(
            "workbench_runs",
            "repeated, after it was done",
            run(402, doc! {"status": "replay"}),
            here(doc! {"runId": "run-402", "status": "success"}),
        ),
        odd(
            "workbench_runs",
            "repeated, before it was done",
            run(403, doc! {"status": "replay", "costCents": null}),
            here(doc! {"runId": "run-403", "status": "error"}),
        ),
        odd(
            "workbench_runs",
            "of nobody",
            run(404, doc! {"userId": null}),
            here(doc! {"runId": "run-404", "userId": "anonymous"}),
        ),
        odd(
            "workbench_runs",
            "the same id again",
            run(405, doc! {"runId": "run-400"}),
            here(doc! {"runId": format!("run-400~{}", hex(405))}),
        ),
        odd(
            "workbench_runs",
            "no provider, model and hash",
            run(406, doc! {"provider": null, "model": null, "promptHash": null}),
            here(doc! {"runId": "run-406", "provider": ""}),
        ),
        odd(
            "workbench_runs",
            "older than runs are kept",
            run(407, doc! {"createdAt": day(500)}),
            LeftOut("older than the 400 days"),
        ),
        odd(
            "workbench_runs",
            "never done",
            run(408, doc! {"status": "pending", "costCents": null, "completedAt": null}),
            here(doc! {"runId": "run-408", "status": "pending", "completedAt": {"$exists": false}}),
        ),
        odd("workbench_runs", "no id", without(run(409, doc! {}), "runId"), here(doc! {"runId": hex(409)})),
    ]
}

fn reports() -> Vec<Oddity> {
    let report = |number: u32, fields: Document| {
        let mut report = doc! {"userId": hex(10), "intent": format!("Intent {number}"), "description": "The button does nothing", "pageUrl": "https://app.example.com/prompts/1", "selector": null, "elementText": null, "elementSize": null, "timestamp": day(9).to_string(), "userAgent": "Browser", "status": "new", "createdAt": day(9), "updatedAt": day(9)};
        report.extend(fields);
        with(number, report)
    };
    let here = |fields: Document| Here("bug_reports", fields);
    vec![
        odd(
            "bug_reports",
            "a secret in the address",
            report(500, doc! {"pageUrl": "https://app.example.com/p?token=hunter2&page=2#id"}),
            here(doc! {"intent": "Intent 500", "pageUrl": "https://app.example.com/p?page=2"}),
        ),
        odd(
            "bug_reports",
            "a secret in an address that is none",
            report(501, doc! {"pageUrl": "/prompts/1?token=hunter2"}),
            here(doc! {"intent": "Intent 501", "pageUrl": "/prompts/1"}),
        ),
        odd(
            "bug_reports",
            "a size as text",
            report(502, doc! {"elementSize": "120x40px"}),
            here(doc! {"intent": "Intent 502", "elementSize": {"width": 120.0, "height": 40.0}}),
        ),
        odd(
            "bug_reports",
            "a state that we lack",
            report(503, doc! {"status": "closed"}),
            here(doc! {"intent": "Intent 503", "status": "resolved"}),
        ),
        odd(
            "bug_reports",
            "nothing said",
            report(504, doc! {"intent": "", "description": ""}),
            LeftOut("it says nothing"),
        ),
        odd(
            "bug_reports",
            "of nobody",
            without(report(505, doc! {}), "userId"),
            here(doc! {"intent": "Intent 505", "userId": "anonymous"}),
        ),
        odd(
            "bug_reports",
            "of a member of an organisation",
            report(506, doc! {"userId": oid(35)}),
            here(doc! {"intent": "Intent 506", "organizationId": hex(900)}),
        ),
        odd(
            "bug_reports",
            "no date but a text",
            without(report(507, doc! {}), "createdAt"),
            here(doc! {"intent": "Intent 507", "createdAt": day(9)}),
        ),
    ]
}

fn log() -> Vec<Oddity> {
    let entry = |number: u32, fields: Document| {
        let mut entry = doc! {"eventType": "auth.login.success", "eventCategory": "auth", "userId": oid(10), "userEmail": null, "userRole": "user", "resourceType": null, "resourceId": null, "organizationId": null, "ipAddress": "192.0.2.1", "userAgent": "Browser", "requestId": format!("r-{number}"), "action": "signed in", "metadata": {"n": number}, "success": true, "timestamp": day(9), "expiresAt": day(-300)};
        entry.extend(fields);
        with(number, entry)
    };
    let here = |fields: Document| Here("audit_logs", fields);
    vec![
        odd(
            "audit_logs",
            "an entry as it should be",
            entry(600, doc! {}),
            here(
                doc! {"requestId": "r-600", "actorId": hex(10), "details.takenOverFrom": format!("audit_logs/{}", hex(600))},
            ),
        ),
        odd(
            "audit_logs",
            "the actor by their address alone",
            entry(601, doc! {"userId": null, "userEmail": "Ada@example.com"}),
            here(doc! {"requestId": "r-601", "actorId": hex(10)}),
        ),
        odd(
            "audit_logs",
            "an address in its details",
            entry(602, doc! {"metadata": {"to": "mail eve@example.com now"}}),
            here(doc! {"requestId": "r-602", "details.to": "mail (address) now"}),
        ),
        odd(
            "audit_logs",
            "no action",
            without(without(entry(603, doc! {}), "eventType"), "action"),
            LeftOut("no action"),
        ),
        odd(
            "audit_logs",
            "a family that we lack",
            entry(604, doc! {"eventType": "prompt.created", "eventCategory": "prompt"}),
            here(doc! {"requestId": "r-604", "category": "data"}),
        ),
        odd(
            "audit_logs",
            "a failure",
            entry(605, doc! {"eventType": "auth.login.failed", "success": false, "errorMessage": "no"}),
            here(doc! {"requestId": "r-605", "outcome": "failure", "details.errorMessage": "no"}),
        ),
        odd(
            "critical_audit_logs",
            "the other shape",
            with(
                606,
                doc! {"action": "security_alert", "severity": "critical", "resource": "prompts", "requestId": "r-606", "timestamp": day(9).to_string(), "loggedAt": day(9)},
            ),
            here(doc! {"requestId": "r-606", "severity": "error", "category": "security"}),
        ),
    ]
}

fn links() -> Vec<Oddity> {
    let link = |number: u32, fields: Document| {
        let mut link = doc! {"tool": format!("Tool {number}"), "baseUrl": "https://tool.example/", "status": "active", "clickCount": 4, "conversionCount": 1, "createdAt": day(9), "updatedAt": day(9)};
        link.extend(fields);
        with(number, link)
    };
    vec![
        odd(
            "affiliate_config",
            "clicks of before",
            link(700, doc! {}),
            Here("affiliate_links", doc! {"_id": hex(700), "clickCount": 4_i64}),
        ),
        odd(
            "affiliate_config",
            "an address without encryption",
            link(701, doc! {"baseUrl": "http://tool.example/"}),
            Here("affiliate_links", doc! {"_id": hex(701), "baseUrl": "https://tool.example/"}),
        ),
        odd(
            "affiliate_config",
            "an address that is none",
            link(702, doc! {"baseUrl": "tool"}),
            LeftOut("no public https address"),
        ),
        odd(
            "affiliate_config",
            "the same tool again",
            link(703, doc! {"tool": "Tool 700"}),
            LeftOut("of the same tool"),
        ),
        odd(
            "affiliate_config",
            "a state that we lack",
            link(704, doc! {"status": "paused"}),
            Here("affiliate_links", doc! {"_id": hex(704), "status": "pending"}),
        ),
        odd(
            "partnership_outreach",
            "a rating above five",
            with(
                710,
                doc! {"company": "Acme", "priority": "High", "contact": "a@acme.example", "rating": 9, "status": "contacted"},
            ),
            Here("affiliate_outreach", doc! {"_id": hex(710), "rating": 5.0, "priority": "high"}),
        ),
        odd(
            "partnership_outreach",
            "the same company again",
            with(711, doc! {"company": "Acme", "priority": "low", "contact": "a@acme.example", "status": "pending"}),
            LeftOut("of the same company"),
        ),
    ]
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
    insert(database, "prompts", (2000..2296).map(|number| prompt(number, doc! {"content": &content})).collect()).await;
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
    insert(database, "api_keys", (6000..6050).map(|number| key(number, doc! {"userId": hex(1000)})).collect()).await;
}

async fn insert(database: &Database, collection: &str, documents: Vec<Document>) {
    database.collection::<Document>(collection).insert_many(documents).await.unwrap();
}

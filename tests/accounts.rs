//! Accounts: sign-up, sign-in and its lockout, and what administrators change.

use std::time::Duration;

use bson::{Document, doc};
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::roles::Role;
use tests::{
    host::Function,
    http_event::Answer,
    proxy::Proxy,
    stack::stack,
    test_env::{ANOTHER_PASSWORD, PASSWORD, TestEnv, newcomer, sign_in},
};

#[tokio::test]
async fn a_bad_sign_up_names_its_fields() {
    let signup = TestEnv::new().await.function("auth-signup").await;
    for (field, value) in [
        ("email", json!("nobody")),
        ("password", json!("eleven char")),
        ("password", json!("x-1".repeat(43))),
        ("password", json!("Password1234")),
        ("password", json!("promptlibrary!")),
        ("name", json!("")),
        ("name", json!(7)),
    ] {
        let mut body = newcomer();
        body[field] = value;
        let answer = signup.post("/api/auth/signup", &body).await;
        assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{}", answer.text);
        for refused in ["eleven char", "Password1234", "promptlibrary!"] {
            assert!(!answer.text.contains(refused), "a password is not repeated");
        }
    }
    let mut body = newcomer();
    body["role"] = "super_admin".into();
    assert_eq!(signup.post("/api/auth/signup", &body).await.status, 422, "nobody chooses their role");
}

#[tokio::test]
async fn a_sign_up_hides_nothing_and_can_be_written_to() {
    let signup = TestEnv::new().await.function("auth-signup").await;
    for (field, value, said) in [
        ("email", "josé@example.com", "not delivered"),
        ("email", "a\u{200b}da@example.com", "invisible"),
        ("email", "ada@exam\u{202e}ple.com", "invisible"),
        ("email", "x<victim@example.org>", "must be an e-mail address"),
        ("name", "\u{200b}", "invisible"),
        ("name", "\u{202e}adA", "invisible"),
        ("name", "Ada\nAdmin", "one line"),
    ] {
        let mut body = newcomer();
        body[field] = value.into();
        let answer = signup.post("/api/auth/signup", &body).await;
        assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{}", answer.text);
        assert!(answer.text.contains(said), "{}", answer.text);
    }
}

#[tokio::test]
async fn who_signs_in_while_mongodb_is_away_is_not_locked_out() {
    let proxy = Proxy::to(stack().mongodb_address()).await;
    let uri = proxy.uri();
    let env = TestEnv::with(&stack().redis_url.clone().unwrap_or_default(), &uri).await;
    let ada = env.newcomer().await;
    let logins = join_all((0..5).map(|_| env.function("auth-login"))).await;
    proxy.cut();
    let body = json!({"email": ada["email"], "password": PASSWORD});
    let answers = join_all(logins.iter().map(|login| login.post("/api/auth/login", &body))).await;
    assert!(answers.iter().all(|answer| answer.status == 503), "{answers:?}");
    proxy.restore();
    env.sign_in(&ada).await;
}

#[tokio::test]
async fn a_refused_sign_in_takes_as_long_whatever_is_kept_of_the_password() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let mut kept = vec![("unknown", newcomer()["email"].clone()), ("ours", ada["email"].clone())];
    for (what, hash) in [("none", None), ("cost 4", Some(4)), ("cost 10", Some(10)), ("cost 12", Some(12))] {
        let person = env.person(Role::User, None).await;
        if let Some(cost) = hash {
            let set = doc! {"$set": {"passwordHash": bcrypt::hash(PASSWORD, cost).unwrap()}};
            env.users().update_one(doc! {"_id": &person.id}, set).await.unwrap();
        }
        kept.push((what, json!(person.email)));
    }
    let mut fastest = vec![Duration::MAX; kept.len()];
    // By the processor's time, which a busy machine does not stretch; the lesser of two.
    for _ in 0..2 {
        let login = env.function("auth-login").await;
        // Whoever is first waits for the connections.
        let first = newcomer();
        login.post("/api/auth/login", &json!({"email": first["email"], "password": "Wrong1234"})).await;
        for ((_, email), fastest) in kept.iter().zip(&mut fastest) {
            let before = login.cpu();
            let answer = login.post("/api/auth/login", &json!({"email": email, "password": "Wrong1234"})).await;
            *fastest = login.cpu().saturating_sub(before).min(*fastest);
            assert_eq!(answer.status, 401, "{}", answer.text);
            assert_eq!(answer.body["detail"], "The address or the password is wrong.");
        }
    }
    let times: Vec<_> = kept.iter().map(|(what, _)| what).zip(&fastest).collect();
    println!("sign-in refused: {times:?}");
    let (least, most) = (fastest.iter().min().unwrap(), fastest.iter().max().unwrap());
    assert!(*most * 2 < *least * 3, "{times:?}");
}

#[tokio::test]
async fn an_imported_bcrypt_hash_is_replaced_at_its_first_sign_in() {
    let env = TestEnv::new().await;
    let person = imported(&env).await;
    for _ in 0..2 {
        env.sign_in(&person).await;
        let stored = env.users().find_one(doc! {}).await.unwrap().unwrap();
        assert!(stored.get_str("passwordHash").unwrap().starts_with("$argon2id$"));
    }
}

#[tokio::test]
async fn a_bcrypt_hash_of_a_longer_password_than_bcrypt_reads_stays() {
    let env = TestEnv::new().await;
    let right = format!("{PASSWORD}{}", "x".repeat(81));
    let almost = format!("{}yy", &right[..88]);
    let login = env.function("auth-login").await;
    for version in ["$2a$", "$2b$", "$2y$"] {
        let person = env.person(Role::User, None).await;
        let hash = bcrypt::hash(&right, 4).unwrap().replacen("$2b$", version, 1);
        env.users().update_one(doc! {"_id": &person.id}, doc! {"$set": {"passwordHash": &hash}}).await.unwrap();
        for password in [&almost, &right, &almost, &right] {
            sign_in(&login, &json!({"email": person.email, "password": password})).await;
            let stored = env.users().find_one(doc! {"_id": &person.id}).await.unwrap().unwrap();
            assert_eq!(stored.get_str("passwordHash").unwrap(), hash, "{version}");
        }
    }
}

/// A name of the test's own, of a domain that no mail is sent to.
fn label() -> String {
    format!("x{}", uuid::Uuid::now_v7().simple())
}

#[tokio::test]
async fn an_address_has_one_account_however_it_is_spelled() {
    let env = TestEnv::new().await;
    let login = env.function("auth-login").await;
    let name = label();
    let spellings = [
        format!("{name}@münchen.example"),
        format!("{name}@mu\u{308}nchen.example"),
        format!("{name}@xn--mnchen-3ya.example"),
        format!("{name}@MÜNCHEN.EXAMPLE"),
    ];
    for (index, email) in spellings.iter().enumerate() {
        let mut body = newcomer();
        body["email"] = email.as_str().into();
        if index == 0 {
            env.sign_up(&stored(&body, &spellings[2])).await;
        } else {
            let answer = env.function("auth-signup").await.post("/api/auth/signup", &body).await;
            assert_eq!(answer.status, 202, "{email}: {}", answer.text);
        }
        sign_in(&login, &body).await;
    }
    let waiting = env.database.collection::<Document>("sign_ups").count_documents(doc! {}).await.unwrap();
    assert_eq!(waiting, 0, "one account, and nothing that could become another");
    assert_eq!(env.users().count_documents(doc! {}).await.unwrap(), 1);
    // Guesses are counted for the account, not for its spelling.
    for guess in 0..5 {
        let body = json!({"email": spellings[guess % spellings.len()], "password": "Wrong1234"});
        assert_eq!(login.post("/api/auth/login", &body).await.status, 401);
    }
    let locked = login.post("/api/auth/login", &json!({"email": spellings[2], "password": PASSWORD})).await;
    assert_eq!(locked.status, 429, "{}", locked.text);
}

#[tokio::test]
async fn accounts_with_addresses_of_before_sign_in_and_keep_others_from_them() {
    let env = TestEnv::new().await;
    let (signup, login) = (env.function("auth-signup").await, env.function("auth-login").await);
    let name = label();
    for email in [
        format!("josé{name}@example.com"),
        format!("jose\u{301}{name}@example.org"),
        format!("{name}@münchen.example"),
        format!("{name}@zu\u{308}rich.example"),
        format!("{name}\u{200b}@example.com"),
        format!("x<{name}@example.org>"),
    ] {
        let person = env.person(Role::User, None).await;
        let set = doc! {"$set": {"email": &email, "passwordHash": bcrypt::hash(PASSWORD, 4).unwrap()}};
        env.users().update_one(doc! {"_id": &person.id}, set).await.unwrap();
        let body = json!({"email": email, "password": PASSWORD});
        assert_eq!(sign_in(&login, &body).await["user"]["id"], person.id, "{email:?}");
        let mut again = newcomer();
        again["email"] = email.as_str().into();
        let answer = signup.post("/api/auth/signup", &again).await;
        assert!([202, 422].contains(&answer.status), "{email:?}: {}", answer.text);
    }
    let waiting = env.database.collection::<Document>("sign_ups").count_documents(doc! {}).await.unwrap();
    assert_eq!(waiting, 0, "nothing that could become another account");
    assert_eq!(env.users().count_documents(doc! {}).await.unwrap(), 6);
}

/// The same sign-up, to the address as it is stored, which mail goes to.
fn stored(body: &Value, email: &str) -> Value {
    let mut stored = body.clone();
    stored["email"] = email.into();
    stored
}

/// Somebody whose password another application hashed, at bcrypt's lowest cost: a wrong guess is cheap.
async fn imported(env: &TestEnv) -> Value {
    let person = env.person(Role::User, None).await;
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    env.users().update_one(doc! {"_id": &person.id}, doc! {"$set": {"passwordHash": hash}}).await.unwrap();
    json!({"email": person.email, "password": PASSWORD})
}

/// Sends a body, and claims another address in each header that a proxy might set.
async fn post_from(claimed: usize, function: &Function, path: &str, body: &Value) -> Answer {
    let address = format!("203.0.113.{claimed}");
    let forwarded = format!("for={address}");
    let headers = [
        ("content-type", "application/json"),
        ("x-forwarded-for", address.as_str()),
        ("x-real-ip", address.as_str()),
        ("forwarded", forwarded.as_str()),
    ];
    function.send("POST", path, &headers, Some(&body.to_string())).await
}

#[tokio::test]
async fn who_claims_other_addresses_is_locked_and_limited_by_their_own() {
    let env = TestEnv::new().await;
    let mut people = Vec::new();
    for _ in 0..5 {
        people.push(imported(&env).await);
    }
    // Twenty failures of one address, none of which locks an account: the right password of the next is refused.
    let login = env.function("auth-login").await;
    for claimed in 0..20 {
        let guess = json!({"email": people[claimed / 5]["email"], "password": "Wrong1234"});
        let refused = post_from(claimed, &login, "/api/auth/login", &guess).await;
        assert_eq!(refused.status, 401, "guess {claimed}: {}", refused.text);
    }
    let locked = post_from(20, &login, "/api/auth/login", &people[4]).await;
    assert_eq!(locked.status, 429, "{}", locked.text);
    env.sign_in(&people[4]).await;

    let password = env.function("auth-password").await;
    let body = json!({"token": "made-up", "password": ANOTHER_PASSWORD});
    let mut statuses = Vec::new();
    for claimed in 0..11 {
        statuses.push(post_from(claimed, &password, "/api/auth/reset-password", &body).await.status);
    }
    assert_eq!(statuses, [vec![422; 10], vec![429]].concat());
}

#[tokio::test]
async fn the_last_super_admin_stays_even_when_two_remove_each_other() {
    let env = TestEnv::new().await;
    let (one, two) = (env.person(Role::SuperAdmin, None).await, env.person(Role::SuperAdmin, None).await);
    let (here, there) = (env.function("users-admin").await, env.function("users-admin").await);
    let demote = async |function: &Function, by: &str, whom: &str| {
        function.patch_as(by, &format!("/api/admin/users/{whom}"), "", &json!({"role": "user"})).await
    };
    assert_eq!(demote(&here, &one.token, &one.id).await.body["code"], "own_account");
    let (first, second) = futures_util::join!(demote(&here, &one.token, &two.id), demote(&there, &two.token, &one.id));
    let done = [&first, &second].iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 1, "{} {}", first.text, second.text);
    let left = env.users().count_documents(doc! {"role": "super_admin"}).await.unwrap();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_change_of_nothing_is_refused_and_each_change_has_an_entry_of_its_own() {
    let env = TestEnv::new().await;
    let (root, member) = (env.person(Role::SuperAdmin, None).await, env.person(Role::User, None).await);
    let admin = env.function("users-admin").await;
    let path = format!("/api/admin/users/{}", member.id);
    let nothing = admin.patch_as(&root.token, &path, "", &json!({})).await;
    assert_eq!(nothing.status, 422, "{}", nothing.text);
    assert!(env.audit_log().await.is_empty());
    let both = admin.patch_as(&root.token, &path, "", &json!({"role": "pro", "status": "suspended"})).await;
    assert_eq!((both.status, &both.body["role"]), (200, &json!("pro")), "{}", both.text);
    let entries = env.audit_log().await;
    let mut actions: Vec<_> = entries.iter().map(|entry| entry.get_str("action").unwrap()).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["admin.user.role_changed", "admin.user.suspended"]);
}

#[tokio::test]
async fn accounts_are_listed_by_role_and_status() {
    let env = TestEnv::new().await;
    let root = env.person(Role::SuperAdmin, None).await;
    let (imported, suspended) = (env.person(Role::User, None).await, env.person(Role::Pro, None).await);
    for (person, update) in
        [(&imported, doc! {"$unset": {"status": ""}}), (&suspended, doc! {"$set": {"status": "suspended"}})]
    {
        env.users().update_one(doc! {"_id": &person.id}, update).await.unwrap();
    }
    let admin = env.function("users-admin").await;
    for (query, listed) in [
        ("status=active", vec![&root.id, &imported.id]),
        ("status=suspended", vec![&suspended.id]),
        ("role=pro&status=active", vec![]),
        ("role=user", vec![&imported.id]),
    ] {
        let page = admin.get_as(&root.token, &format!("/api/admin/users?{query}")).await;
        let users = page.body["users"].as_array().unwrap_or_else(|| panic!("{query}: {}", page.text));
        let ids: Vec<_> = users.iter().map(|user| user["id"].as_str().unwrap()).collect();
        assert_eq!(ids, listed, "{query}");
    }
    for field in ["role", "status"] {
        let refused = admin.get_as(&root.token, &format!("/api/admin/users?{field}=bogus")).await;
        assert_eq!((refused.status, refused.fields()), (422, vec![field]), "{}", refused.text);
    }
}

#[tokio::test]
async fn a_day_of_activity_counts_once() {
    let env = TestEnv::new().await;
    let ada = env.person(Role::User, None).await;
    let activity = env.function("user-activity").await;
    for first in [true, false] {
        let noted = activity.post_as(&ada.token, "/api/user/activity", &json!({})).await;
        assert_eq!((noted.status, &noted.body["first"]), (200, &json!(first)), "{}", noted.text);
    }
    let shown = activity.get_as(&ada.token, "/api/user/stats").await;
    assert_eq!((shown.status, &shown.body["stats"]["streak"]), (200, &json!(1)), "{}", shown.text);
    assert_eq!(shown.body["user"]["email"], json!(ada.email));
    let old = activity.get_as(&ada.token, "/api/user-stats").await;
    assert_eq!((old.status, old.header("deprecation")), (200, "@1793491200"));
    assert!(old.header("link").contains("successor-version"));
}

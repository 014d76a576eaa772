//! An account belongs to whoever owns the mailbox of its address: whoever came first, and whatever they left there.

use std::process::Command;

use bson::{Document, doc};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::{clock, http::Limit, keys, rate_limits, roles::Role};
use tests::{
    eventually,
    host::{Function, Outcome, keep_secret, told_once},
    http_event::event,
    root,
    stack::stack,
    test_env::{PASSWORD, Person, TestEnv, newcomer, sign_in, token_of, tokens_told},
};

use crate::sessions::used_long_ago;

const ANOTHER: &str = "Another123-green-kettle";

/// A sign-in's status.
async fn attempt(login: &Function, email: &Value, password: &str) -> u64 {
    let answer = login.post("/api/auth/login", &json!({"email": email, "password": password})).await;
    tokens_told(&answer.body);
    answer.status
}

/// Somebody with a password and an account from before addresses were proved.
async fn of_before(env: &TestEnv) -> (Person, Value) {
    let person = env.person(Role::User, None).await;
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    let before = doc! {"$set": {"passwordHash": hash}, "$unset": {"emailVerifiedAt": ""}};
    env.users().update_one(doc! {"_id": &person.id}, before).await.unwrap();
    let body = json!({"email": person.email, "password": PASSWORD});
    (person, body)
}

/// The subjects of all mails to somebody.
async fn subjects(env: &TestEnv, email: &Value) -> Vec<String> {
    let mails = env.stack.sent_to(email.as_str().unwrap()).await;
    mails.iter().map(|mail| mail["Subject"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_sign_up_is_no_account_before_its_link_is_followed_and_the_answer_tells_nobody_apart() {
    let env = TestEnv::new().await;
    let (signup, login) = (env.function("auth-signup").await, env.function("auth-login").await);
    let ada = newcomer();
    let first = signup.post("/api/auth/signup", &ada).await;
    assert_eq!((first.status, &first.body), (202, &json!({"success": true})), "{}", first.text);
    assert_eq!(env.users().count_documents(doc! {}).await.unwrap(), 0);
    assert_eq!(attempt(&login, &ada["email"], PASSWORD).await, 401);
    let body = json!({"token": env.link_token(&ada, "Complete your sign-up").await, "password": PASSWORD});
    // By two at once.
    let twin = env.function("auth-signup").await;
    let answers = join_all([&signup, &twin].map(|function| function.post("/api/auth/signup/complete", &body))).await;
    let mut statuses: Vec<u64> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422], "{answers:?}");
    assert_eq!(attempt(&login, &ada["email"], PASSWORD).await, 200);
    let stored = env.users().find_one(doc! {}).await.unwrap().unwrap();
    assert!(stored.get_str("passwordHash").unwrap().starts_with("$argon2id$"));
    assert_eq!(env.audited("auth.signup").await, 1);

    let again = signup.post("/api/auth/signup", &ada).await;
    assert_eq!((again.status, again.text), (202, first.text), "nobody is told that there is an account");
    env.mailed(&ada, "You have an account already").await;
    let took = [signup.post("/api/auth/signup", &ada).await, signup.post("/api/auth/signup", &newcomer()).await];
    assert!(took.iter().all(|answer| answer.status == 202));
    assert_eq!(env.users().count_documents(doc! {}).await.unwrap(), 1);
}

#[tokio::test]
async fn a_stranger_who_signs_up_first_gets_nothing_of_the_account() {
    let env = TestEnv::new().await;
    let (signup, login) = (env.function("auth-signup").await, env.function("auth-login").await);
    let owner = newcomer();
    let mut stranger = owner.clone();
    (stranger["password"], stranger["name"]) = ("Squatter123-old-stove".into(), "Squatter".into());
    assert_eq!(signup.post("/api/auth/signup", &stranger).await.status, 202);
    let strangers = env.link_token(&owner, "Complete your sign-up").await;
    assert_eq!(signup.post("/api/auth/signup", &owner).await.status, 202);
    let owners = eventually("the owner's link", 60, async || {
        let mails = env.stack.sent_to(owner["email"].as_str().unwrap()).await;
        mails.iter().map(token_of).find(|token| *token != strangers)
    })
    .await;
    keep_secret(&owners);
    let body = json!({"token": owners, "password": PASSWORD});
    let made = signup.post("/api/auth/signup/complete", &body).await;
    assert_eq!((made.status, &made.body["name"]), (201, &owner["name"]), "{}", made.text);
    assert_eq!(attempt(&login, &owner["email"], "Squatter123-old-stove").await, 401);
    assert_eq!(attempt(&login, &owner["email"], PASSWORD).await, 200);
    let late = json!({"token": strangers, "password": "Squatter123-old-stove"});
    assert_eq!(signup.post("/api/auth/signup/complete", &late).await.status, 422, "no other link counts any more");
}

/// As found on the running stack: a factor and a key in an account that its owner's reset did not get rid of.
#[tokio::test]
async fn who_proves_an_address_of_before_has_neither_the_strangers_factor_nor_key_nor_session() {
    let env = TestEnv::new().await;
    let (person, stranger) = of_before(&env).await;
    let (login, password) = (env.function("auth-login").await, env.function("auth-password").await);
    let (keys, session) = (env.function("api-keys").await, env.function("auth-session").await);
    let tokens = sign_in(&login, &stranger).await;
    let token = tokens["accessToken"].as_str().unwrap();
    let made = keys.post_as(token, "/api/api-keys", &json!({"name": "k", "scopes": ["usage:read"]})).await;
    let key = made.body["key"].as_str().unwrap();
    told_once(key);
    assert_eq!(keys.get_as(key, "/api/api-keys/usage").await.status, 200);
    let vault = env.function("provider-keys").await;
    let kept = json!({"provider": "groq", "name": "k", "apiKey": "0123456789abcdef"});
    assert_eq!(vault.post_as(token, "/api/provider-keys", &kept).await.status, 201);
    let factor = doc! {"$set": {"mfa": {"method": "totp", "totp": "sealed"}}};
    env.users().update_one(doc! {"_id": &person.id}, factor).await.unwrap();

    let asked = password.post("/api/auth/forgot-password", &json!({"email": person.email})).await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    keep_secret(ANOTHER);
    let link = env.link_token(&stranger, "Choose a new password").await;
    let reset = password.post("/api/auth/reset-password", &json!({"token": link, "password": ANOTHER})).await;
    assert_eq!(reset.status, 204, "{}", reset.text);
    let answer = sign_in(&login, &json!({"email": person.email, "password": ANOTHER})).await;
    assert_eq!((&answer["user"]["mfaEnabled"], &answer["user"]["emailVerified"]), (&json!(false), &json!(true)));
    assert_eq!(keys.get_as(key, "/api/api-keys/usage").await.status, 401, "the key");
    assert_eq!(session.get_as(token, "/api/auth/session").await.status, 401, "the session");
    let refreshed = session.post("/api/auth/refresh", &json!({"refreshToken": tokens["refreshToken"]})).await;
    assert_eq!(refreshed.status, 401, "{}", refreshed.text);
    let kept = env.database.collection::<Document>("provider_keys").find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!((kept.get_str("cipher").unwrap(), kept.get_bool("active").unwrap()), ("", false));
}

#[tokio::test]
async fn an_account_with_a_proved_address_keeps_its_factor_when_its_password_is_reset_and_loses_its_keys() {
    let env = TestEnv::new().await;
    let ada = env.newcomer().await;
    let (keys, password) = (env.function("api-keys").await, env.function("auth-password").await);
    let tokens = env.sign_in(&ada).await;
    let new = json!({"name": "k", "scopes": ["usage:read"]});
    let made = keys.post_as(tokens["accessToken"].as_str().unwrap(), "/api/api-keys", &new).await;
    let key = made.body["key"].as_str().unwrap();
    told_once(key);
    env.users().update_one(doc! {}, doc! {"$set": {"mfa": {"method": "totp", "totp": "sealed"}}}).await.unwrap();
    assert_eq!(password.post("/api/auth/forgot-password", &json!({"email": ada["email"]})).await.status, 202);
    keep_secret(ANOTHER);
    let link = env.link_token(&ada, "Choose a new password").await;
    let reset = password.post("/api/auth/reset-password", &json!({"token": link, "password": ANOTHER})).await;
    assert_eq!(reset.status, 204, "{}", reset.text);
    assert_eq!(env.sign_in(&json!({"email": ada["email"], "password": ANOTHER})).await["mfaRequired"], true);
    assert_eq!(keys.get_as(key, "/api/api-keys/usage").await.status, 401);
}

#[tokio::test]
async fn an_account_of_before_signs_in_and_is_mailed_nothing_but_links_until_its_owner_proves_the_address() {
    let env = TestEnv::new().await;
    let (person, ada) = of_before(&env).await;
    let (password, session) = (env.function("auth-password").await, env.function("auth-session").await);
    let reuse = async || {
        let tokens = env.sign_in(&ada).await;
        for status in [200, 401] {
            let answer = session.post("/api/auth/refresh", &json!({"refreshToken": tokens["refreshToken"]})).await;
            tokens_told(&answer.body);
            assert_eq!(answer.status, status, "{}", answer.text);
            used_long_ago(&env).await;
        }
    };
    // Which the owner of a proved address is told of.
    reuse().await;
    let tokens = env.sign_in(&ada).await;
    assert_eq!(tokens["user"]["emailVerified"], false);
    let token = tokens["accessToken"].as_str().unwrap();
    let sent = password.post_as(token, "/api/auth/verify-email/send", &json!({})).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    let link = env.link_token(&ada, "Confirm your address").await;
    assert_eq!(subjects(&env, &ada["email"]).await, ["Confirm your address"]);
    // A stranger who made the account has no such link; who has only the mailbox does not know the password.
    for (token, password_tried, field) in [(&link, "Wrong1234", "password"), (&"made-up".to_owned(), PASSWORD, "token")]
    {
        let body = json!({"token": token, "password": password_tried});
        let refused = password.post("/api/auth/verify-email", &body).await;
        assert_eq!((refused.status, refused.fields()), (422, vec![field]), "{}", refused.text);
    }
    for _ in 0..2 {
        let body = json!({"token": link, "password": PASSWORD});
        let proved = password.post("/api/auth/verify-email", &body).await;
        assert_eq!(proved.status, 204, "{}", proved.text);
    }
    let again = password.post_as(token, "/api/auth/verify-email/send", &json!({})).await;
    assert_eq!((again.status, &again.body["code"]), (409, &json!("email_verified")), "{}", again.text);
    env.forget(&person.id).await;
    reuse().await;
    env.mailed(&ada, "We ended a sign-in of yours").await;
}

#[tokio::test]
async fn nobodys_mailbox_is_filled_and_the_links_that_are_there_go_on_working() {
    let env = TestEnv::new().await;
    let (known, unknown) = (env.newcomer().await, newcomer());
    // From networks of their own: each function's caller has one.
    for round in 0..4 {
        let (signup, password) = (env.function("auth-signup").await, env.function("auth-password").await);
        for _ in 0..3 {
            assert_eq!(signup.post("/api/auth/signup", &unknown).await.status, 202, "round {round}");
            let asked = password.post("/api/auth/forgot-password", &json!({"email": known["email"]})).await;
            assert_eq!(asked.status, 202, "round {round}: {}", asked.text);
        }
    }
    // One more that comes after all of these.
    let last = env.newcomer().await;
    assert_eq!(subjects(&env, &last["email"]).await.len(), 1);
    let sign_ups = subjects(&env, &unknown["email"]).await;
    let resets = subjects(&env, &known["email"]).await;
    assert_eq!((sign_ups.len(), resets.len()), (5, 1 + 3), "{sign_ups:?} {resets:?}");
    let body = json!({"token": env.link_token(&unknown, "Complete your sign-up").await, "password": PASSWORD});
    let made = env.function("auth-signup").await.post("/api/auth/signup/complete", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

#[tokio::test]
async fn the_forgot_route_answers_the_same_however_often_a_stranger_asks() {
    let env = TestEnv::new().await;
    let password = env.function("auth-password").await;
    let body = json!({"email": newcomer()["email"]});
    for n in 0..14 {
        let answer = password.post("/api/auth/forgot-password", &body).await;
        assert_eq!((answer.status, &answer.body), (202, &json!({"success": true})), "request {n}: {}", answer.text);
    }
}

#[tokio::test]
async fn without_a_sender_address_a_sign_up_says_so() {
    let env = TestEnv::new().await;
    let signup = env.function_with("auth-signup", &[("SENDER_EMAIL", "")]).await;
    let answer = signup.post("/api/auth/signup", &newcomer()).await;
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("not_offered")), "{}", answer.text);
    assert!(answer.text.contains("sends no e-mail"), "{}", answer.text);
}

#[tokio::test]
async fn a_links_host_is_never_taken_from_a_header() {
    let env = TestEnv::new().await;
    for (api_url, expected) in
        [("", "https://test/account/"), ("https://api.example.com/", "https://api.example.com/account/")]
    {
        let variables = [("APP_URL", ""), ("API_URL", api_url)];
        let signup = env.function_with("auth-signup", &variables).await;
        let ada = newcomer();
        let evil = "evil.example";
        let headers = [
            ("content-type", "application/json"),
            ("host", evil),
            ("x-forwarded-host", evil),
            ("origin", "https://evil.example"),
            ("referer", "https://evil.example/"),
        ];
        let asked = event("POST", "/api/auth/signup", &headers, Some(&ada.to_string()), "198.51.100.7");
        let Outcome::Response(answer) = signup.invoke(asked).await else { panic!("no answer") };
        assert_eq!(answer["statusCode"], 202, "{answer}");
        let mail = env.mailed(&ada, "Complete your sign-up").await;
        let text = mail["BodyText"].as_str().unwrap();
        assert!(text.contains(&format!("{expected}complete-sign-up?token=")) && !text.contains("evil"), "{text}");
    }
}

#[tokio::test]
async fn callers_with_many_addresses_have_no_more_than_so_many_sign_ups_stored_and_mailed() {
    let env = TestEnv::with("", &stack().mongodb_uri).await;
    let policy = rate_limits::SignUpsTogether::POLICY;
    // As after so many from as many networks.
    let key = keys::sha256(&format!("rate:{}:everybody", policy.name))[..32].to_owned();
    let used = i64::try_from(policy.requests).unwrap();
    let counter = doc! {"_id": key, "used": used, "expiresAt": clock::now() + SignedDuration::from_hours(1)};
    env.database.collection("counters").insert_one(counter).await.unwrap();
    let refused = env.function("auth-signup").await.post("/api/auth/signup", &newcomer()).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 3000);
    let waiting = env.database.collection::<Document>("sign_ups").count_documents(doc! {}).await.unwrap();
    assert_eq!(waiting, 0);
}

#[tokio::test]
async fn the_first_administrator_is_made_without_a_mail_and_led_to_a_second_factor() {
    let env = TestEnv::new().await;
    let promote = |email: &str| {
        let output = Command::new(root().join("target/debug/db"))
            .args(["promote", email])
            .env("MONGODB_URI", &env.stack.mongodb_uri)
            .env("DB_NAME", env.database.name())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let root = newcomer();
    let email = root["email"].as_str().unwrap();
    let told = promote(email);
    let (_, rest) = told.split_once("with the password ").expect("a password");
    let password = rest.split_whitespace().next().unwrap().to_owned();
    keep_secret(&password);
    let answer = env.sign_in(&json!({"email": email, "password": password})).await;
    let user = &answer["user"];
    assert_eq!((&user["role"], &user["emailVerified"]), (&json!("super_admin"), &json!(true)), "{user}");
    let token = answer["accessToken"].as_str().unwrap();
    let refused = env.function("audit-logs").await.get_as(token, "/api/admin/audit").await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("mfa_setup_required")), "{}", refused.text);

    let (person, ada) = of_before(&env).await;
    assert!(!promote(&person.email).contains("password"), "an account that is there keeps its own");
    let user = env.sign_in(&ada).await["user"].clone();
    assert_eq!((&user["role"], &user["emailVerified"]), (&json!("super_admin"), &json!(true)), "{user}");
}

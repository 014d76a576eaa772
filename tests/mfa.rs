//! The second factor, from setting it up to signing in with it.

use bson::{Document, doc};
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::{clock, roles::Role};
use tests::{
    eventually,
    host::{Function, keep_secret, told_once},
    http_event::Answer,
    test_env::{PASSWORD, Person, TestEnv, number, sign_in, tokens_told},
};
use totp_rs::Totp;

use crate::passwords::refuse_entries;

/// Somebody who has just signed in, with the functions that they need.
struct Scene {
    env: TestEnv,
    mfa: Function,
    login: Function,
    ada: Value,
    token: String,
}

impl Scene {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let ada = env.newcomer().await;
        let (mfa, login) = (env.function("auth-mfa").await, env.function("auth-login").await);
        let token = sign_in(&login, &ada).await["accessToken"].as_str().unwrap().to_owned();
        Self { env, mfa, login, ada, token }
    }

    async fn sign_in(&self) -> Value {
        sign_in(&self.login, &self.ada).await
    }

    /// Begins to set a factor up, with the password.
    async fn enable(&self, factor: &Value) -> Answer {
        let mut body = factor.clone();
        body["password"] = PASSWORD.into();
        self.mfa.post_as(&self.token, "/api/auth/mfa/enable", &body).await
    }

    async fn verify(&self, code: &str) -> Answer {
        self.mfa.post_as(&self.token, "/api/auth/mfa/verify", &json!({"code": code})).await
    }

    async fn complete(&self, challenge: &Value, code: &str) -> Answer {
        complete(&self.mfa, challenge, code).await
    }

    /// Sets the app up; returns it and the recovery codes.
    async fn with_app(&self) -> (Totp, Value) {
        let begun = self.enable(&json!({"method": "totp"})).await;
        let totp = app(&begun);
        let proven = self.verify(&code_of(&totp, 0)).await;
        assert_eq!((proven.status, &proven.body["enabled"]), (200, &json!(true)), "{}", proven.text);
        recovery_codes(&proven);
        (totp, proven.body["recoveryCodes"].clone())
    }

    /// Sets codes by mail up; returns the recovery codes.
    async fn with_mail(&self) -> Value {
        let begun = self.enable(&json!({"method": "email"})).await;
        assert_eq!(begun.status, 200, "{}", begun.text);
        let proven = self.verify(&self.code_sent(self.email(), 0).await).await;
        assert_eq!(proven.status, 200, "{}", proven.text);
        recovery_codes(&proven);
        proven.body["recoveryCodes"].clone()
    }

    fn email(&self) -> &str {
        self.ada["email"].as_str().unwrap()
    }

    /// Of the codes that were sent to an address or a number, the one after so many. By mail other things are told
    /// as well.
    async fn code_sent(&self, to: &str, before: usize) -> String {
        let code = eventually("the code", 60, async || {
            let sent = self.env.stack.sent_to(to).await;
            // A link may hold six digits, too.
            let codes = sent.iter().filter(|mail| mail["Subject"].is_null() || mail["Subject"] == "Your sign-in code");
            let texts = codes.filter_map(|mail| mail["BodyText"].as_str().or(mail["Message"].as_str()));
            texts.filter_map(six_digits).nth(before)
        })
        .await;
        keep_secret(&code);
        code
    }
}

async fn complete(mfa: &Function, challenge: &Value, code: &str) -> Answer {
    let answer = mfa.post("/api/auth/mfa/verify", &json!({"challenge": challenge, "code": code})).await;
    tokens_told(&answer.body);
    answer
}

fn six_digits(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6).map(str::to_owned)
}

/// The app that scanned what an answer shows; its secret is shown no more.
fn app(begun: &Answer) -> Totp {
    let url = begun.body["otpauthUrl"].as_str().unwrap();
    let secret = url.split(['?', '&']).find_map(|part| part.strip_prefix("secret=")).expect("a secret");
    told_once(secret);
    Totp::from_url(url).unwrap()
}

/// The recovery codes of an answer: ten, shown once.
fn recovery_codes(proven: &Answer) -> Vec<&str> {
    let codes: Vec<&str> =
        proven.body["recoveryCodes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
    assert_eq!(codes.len(), 10, "{}", proven.text);
    for code in &codes {
        told_once(code);
    }
    codes
}

/// The app's code, some steps of 30 s from now.
fn code_of(totp: &Totp, steps: u64) -> String {
    totp.generate(clock::now().as_second().unsigned_abs() + 30 * steps).to_string()
}

#[tokio::test]
async fn an_app_is_pending_until_its_code_proves_it_and_then_signing_in_asks_for_it() {
    let scene = Scene::new().await;
    let begun = scene.enable(&json!({"method": "totp"})).await;
    assert_eq!((begun.status, &begun.body["pending"]), (200, &json!(true)), "{}", begun.text);
    assert!(scene.sign_in().await["accessToken"].is_string(), "pending asks for nothing yet");
    let totp = app(&begun);
    assert_eq!(scene.verify("000000").await.status, 422);
    let proven = scene.verify(&code_of(&totp, 0)).await;
    let recovery = recovery_codes(&proven)[0];
    let status = scene.mfa.get_as(&scene.token, "/api/auth/mfa/status").await;
    assert_eq!((&status.body["enabled"], &status.body["method"]), (&json!(true), &json!("totp")));

    let waiting = scene.sign_in().await;
    assert_eq!((&waiting["mfaRequired"], &waiting["accessToken"]), (&json!(true), &Value::Null));
    let refused = scene.mfa.get_as(waiting["challenge"].as_str().unwrap(), "/api/auth/mfa/status").await;
    assert_eq!(refused.status, 401, "a challenge is no token");
    let replayed = scene.complete(&waiting["challenge"], &code_of(&totp, 0)).await;
    assert_eq!(replayed.status, 422, "a code counts once: {}", replayed.text);
    let done = scene.complete(&waiting["challenge"], &code_of(&totp, 1)).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(done.body["refreshToken"].is_string());
    assert_eq!(scene.complete(&waiting["challenge"], recovery).await.status, 200);
    assert_eq!(scene.complete(&waiting["challenge"], recovery).await.status, 422, "each once");
    let stored = scene.env.users().find_one(doc! {}).await.unwrap().unwrap().to_string();
    assert!(!stored.contains(recovery) && !stored.contains("otpauth"), "neither is kept in the clear");
}

/// As apps show it, and as it is copied.
fn spaced(code: &str) -> String {
    format!(" {}\u{a0}{}\n", &code[..3], &code[3..])
}

#[tokio::test]
async fn white_space_and_hyphens_in_a_code_mean_nothing() {
    let scene = Scene::new().await;
    let totp = app(&scene.enable(&json!({"method": "totp"})).await);
    let proven = scene.verify(&spaced(&code_of(&totp, 0))).await;
    assert_eq!(proven.status, 200, "{}", proven.text);
    let recovery = recovery_codes(&proven);
    let waiting = scene.sign_in().await;
    let code = code_of(&totp, 1);
    let (loud, bare) = (recovery[0].to_uppercase().replace('-', " "), recovery[1].replace('-', ""));
    for code in [format!("{}-{}", &code[..3], &code[3..]), loud, bare] {
        let done = scene.complete(&waiting["challenge"], &code).await;
        assert_eq!(done.status, 200, "{code}: {}", done.text);
    }
    for code in ["12345", "1234567", "abcdef", "１２３４５６", "------"] {
        let refused = scene.complete(&waiting["challenge"], code).await;
        assert_eq!((refused.status, refused.fields()), (422, vec!["code"]), "{code}: {}", refused.text);
    }
    assert_eq!(scene.env.audited("auth.mfa.failed").await, 0, "what no code is is no guess");

    let scene = Scene::new().await;
    scene.enable(&json!({"method": "email"})).await;
    let proven = scene.verify(&spaced(&scene.code_sent(scene.email(), 0).await)).await;
    assert_eq!(proven.status, 200, "{}", proven.text);
}

#[tokio::test]
async fn a_factor_is_set_up_with_the_password_alone() {
    let scene = Scene::new().await;
    let bodies =
        [(json!({"method": "totp"}), "password"), (json!({"method": "totp", "password": "Wrong1234"}), "password")];
    for (body, field) in bodies {
        let refused = scene.mfa.post_as(&scene.token, "/api/auth/mfa/enable", &body).await;
        assert_eq!((refused.status, refused.fields()), (422, vec![field]), "{}", refused.text);
        assert!(refused.text.contains("password"), "{}", refused.text);
    }
    let status = scene.mfa.get_as(&scene.token, "/api/auth/mfa/status").await;
    assert_eq!((&status.body["pending"], &status.body["enabled"]), (&Value::Null, &json!(false)), "{}", status.text);
    assert_eq!(scene.enable(&json!({"method": "totp"})).await.status, 200);
}

#[tokio::test]
async fn it_is_turned_off_by_a_code_alone_and_asked_for_where_it_matters() {
    let scene = Scene::new().await;
    let vault = scene.env.function("provider-keys").await;
    let kept = json!({"provider": "groq", "name": "k", "apiKey": "0123456789abcdef"});
    let before = vault.post_as(&scene.token, "/api/provider-keys", &kept).await;
    assert_eq!(before.status, 201, "{}", before.text);
    let rotate = format!("/api/provider-keys/{}/rotate", before.body["id"].as_str().unwrap());
    let (totp, _) = scene.with_app().await;
    // The first one knew the account without a factor.
    let (vault, keys) = (scene.env.function("provider-keys").await, scene.env.function("api-keys").await);
    let asked = [
        (&keys, "/api/api-keys", json!({"name": "k", "scopes": ["usage:read"]})),
        (&vault, "/api/provider-keys", kept),
        (&vault, rotate.as_str(), json!({"apiKey": "fedcba9876543210"})),
    ];
    for (function, path, body) in &asked {
        let refused = function.post_as(&scene.token, path, body).await;
        assert_eq!((refused.status, &refused.body["code"]), (403, &json!("mfa_required")), "{path}");
    }
    let shown = scene.verify(&code_of(&totp, 1)).await;
    tokens_told(&shown.body);
    let stepped_up = shown.body["accessToken"].as_str().unwrap();
    for (function, path, body) in &asked {
        let served = function.post_as(stepped_up, path, body).await;
        assert!([200, 201].contains(&served.status), "{path}: {}", served.text);
    }

    let disable = async |code: &str| {
        scene.mfa.post_as(&scene.token, "/api/auth/mfa/disable", &json!({"code": code})).await.status
    };
    assert_eq!(disable("000000").await, 422);
    let second = scene.enable(&json!({"method": "email"})).await;
    assert_eq!(second.status, 409, "one at a time: the first is not replaced unasked");
    // Every code of the window is used up by now: the store is told otherwise, as the next window would.
    scene.env.users().update_one(doc! {}, doc! {"$set": {"mfa.totpStep": 0_i64}}).await.unwrap();
    assert_eq!(disable(&code_of(&totp, 0)).await, 204);
    assert!(scene.sign_in().await["accessToken"].is_string());
}

#[tokio::test]
async fn a_factor_whose_entry_is_refused_is_off_again_and_its_owner_hears_of_both() {
    let scene = Scene::new().await;
    let begun = scene.enable(&json!({"method": "totp"})).await;
    let totp = app(&begun);
    refuse_entries(&scene.env).await;
    let answer = scene.verify(&code_of(&totp, 0)).await;
    assert!(answer.status >= 500, "{}", answer.text);
    for subject in ["Two-step sign-in is on", "Two-step sign-in is off"] {
        scene.env.mailed(&scene.ada, subject).await;
    }
    let status = scene.mfa.get_as(&scene.token, "/api/auth/mfa/status").await;
    assert_eq!((&status.body["enabled"], &status.body["pending"]), (&json!(false), &Value::Null), "{}", status.text);
}

#[tokio::test]
async fn a_code_comes_by_sms_and_by_mail_and_signs_in() {
    for method in ["sms", "email"] {
        let scene = Scene::new().await;
        let number = number();
        let (to, factor) = if method == "sms" {
            (number.as_str(), json!({"method": method, "phoneNumber": number}))
        } else {
            (scene.email(), json!({"method": method}))
        };
        let begun = scene.enable(&factor).await;
        assert_eq!(begun.status, 200, "{}", begun.text);
        let proven = scene.verify(&scene.code_sent(to, 0).await).await;
        assert_eq!(proven.status, 200, "{}", proven.text);
        recovery_codes(&proven);
        let status = scene.mfa.get_as(&scene.token, "/api/auth/mfa/status").await;
        assert!(status.body["destination"].as_str().unwrap().contains("***"), "its end alone: {}", status.text);

        let waiting = scene.sign_in().await;
        let sent = scene.mfa.post("/api/auth/mfa/send-code", &json!({"challenge": waiting["challenge"]})).await;
        assert_eq!(sent.status, 202, "{}", sent.text);
        let done = scene.complete(&waiting["challenge"], &scene.code_sent(to, 1).await).await;
        assert_eq!(done.status, 200, "{method}: {}", done.text);
    }
}

#[tokio::test]
async fn of_two_who_prove_a_factor_at_once_one_does_and_the_fourth_guess_fails_even_if_right() {
    let scene = Scene::new().await;
    scene.enable(&json!({"method": "email"})).await;
    let code = scene.code_sent(scene.email(), 0).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..3 {
        assert_eq!(scene.verify(wrong).await.status, 422);
    }
    assert_eq!(scene.verify(&code).await.status, 422, "three attempts are what a code has");

    let sent = scene.mfa.post_as(&scene.token, "/api/auth/mfa/send-code", &json!({})).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    let fresh = scene.code_sent(scene.email(), 1).await;
    let others = join_all((0..2).map(|_| scene.env.function("auth-mfa"))).await;
    let body = json!({"code": fresh});
    let answers = join_all(others.iter().map(|mfa| mfa.post_as(&scene.token, "/api/auth/mfa/verify", &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
    assert_eq!(scene.env.audited("auth.mfa.failed").await, 5);
}

#[tokio::test]
async fn of_two_who_complete_one_sign_in_at_once_with_the_right_code_one_gets_in() {
    let scene = Scene::new().await;
    let recovery = scene.with_mail().await;
    let sessions = scene.env.database.collection::<Document>("sessions");
    let waiting = scene.sign_in().await;
    let sent = scene.mfa.post("/api/auth/mfa/send-code", &json!({"challenge": waiting["challenge"]})).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    let code = scene.code_sent(scene.email(), 1).await;
    let others = join_all((0..2).map(|_| scene.env.function("auth-mfa"))).await;
    for code in [code.as_str(), recovery[0].as_str().unwrap()] {
        let before = sessions.count_documents(doc! {}).await.unwrap();
        let answers = join_all(others.iter().map(|mfa| complete(mfa, &waiting["challenge"], code))).await;
        let mut statuses: Vec<u64> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 422], "{answers:?}");
        assert_eq!(sessions.count_documents(doc! {}).await.unwrap(), before + 1, "and one session");
    }
}

#[tokio::test]
async fn codes_are_limited() {
    let scene = Scene::new().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = scene.enable(&json!({"method": "email"})).await;
        statuses.push(answer.status);
        if answer.status == 429 {
            assert!(answer.header("retry-after").parse::<u32>().unwrap() <= 60);
            assert!(answer.header("ratelimit").starts_with("\"mfa-send\";r=0"));
        }
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
    let scene = Scene::new().await;
    for bad in [json!({"method": "sms"}), json!({"method": "totp", "phoneNumber": "+41791234567"})] {
        let answer = scene.enable(&bad).await;
        assert_eq!((answer.status, answer.fields()), (422, vec!["phoneNumber"]), "{}", answer.text);
    }
    let stranger: Person = scene.env.person(Role::User, None).await;
    let nothing = scene.mfa.post_as(&stranger.token, "/api/auth/mfa/send-code", &json!({})).await;
    assert_eq!((nothing.status, &nothing.body["code"]), (409, &json!("no_code_to_send")));
}

#[tokio::test]
async fn a_number_is_sent_five_codes_an_hour_whoever_asks() {
    let number = number();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let scene = Scene::new().await;
        for _ in 0..3 {
            answers.push(scene.enable(&json!({"method": "sms", "phoneNumber": number})).await);
        }
    }
    let statuses: Vec<u64> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    let wait = answers[5].header("retry-after").parse::<u32>().unwrap();
    assert!((60..=3600).contains(&wait), "it is the hour's limit: {wait}");
}

#[tokio::test]
async fn a_factor_turned_on_or_off_ends_every_other_session() {
    let scene = Scene::new().await;
    // In an environment that does not know the account yet: elsewhere it takes half a minute.
    let alive = async |token: &str| {
        let session = scene.env.function("auth-session").await;
        session.get_as(token, "/api/auth/session").await.status == 200
    };
    let other = scene.sign_in().await["accessToken"].as_str().unwrap().to_owned();
    assert!(alive(&other).await && alive(&scene.token).await);
    let (_, recovery) = scene.with_app().await;
    assert!(!alive(&other).await && alive(&scene.token).await, "turned on");

    let waiting = scene.sign_in().await;
    let done = scene.complete(&waiting["challenge"], recovery[0].as_str().unwrap()).await;
    let other = done.body["accessToken"].as_str().unwrap();
    assert!(alive(other).await);
    let off = json!({"code": recovery[1]});
    assert_eq!(scene.mfa.post_as(&scene.token, "/api/auth/mfa/disable", &off).await.status, 204);
    assert!(!alive(other).await && alive(&scene.token).await, "turned off");
}

/// As 24 hours later.
async fn a_day_passes(env: &TestEnv) {
    let past = clock::now() - jiff::SignedDuration::from_secs(1);
    let set = doc! {"$set": {"mfa.resetAt": past}};
    assert_eq!(env.users().update_many(doc! {"mfa.resetAt": {"$ne": null}}, set).await.unwrap().matched_count, 1);
}

#[tokio::test]
async fn a_lost_factor_is_gone_a_day_after_its_owner_followed_a_mailed_link() {
    let scene = Scene::new().await;
    scene.with_app().await;
    let waiting = scene.sign_in().await;
    let asked = scene.mfa.post("/api/auth/mfa/reset", &json!({"challenge": waiting["challenge"]})).await;
    assert_eq!((asked.status, &asked.body), (202, &json!({"success": true})), "{}", asked.text);
    let link = json!({"token": scene.env.link_token(&scene.ada, "Your lost second factor").await});
    assert_eq!(scene.sign_in().await["mfaRequired"], true, "a mail alone changes nothing");
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers.push(scene.mfa.post("/api/auth/mfa/reset/begin", &link).await);
    }
    assert_eq!((answers[0].status, &answers[0].body), (202, &answers[1].body), "twice is once: {}", answers[0].text);
    scene.env.mailed(&scene.ada, "Two-step sign-in will be off in 24 hours").await;
    assert_eq!(scene.sign_in().await["mfaRequired"], true, "the owner has a day to stop it");
    a_day_passes(&scene.env).await;
    assert!(scene.sign_in().await["accessToken"].is_string());
    scene.env.mailed(&scene.ada, "Two-step sign-in is off").await;
    let session = scene.env.function("auth-session").await;
    assert_eq!(session.get_as(&scene.token, "/api/auth/session").await.status, 401, "sessions of before end");
    for action in ["security.mfa.reset_asked", "security.mfa.reset_begun", "security.mfa.reset"] {
        assert_eq!(scene.env.audited(action).await, 1, "{action}");
    }
}

#[tokio::test]
async fn its_owner_stops_a_factors_reset_by_the_link_that_tells_of_it_or_by_showing_the_factor() {
    for by_link in [true, false] {
        let scene = Scene::new().await;
        let (_, recovery) = scene.with_app().await;
        let waiting = scene.sign_in().await;
        scene.mfa.post("/api/auth/mfa/reset", &json!({"challenge": waiting["challenge"]})).await;
        let link = json!({"token": scene.env.link_token(&scene.ada, "Your lost second factor").await});
        assert_eq!(
            scene.mfa.post("/api/auth/mfa/reset/stop", &link).await.status,
            422,
            "the one does not do the other"
        );
        assert_eq!(scene.mfa.post("/api/auth/mfa/reset/begin", &link).await.status, 202);
        if by_link {
            let keep = scene.env.link_token(&scene.ada, "Two-step sign-in will be off in 24 hours").await;
            let stopped = scene.mfa.post("/api/auth/mfa/reset/stop", &json!({"token": keep})).await;
            assert_eq!(stopped.status, 204, "{}", stopped.text);
            assert_eq!(scene.env.audited("security.mfa.reset_stopped").await, 1);
        } else {
            let done = scene.complete(&waiting["challenge"], recovery[0].as_str().unwrap()).await;
            assert_eq!(done.status, 200, "{}", done.text);
        }
        let waits = scene.env.users().count_documents(doc! {"mfa.resetAt": {"$ne": null}}).await.unwrap();
        assert_eq!((waits, &scene.sign_in().await["mfaRequired"]), (0, &json!(true)));
    }
}

/// Asks for a factor's reset with an account that has these fields.
async fn asked_by(account: Document) -> (Scene, Answer) {
    let scene = Scene::new().await;
    scene.with_app().await;
    let waiting = scene.sign_in().await;
    scene.env.users().update_one(doc! {}, doc! {"$set": account}).await.unwrap();
    let asked = scene.mfa.post("/api/auth/mfa/reset", &json!({"challenge": waiting["challenge"]})).await;
    (scene, asked)
}

#[tokio::test]
async fn a_mailbox_alone_resets_no_factor() {
    let days_ago = |days: i64| clock::now() - jiff::SignedDuration::from_hours(24 * days);
    for (account, status, code) in [
        (doc! {"role": "super_admin"}, 403, "administrator"),
        (doc! {"role": "org_admin"}, 403, "administrator"),
        (doc! {"passwordResetAt": days_ago(2)}, 409, "password_reset_lately"),
    ] {
        let (_, asked) = asked_by(account).await;
        assert_eq!((asked.status, &asked.body["code"]), (status, &json!(code)), "{}", asked.text);
    }
    let (scene, asked) = asked_by(doc! {"passwordResetAt": days_ago(4)}).await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    let link = json!({"token": scene.env.link_token(&scene.ada, "Your lost second factor").await});
    for (role, status) in [("org_admin", 403), ("user", 202)] {
        scene.env.users().update_one(doc! {}, doc! {"$set": {"role": role}}).await.unwrap();
        let begun = scene.mfa.post("/api/auth/mfa/reset/begin", &link).await;
        assert_eq!(begun.status, status, "{role}: {}", begun.text);
    }
    a_day_passes(&scene.env).await;
    scene.env.users().update_one(doc! {}, doc! {"$set": {"role": "org_admin"}}).await.unwrap();
    assert_eq!(scene.sign_in().await["mfaRequired"], true, "who became an administrator meanwhile");
}

#[tokio::test]
async fn a_factors_reset_lapses_after_two_days_and_ends_with_the_password() {
    let scene = Scene::new().await;
    scene.with_app().await;
    let waiting = scene.sign_in().await;
    scene.mfa.post("/api/auth/mfa/reset", &json!({"challenge": waiting["challenge"]})).await;
    let link = json!({"token": scene.env.link_token(&scene.ada, "Your lost second factor").await});
    assert_eq!(scene.mfa.post("/api/auth/mfa/reset/begin", &link).await.status, 202);
    let lapsed = clock::now() - jiff::SignedDuration::from_hours(49);
    scene.env.users().update_one(doc! {}, doc! {"$set": {"mfa.resetAt": lapsed}}).await.unwrap();
    assert_eq!(scene.sign_in().await["mfaRequired"], true, "it has lapsed");
    assert_eq!(scene.mfa.post("/api/auth/mfa/reset/begin", &link).await.status, 202);
    let waits = async || scene.env.users().count_documents(doc! {"mfa.resetAt": {"$gt": clock::now()}}).await.unwrap();
    assert_eq!(waits().await, 1, "and begins anew");

    let password = scene.env.function("auth-password").await;
    password.post("/api/auth/forgot-password", &json!({"email": scene.email()})).await;
    let token = scene.env.link_token(&scene.ada, "Choose a new password").await;
    let reset = json!({"token": token, "password": PASSWORD});
    assert_eq!(password.post("/api/auth/reset-password", &reset).await.status, 204);
    assert_eq!(waits().await, 0);
    assert_eq!(scene.sign_in().await["mfaRequired"], true, "the factor stays");
}

#[tokio::test]
async fn fifty_wrong_codes_in_a_row_stop_the_factor_until_a_mailed_link_sets_a_new_password() {
    let scene = Scene::new().await;
    let (_, recovery) = scene.with_app().await;
    let so_many = doc! {"$set": {"mfa.failures": 48}};
    scene.env.users().update_one(doc! {}, so_many.clone()).await.unwrap();
    let waiting = scene.sign_in().await;
    assert_eq!(scene.complete(&waiting["challenge"], recovery[0].as_str().unwrap()).await.status, 200);
    scene.env.users().update_one(doc! {}, so_many).await.unwrap();
    for (code, status) in [("000000", 422), ("000000", 422), (recovery[1].as_str().unwrap(), 403)] {
        assert_eq!(scene.complete(&waiting["challenge"], code).await.status, status, "a right one began anew");
    }
    scene.env.mailed(&scene.ada, "Somebody guesses your sign-in codes").await;
    assert_eq!(scene.env.audited("security.mfa.stopped").await, 1);
    let password = scene.env.function("auth-password").await;
    password.post("/api/auth/forgot-password", &json!({"email": scene.email()})).await;
    let link = scene.env.link_token(&scene.ada, "Choose a new password").await;
    let reset = json!({"token": link, "password": PASSWORD});
    assert_eq!(password.post("/api/auth/reset-password", &reset).await.status, 204);
    let waiting = scene.sign_in().await;
    let done = scene.complete(&waiting["challenge"], recovery[1].as_str().unwrap()).await;
    assert_eq!(done.status, 200, "{}", done.text);
}

#[tokio::test]
async fn an_administrator_takes_a_lost_factor_off_and_ends_sessions() {
    let scene = Scene::new().await;
    scene.with_app().await;
    let root = scene.env.person(Role::SuperAdmin, None).await;
    let admin = scene.env.function("users-admin").await;
    let ada = scene.env.users().find_one(doc! {"email": scene.email()}).await.unwrap().unwrap();
    let path = format!("/api/admin/users/{}", ada.get_str("_id").unwrap());
    assert_eq!(admin.delete_as(&root.token, &format!("{path}/mfa")).await.status, 204);
    let tokens = scene.sign_in().await;
    scene.env.mailed(&scene.ada, "Two-step sign-in is off").await;
    let token = tokens["accessToken"].as_str().unwrap();
    let session = scene.env.function("auth-session").await;
    assert_eq!(session.get_as(token, "/api/auth/session").await.status, 200);
    assert_eq!(admin.delete_as(&root.token, &format!("{path}/sessions")).await.status, 204);
    assert_eq!(scene.env.function("auth-session").await.get_as(token, "/api/auth/session").await.status, 401);
    for action in ["admin.user.mfa_reset", "admin.user.sessions_ended"] {
        assert_eq!(scene.env.audited(action).await, 1, "{action}");
    }
}

#[tokio::test]
async fn nobody_administers_without_a_second_factor_other_than_mail() {
    for mfa in [doc! {"$unset": {"mfa": ""}}, doc! {"$set": {"mfa.method": "email"}}] {
        nobody_administers_with(mfa).await;
    }
}

async fn nobody_administers_with(mfa: Document) {
    let env = TestEnv::new().await;
    let (root, boss) = (env.person(Role::SuperAdmin, None).await, env.person(Role::OrgAdmin, Some("ours")).await);
    env.users().update_many(doc! {}, mfa).await.unwrap();
    let (admin, audit) = (env.function("users-admin").await, env.function("audit-logs").await);
    let path = format!("/api/admin/users/{}", boss.id);
    let change = json!({"role": "user"});
    for answer in [
        admin.patch_as(&root.token, &path, "", &change).await,
        admin.patch_as(&boss.token, &path, "", &change).await,
        admin.delete_as(&root.token, &format!("{path}/mfa")).await,
        audit.get_as(&root.token, "/api/admin/audit").await,
    ] {
        assert_eq!((answer.status, &answer.body["code"]), (403, &json!("mfa_setup_required")), "{}", answer.text);
        assert!(answer.text.contains("/api/auth/mfa/enable"), "it says what to do: {}", answer.text);
    }
    let members = admin.get_as(&boss.token, "/api/admin/users").await;
    assert_eq!(members.status, 200, "what others may do, too, needs none: {}", members.text);
}

#[tokio::test]
async fn without_a_factor_a_new_key_takes_the_password_again() {
    let scene = Scene::new().await;
    let (keys, password) = (scene.env.function("api-keys").await, scene.env.function("auth-password").await);
    let make = async |token: &str| {
        let made = keys.post_as(token, "/api/api-keys", &json!({"name": "k", "scopes": ["usage:read"]})).await;
        made.body["key"].as_str().into_iter().for_each(told_once);
        (made.status, made.body["code"].clone())
    };
    assert_eq!(make(&scene.token).await.0, 201, "who has just signed in has shown it");
    // As a quarter of an hour after a sign-in.
    let ada = scene.env.users().find_one(doc! {}).await.unwrap().unwrap();
    let hour_ago = clock::now().as_second() - 3600;
    let claims = shared::auth::AccessClaims {
        sub: ada.get_str("_id").unwrap().to_owned(),
        sid: "a session".into(),
        role: Role::User,
        org: None,
        mfa: None,
        auth_time: Some(hour_ago),
        ver: 0,
    };
    let old = tests::test_env::tokens().access(claims, clock::now());
    assert_eq!(make(&old).await, (403, json!("password_required")));
    let show = async |password_tried: &str| {
        let shown = password.post_as(&old, "/api/auth/verify-password", &json!({"password": password_tried})).await;
        tokens_told(&shown.body);
        shown
    };
    let wrong = show("Wrong1234").await;
    assert_eq!((wrong.status, wrong.fields()), (422, vec!["password"]), "{}", wrong.text);
    let shown = show(PASSWORD).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    assert_eq!(make(shown.body["accessToken"].as_str().unwrap()).await.0, 201);
}

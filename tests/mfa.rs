//! The second factor, from setting it up to signing in with it.

use bson::doc;
use futures_util::future::join_all;
use serde_json::{Value, json};
use serial_test::parallel;
use shared::{accounts::Role, clock};
use tests::{
    eventually,
    host::Function,
    http_event::Answer,
    people::{PASSWORD, Person, Town, newcomer},
};
use totp_rs::Totp;

/// Somebody who has just signed in, with the functions that they need.
struct Scene {
    town: Town,
    mfa: Function,
    login: Function,
    ada: Value,
    token: String,
}

impl Scene {
    async fn new() -> Self {
        let town = Town::new().await;
        let ada = newcomer();
        assert_eq!(town.function("auth-signup").await.post("/api/auth/signup", &ada).await.status, 201);
        let (mfa, login) = (town.function("auth-mfa").await, town.function("auth-login").await);
        let scene = Self { town, mfa, login, ada, token: String::new() };
        let token = scene.sign_in().await["accessToken"].as_str().unwrap().to_owned();
        Self { token, ..scene }
    }

    async fn sign_in(&self) -> Value {
        let body = json!({"email": self.ada["email"], "password": PASSWORD});
        let answer = self.login.post("/api/auth/login", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body
    }

    async fn verify(&self, code: &str) -> Answer {
        self.mfa.post_as(&self.token, "/api/auth/mfa/verify", &json!({"code": code})).await
    }

    async fn complete(&self, challenge: &Value, code: &str) -> Answer {
        self.mfa.post("/api/auth/mfa/verify", &json!({"challenge": challenge, "code": code})).await
    }

    /// Sets the app up; returns it and the recovery codes.
    async fn with_app(&self) -> (Totp, Value) {
        let begun = self.mfa.post_as(&self.token, "/api/auth/mfa/enable", &json!({"method": "totp"})).await;
        let totp = Totp::from_url(begun.body["otpauthUrl"].as_str().unwrap()).unwrap();
        let proven = self.verify(&code_of(&totp, 0)).await;
        assert_eq!((proven.status, &proven.body["enabled"]), (200, &json!(true)), "{}", proven.text);
        (totp, proven.body["recoveryCodes"].clone())
    }

    /// The newest code sent to an address or a number.
    async fn code_sent_to(&self, to: &str, sent_before: usize) -> String {
        eventually("the code", 60, async || {
            let sent = self.town.stack.sent_to(to).await;
            let newest = sent.get(sent_before)?;
            let text = newest["BodyText"].as_str().or(newest["Message"].as_str())?;
            text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6).map(str::to_owned)
        })
        .await
    }
}

/// The app's code, some steps of 30 s from now.
fn code_of(totp: &Totp, steps: u64) -> String {
    totp.generate(clock::now().as_second().unsigned_abs() + 30 * steps).to_string()
}

#[tokio::test]
#[parallel(stack)]
async fn an_app_is_pending_until_its_code_proves_it_and_then_signing_in_asks_for_it() {
    let scene = Scene::new().await;
    let begun = scene.mfa.post_as(&scene.token, "/api/auth/mfa/enable", &json!({"method": "totp"})).await;
    assert_eq!((begun.status, &begun.body["pending"]), (200, &json!(true)), "{}", begun.text);
    assert!(scene.sign_in().await["accessToken"].is_string(), "pending asks for nothing yet");
    let totp = Totp::from_url(begun.body["otpauthUrl"].as_str().unwrap()).unwrap();
    assert_eq!(scene.verify("000000").await.status, 422);
    let proven = scene.verify(&code_of(&totp, 0)).await;
    assert_eq!(proven.body["recoveryCodes"].as_array().map(Vec::len), Some(10), "{}", proven.text);
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
    let recovery = proven.body["recoveryCodes"][0].as_str().unwrap();
    assert_eq!(scene.complete(&waiting["challenge"], recovery).await.status, 200);
    assert_eq!(scene.complete(&waiting["challenge"], recovery).await.status, 422, "each once");
    let stored = scene.town.users().find_one(doc! {}).await.unwrap().unwrap().to_string();
    assert!(!stored.contains(recovery) && !stored.contains("otpauth"), "neither is kept in the clear");
}

#[tokio::test]
#[parallel(stack)]
async fn it_is_turned_off_by_a_code_alone_and_asked_for_where_it_matters() {
    let scene = Scene::new().await;
    let (totp, _) = scene.with_app().await;
    let keys = scene.town.function("api-keys").await;
    let make = json!({"name": "k", "scopes": ["usage:read"]});
    let refused = keys.post_as(&scene.token, "/api/api-keys", &make).await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("mfa_required")));
    let shown = scene.verify(&code_of(&totp, 1)).await;
    let stepped_up = shown.body["accessToken"].as_str().unwrap();
    assert_eq!(keys.post_as(stepped_up, "/api/api-keys", &make).await.status, 201);

    let disable = async |code: &str| {
        scene.mfa.post_as(&scene.token, "/api/auth/mfa/disable", &json!({"code": code})).await.status
    };
    assert_eq!(disable("000000").await, 422);
    let second = scene.mfa.post_as(&scene.token, "/api/auth/mfa/enable", &json!({"method": "email"})).await;
    assert_eq!(second.status, 409, "one at a time: the first is not replaced unasked");
    // Every code of the window is used up by now: the store is told otherwise, as the next window would.
    scene.town.users().update_one(doc! {}, doc! {"$set": {"mfa.totpStep": 0_i64}}).await.unwrap();
    assert_eq!(disable(&code_of(&totp, 0)).await, 204);
    assert!(scene.sign_in().await["accessToken"].is_string());
}

#[tokio::test]
#[parallel(stack)]
async fn a_code_comes_by_sms_and_by_mail_and_signs_in() {
    for method in ["sms", "email"] {
        let scene = Scene::new().await;
        let number = format!("+41{:013}", uuid::Uuid::now_v7().as_u128() % 10_000_000_000_000);
        let to = if method == "sms" { number.clone() } else { scene.ada["email"].as_str().unwrap().to_owned() };
        let mut body = json!({"method": method});
        if method == "sms" {
            body["phoneNumber"] = json!(number);
        }
        let begun = scene.mfa.post_as(&scene.token, "/api/auth/mfa/enable", &body).await;
        assert_eq!(begun.status, 200, "{}", begun.text);
        let code = scene.code_sent_to(&to, 0).await;
        assert_eq!(scene.verify(&code).await.status, 200);

        let waiting = scene.sign_in().await;
        let before = scene.town.stack.sent_to(&to).await.len();
        let sent = scene.mfa.post("/api/auth/mfa/send-code", &json!({"challenge": waiting["challenge"]})).await;
        assert_eq!(sent.status, 202, "{}", sent.text);
        // By mail, that the factor is on is told as well: wait for one with a code.
        let code = eventually("the code", 60, async || {
            let sent = scene.town.stack.sent_to(&to).await;
            let texts =
                sent.iter().skip(before).filter_map(|mail| mail["BodyText"].as_str().or(mail["Message"].as_str()));
            let mut codes = texts.flat_map(|text| text.split(|c: char| !c.is_ascii_digit()));
            codes.find(|word| word.len() == 6).map(str::to_owned)
        })
        .await;
        let done = scene.complete(&waiting["challenge"], &code).await;
        assert_eq!(done.status, 200, "{method}: {}", done.text);
    }
}

#[tokio::test]
#[parallel(stack)]
async fn of_two_who_show_a_code_at_once_one_gets_in_and_the_fourth_guess_fails_even_if_right() {
    let scene = Scene::new().await;
    let to = scene.ada["email"].as_str().unwrap().to_owned();
    scene.mfa.post_as(&scene.token, "/api/auth/mfa/enable", &json!({"method": "email"})).await;
    let code = scene.code_sent_to(&to, 0).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..3 {
        assert_eq!(scene.verify(wrong).await.status, 422);
    }
    assert_eq!(scene.verify(&code).await.status, 422, "three attempts are what a code has");

    let sent = scene.mfa.post_as(&scene.token, "/api/auth/mfa/send-code", &json!({})).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    let fresh = scene.code_sent_to(&to, 1).await;
    let others = join_all((0..2).map(|_| scene.town.function("auth-mfa"))).await;
    let body = json!({"code": fresh});
    let answers = join_all(others.iter().map(|mfa| mfa.post_as(&scene.token, "/api/auth/mfa/verify", &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
    assert_eq!(scene.town.audited("auth.mfa.failed").await, 5);
}

#[tokio::test]
#[parallel(stack)]
async fn codes_are_limited() {
    let scene = Scene::new().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = scene.mfa.post_as(&scene.token, "/api/auth/mfa/enable", &json!({"method": "email"})).await;
        statuses.push(answer.status);
        if answer.status == 429 {
            assert!(answer.header("retry-after").parse::<u32>().unwrap() <= 60);
            assert!(answer.header("ratelimit").starts_with("\"mfa-send\";r=0"));
        }
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
    for bad in [json!({"method": "sms"}), json!({"method": "totp", "phoneNumber": "+41791234567"})] {
        let scene = Scene::new().await;
        let answer = scene.mfa.post_as(&scene.token, "/api/auth/mfa/enable", &bad).await;
        assert_eq!((answer.status, answer.fields()), (422, vec!["phoneNumber"]), "{}", answer.text);
    }
    let stranger: Person = scene.town.person(Role::User, None).await;
    let nothing = scene.mfa.post_as(&stranger.token, "/api/auth/mfa/send-code", &json!({})).await;
    assert_eq!((nothing.status, &nothing.body["code"]), (409, &json!("no_code_to_send")));
}

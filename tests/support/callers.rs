//! Callers of the deployed functions: routes through the API, jobs and consumers by direct invocation.

use bson::{Document, doc};
use serde_json::{Value, json};
use shared::clock;

use crate::{
    eventually,
    requests::{Call, Scene, Work, is_answer},
    stack::Stack,
    test_env::{PASSWORD, Person, newcomer, token_of},
};

const PEOPLE: usize = 8;

#[derive(Debug)]
pub enum Fate {
    /// It was answered, well or with a refusal that is the product's (404, 409, 412).
    Answered,
    /// By the cap.
    Refused,
    /// By a rate limit, which is not what is measured.
    Limited,
    /// 503 of the function's own: a part that it needs was late. MongoDB, the cache, the emulator and all environments
    /// share this machine's processors.
    Late(String),
    Failed(String),
}

/// What became of a function's calls.
#[derive(Debug, Default)]
pub struct Counts {
    pub answered: u32,
    pub refused: u32,
    pub limited: u32,
    pub late: Vec<String>,
    pub failed: Vec<String>,
}

impl Counts {
    pub fn add(&mut self, fate: Fate) {
        match fate {
            Fate::Answered => self.answered += 1,
            Fate::Refused => self.refused += 1,
            Fate::Limited => self.limited += 1,
            Fate::Late(what) => self.late.push(what),
            Fate::Failed(what) => self.failed.push(what),
        }
    }

    pub fn add_all(&mut self, others: Self) {
        self.answered += others.answered;
        self.refused += others.refused;
        self.limited += others.limited;
        self.late.extend(others.late);
        self.failed.extend(others.failed);
    }

    /// Of the calls that the function answered or its cap refused.
    pub fn refused_percent(&self) -> f64 {
        100.0 * f64::from(self.refused) / f64::from((self.answered + self.refused).max(1))
    }
}

/// Who calls the deployed functions.
pub struct Callers<'a> {
    pub stack: &'a Stack,
    http: reqwest::Client,
    scene: Scene,
}

impl<'a> Callers<'a> {
    pub async fn new(stack: &'a Stack) -> Self {
        // Where a link leads is not ours.
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let send = async |_: &str, call: Call| -> Value {
            let answer = request(&http, stack, &call).await.unwrap();
            answer.error_for_status().unwrap().json().await.unwrap()
        };
        let mut people = Vec::new();
        for _ in 0..PEOPLE {
            people.push(super_admin(stack).await);
        }
        let scene = Scene::new(people, "none", send).await;
        Self { stack, http, scene }
    }

    /// The function's call number `n`. The emulator refuses above a cap with 429, where AWS says 503; our own limits
    /// say 429 too, in an answer of the function's, which has a request id.
    pub async fn call(&self, function: &str, n: usize) -> Fate {
        let call = match self.scene.work(function, n) {
            Work::Route(call) => call,
            Work::Event(event) => return self.invoke(function, &event).await,
        };
        let answer = match request(&self.http, self.stack, &call).await {
            Ok(answer) => answer,
            Err(error) => return Fate::Failed(error.to_string()),
        };
        let (status, by_function) = (answer.status().as_u16(), answer.headers().contains_key("x-request-id"));
        let text = answer.text().await.unwrap_or_default();
        match (status, by_function) {
            (429, false) => Fate::Refused,
            (429, true) => Fate::Limited,
            (503, true) => Fate::Late(text),
            (status, _) if is_answer(status.into()) => Fate::Answered,
            _ => Fate::Failed(format!("{status} {text}")),
        }
    }

    async fn invoke(&self, function: &str, event: &Value) -> Fate {
        let (status, answer) = self.stack.invoke(function, event).await;
        let handed_back = answer["batchItemFailures"].as_array().is_some_and(|failed| !failed.is_empty());
        match status {
            429 => Fate::Refused,
            200 if !handed_back => Fate::Answered,
            _ => Fate::Failed(format!("{status} {answer}")),
        }
    }
}

/// Somebody who signed up, by the API and the mailed link.
pub async fn sign_up(stack: &Stack) -> Value {
    let (client, ada) = (reqwest::Client::new(), newcomer());
    let post = async |path: &str, body: &Value| {
        let answer = client.post(format!("{}{path}", stack.api_url)).json(body).send().await.unwrap();
        answer.error_for_status().unwrap();
    };
    post("/api/auth/signup", &ada).await;
    let to = ada["email"].as_str().unwrap();
    let mail = eventually("the link", 60, async || stack.sent_to(to).await.into_iter().next()).await;
    post("/api/auth/signup/complete", &json!({"token": token_of(&mail), "password": PASSWORD})).await;
    ada
}

/// Somebody who signed up, and whom the store then calls a super admin of the plan that allows most, with a second
/// factor that was shown just now.
pub async fn super_admin(stack: &Stack) -> Person {
    super_admin_with_code(stack).await.0
}

/// As [`super_admin`], with a recovery code that is left.
pub async fn super_admin_with_code(stack: &Stack) -> (Person, String) {
    let (client, ada) = (reqwest::Client::new(), sign_up(stack).await);
    let post = async |token: &str, path: &str, body: &Value| -> Value {
        let request = client.post(format!("{}{path}", stack.api_url)).json(body);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    };
    let users = stack.database().await.collection::<Document>("users");
    let who = doc! {"email": ada["email"].as_str()};
    // A new account may store less.
    let settled = doc! {
        "role": "super_admin", "plan": "enterprise", "createdAt": clock::start_of_day(clock::now(), 30),
    };
    users.update_one(who, doc! {"$set": settled}).await.unwrap();
    let signed_in = post("", "/api/auth/login", &json!({"email": ada["email"], "password": PASSWORD})).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let first = text(&signed_in["accessToken"]);
    let begun = post(&first, "/api/auth/mfa/enable", &json!({"method": "totp", "password": PASSWORD})).await;
    let app = totp_rs::Totp::from_url(begun["otpauthUrl"].as_str().unwrap()).unwrap();
    let code = app.generate(clock::now().as_second().unsigned_abs()).to_string();
    let enabled = post(&first, "/api/auth/mfa/verify", &json!({"code": code})).await;
    let shown = post(&first, "/api/auth/mfa/verify", &json!({"code": enabled["recoveryCodes"][0]})).await;
    let person =
        Person { id: text(&signed_in["user"]["id"]), email: text(&ada["email"]), token: text(&shown["accessToken"]) };
    (person, text(&enabled["recoveryCodes"][1]))
}

async fn request(http: &reqwest::Client, stack: &Stack, call: &Call) -> reqwest::Result<reqwest::Response> {
    let request = http.request(call.method.parse().unwrap(), format!("{}{}", stack.api_url, call.path));
    let request = call.headers().into_iter().fold(request, |request, (name, value)| request.header(name, value));
    if call.body.is_null() { request.send().await } else { request.body(call.body.to_string()).send().await }
}

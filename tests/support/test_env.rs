//! Accounts for tests: a database of the test's own, people in it, and functions that serve them.

use bson::{Document, doc};
use futures_util::TryStreamExt;
use local::deploy::SENDER_EMAIL;
use mongodb::Database;
use serde_json::{Value, json};
use shared::{
    auth::{AccessClaims, Tokens},
    clock,
    mongo::{Lifetime, Mongo},
    roles::Role,
    schema,
};

use crate::{
    eventually,
    host::{Function, keep_secret, seed, told_once},
    own_queue::OwnQueue,
    stack::{Stack, flush, stack},
};

/// A password that everybody has. Its first word is what [`crate::host`] looks for where no password may be.
pub const PASSWORD: &str = "Secret123-blue-lantern";

/// What everybody's new password is.
pub const ANOTHER_PASSWORD: &str = "Another123-green-kettle";

/// A database with everything declared, and the settings of functions on it.
pub struct TestEnv {
    pub stack: Stack,
    pub database: Database,
    redis: String,
    uri: String,
    /// The consumer of the deployed stack has other seeds, and would refuse audit entries of the env's functions.
    events: Option<OwnQueue>,
    /// Where exports of accounts go: the stack's bucket.
    exports: String,
}

/// Somebody with an account.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: String,
    pub email: String,
    pub token: String,
}

impl TestEnv {
    /// With Redis, in a part of its own as far as keys hold ids of the test's own.
    pub async fn new() -> Self {
        Self::of(stack()).await
    }

    /// As [`TestEnv::new`], of a stack that may have another MongoDB than the one that is running.
    pub async fn of(stack: Stack) -> Self {
        let database = stack.scratch().await;
        let mongo = Mongo::new(stack.settings(&database), Lifetime::FromFirstUse);
        schema::apply(&mongo).await.unwrap();
        let (redis, uri) = (stack.redis_url.clone().unwrap_or_default(), stack.mongodb_uri.clone());
        let events = Some(OwnQueue::new(&stack).await);
        let exports = format!("{}/exports", stack.content_url.trim_end_matches("/content"));
        Self { stack, database, redis, uri, events, exports }
    }

    /// As [`TestEnv::new`], for events that the consumer of the deployed stack stores, in the database of that.
    pub async fn with_deployed_consumer() -> Self {
        Self { events: None, ..Self::new().await }
    }

    /// With functions that reach its MongoDB by another way than the test does.
    #[must_use]
    pub fn by_way_of(self, uri: String) -> Self {
        Self { uri, ..self }
    }

    /// As [`TestEnv::new`], with functions that use these instead.
    pub async fn with(redis: &str, uri: &str) -> Self {
        Self { redis: redis.to_owned(), uri: uri.to_owned(), ..Self::new().await }
    }

    pub async fn function(&self, name: &str) -> Function {
        self.function_with(name, &[]).await
    }

    /// As [`TestEnv::function`], with these variables instead of the same ones of the env's.
    pub async fn function_with(&self, name: &str, more: &[(&str, &str)]) -> Function {
        let content = crate::content::starter_url();
        let mut variables = self.variables();
        variables.push(("CONTENT_URL", &content));
        variables.extend(more);
        Function::start(name, &variables).await
    }

    /// What all functions are told but where the content is.
    pub fn variables(&self) -> Vec<(&str, &str)> {
        let mut variables = self.stack.aws_variables();
        let name = self.database.name();
        variables.extend([("MONGODB_URI", self.uri.as_str()), ("DB_NAME", name), ("REDIS_URL", &self.redis)]);
        variables.extend([("SENDER_EMAIL", SENDER_EMAIL), ("ACCOUNT_EXPORTS_URL", &self.exports)]);
        variables.extend(self.events.as_ref().map(|queue| ("EVENTS_QUEUE_URL", queue.url.as_str())));
        variables
    }

    /// A settled account, with an access token.
    pub async fn person(&self, role: Role, organization: Option<&str>) -> Person {
        let (person, user) = account(role, organization);
        self.users().insert_one(user).await.unwrap();
        person
    }

    /// Somebody on a plan, before any function has looked at the account.
    pub async fn person_on(&self, plan: &str) -> Person {
        let person = self.person(Role::User, None).await;
        self.users().update_one(doc! {"_id": &person.id}, doc! {"$set": {"plan": plan}}).await.unwrap();
        person
    }

    /// Somebody who signed up and followed the mailed link, with a password: what they sent.
    pub async fn newcomer(&self) -> Value {
        let newcomer = newcomer();
        self.sign_up(&newcomer).await;
        newcomer
    }

    /// Signs somebody up, by way of the mailed link; returns the id of their account.
    pub async fn sign_up(&self, person: &Value) -> String {
        let signup = self.function("auth-signup").await;
        let asked = signup.post("/api/auth/signup", person).await;
        assert_eq!(asked.status, 202, "{}", asked.text);
        let token = self.link_token(person, "Complete your sign-up").await;
        let body = json!({"token": token, "password": person["password"]});
        let made = signup.post("/api/auth/signup/complete", &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.body["id"].as_str().unwrap().to_owned()
    }

    /// The token in the link of the mail with this subject.
    pub async fn link_token(&self, person: &Value, subject: &str) -> String {
        let token = token_of(&self.mailed(person, subject).await);
        keep_secret(&token);
        token
    }

    /// What a sign-in of somebody who signed up answers.
    pub async fn sign_in(&self, person: &Value) -> Value {
        sign_in(&self.function("auth-login").await, person).await
    }

    /// The mail with this subject to somebody who signed up; the consumer of the deployed stack sends it.
    pub async fn mailed(&self, person: &Value, subject: &str) -> Value {
        let to = person["email"].as_str().unwrap();
        eventually("the mail", 60, async || {
            self.stack.sent_to(to).await.into_iter().find(|mail| mail["Subject"] == subject)
        })
        .await
    }

    pub fn users(&self) -> mongodb::Collection<Document> {
        self.database.collection("users")
    }

    /// Entries of the audit log with this action.
    pub async fn audited(&self, action: &str) -> u64 {
        self.database.collection::<Document>("audit_logs").count_documents(doc! {"action": action}).await.unwrap()
    }

    /// The whole audit log, the oldest entry first.
    pub async fn audit_log(&self) -> Vec<Document> {
        let entries = self.database.collection::<Document>("audit_logs");
        entries.find(doc! {}).sort(doc! {"_id": 1}).await.unwrap().try_collect().await.unwrap()
    }

    /// Uses a day's budget of bytes up, whatever it is: `account/<id>` today, or so many days ago.
    pub async fn use_up(&self, budget: &str, days_ago: i64) {
        let day = clock::day(clock::start_of_day(clock::now(), days_ago));
        self.set_budget(&format!("{day}/{budget}"), i64::MAX / 2).await;
    }

    /// Sets what was taken of a budget, by the id of its document.
    pub async fn set_budget(&self, id: &str, bytes: i64) {
        let set = doc! {"$set": {"bytes": bytes}};
        self.budgets().update_one(doc! {"_id": id}, set).upsert(true).await.unwrap();
    }

    /// What was taken of a budget, by the id of its document.
    pub async fn budget(&self, id: &str) -> i64 {
        let found = self.budgets().find_one(doc! {"_id": id}).await.unwrap();
        found.map_or(0, |budget| budget.get_i64("bytes").unwrap())
    }

    fn budgets(&self) -> mongodb::Collection<Document> {
        self.database.collection("ledger")
    }

    /// Makes the cache server forget the windows of the rate limits that count by this: an account's id, or a network.
    pub async fn forget_rates_of(&self, principal: &str) {
        self.forget_keys(&format!("*rate:*:{principal}")).await;
    }

    /// Makes the cache server forget everything, of whatever test.
    pub async fn forget_everything(&self) {
        if !self.redis.is_empty() {
            flush(&self.redis).await;
        }
    }

    /// Makes the cache server forget every copy of what has this id, as its time would.
    pub async fn forget(&self, id: &str) {
        self.forget_keys(&format!("*{id}*")).await;
    }

    async fn forget_keys(&self, pattern: &str) {
        if self.redis.is_empty() {
            return;
        }
        let client = redis::Client::open(self.redis.as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap();
        for key in keys {
            let _: () = redis::cmd("DEL").arg(key).query_async(&mut connection).await.unwrap();
        }
    }
}

/// What a sign-in of this person answers: tokens, or a challenge.
pub async fn sign_in(login: &Function, person: &Value) -> Value {
    let body = json!({"email": person["email"], "password": person["password"]});
    let answer = login.post("/api/auth/login", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    tokens_told(&answer.body);
    answer.body
}

/// An answer's tokens are told, and not to be told again.
pub fn tokens_told(answer: &Value) {
    let texts =
        ["accessToken", "refreshToken", "challenge", "deviceToken"].iter().filter_map(|field| answer[field].as_str());
    texts.for_each(told_once);
}

/// A number of the test's own.
pub fn number() -> String {
    let number = format!("+41{:013}", uuid::Uuid::now_v7().as_u128() % 10_000_000_000_000);
    keep_secret(&number);
    number
}

/// Somebody, and the document that makes them so.
pub fn account(role: Role, organization: Option<&str>) -> (Person, Document) {
    let id = uuid::Uuid::now_v7().to_string();
    let email = format!("{}@example.com", uuid::Uuid::now_v7().simple());
    let user = doc! {
        "_id": &id, "email": &email, "name": "Somebody", "role": role.name(), "plan": "free",
        "organizationId": organization, "status": "active", "createdAt": clock::now(), "emailVerifiedAt": clock::now(),
    };
    let user = if needs_factor(role) {
        let mut user = user;
        user.insert("mfa", doc! {"method": "totp"});
        user
    } else {
        user
    };
    let token = token(&id, role, 0);
    (Person { id, email, token }, user)
}

/// An access token of today's key.
pub fn token(user_id: &str, role: Role, version: i64) -> String {
    let sid = format!("session of {user_id}");
    let now = clock::now().as_second();
    let mfa = needs_factor(role).then_some(now);
    let claims =
        AccessClaims { sub: user_id.to_owned(), sid, role, org: None, mfa, auth_time: Some(now), ver: version };
    tokens().access(claims, clock::now())
}

/// Administrators need a second factor: those of the tests have one, and have just shown it.
fn needs_factor(role: Role) -> bool {
    matches!(role, Role::SuperAdmin | Role::OrgAdmin)
}

/// The token in a mail's link.
pub fn token_of(mail: &Value) -> String {
    let mut words = mail["BodyText"].as_str().unwrap().split_whitespace();
    let (_, token) = words.find_map(|word| word.split_once("token=")).expect("a link");
    token.to_owned()
}

/// The keys that the functions of the tests have.
pub fn tokens() -> Tokens {
    Tokens::new(&seed("SIGNING_SEED"), None)
}

/// A sign-up's body, for an address of the test's own.
pub fn newcomer() -> Value {
    json!({"email": format!("{}@example.com", uuid::Uuid::now_v7().simple()), "password": PASSWORD, "name": "Ada"})
}

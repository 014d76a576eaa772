//! Accounts for tests: a database of the test's own, people in it, and functions that serve them.

use bson::{Document, doc};
use mongodb::Database;
use serde_json::{Value, json};
use shared::{
    accounts::{AccessClaims, Role, Tokens},
    clock,
    keys::Seed,
    mongo::{Lifetime, Mongo},
    schema,
};

use crate::{
    host::{Function, SECRETS},
    stack::{Stack, stack},
};

/// A password that everybody has.
pub const PASSWORD: &str = "Secret123";

/// A database with everything declared, and the settings of functions on it.
pub struct Town {
    pub stack: Stack,
    pub database: Database,
    redis: String,
    uri: String,
}

/// Somebody with an account.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: String,
    pub email: String,
    pub token: String,
}

impl Town {
    /// With Redis, in a part of its own as far as keys hold ids of the test's own.
    pub async fn new() -> Self {
        let stack = stack();
        let database = stack.scratch().await;
        let mongo = Mongo::new(stack.settings(&database), Lifetime::Environment);
        schema::apply(&mongo).await.unwrap();
        let (redis, uri) = (stack.redis_url.clone().unwrap_or_default(), stack.mongodb_uri.clone());
        Self { stack, database, redis, uri }
    }

    /// As [`Town::new`], with functions that use these instead.
    pub async fn with(redis: &str, uri: &str) -> Self {
        Self { redis: redis.to_owned(), uri: uri.to_owned(), ..Self::new().await }
    }

    pub async fn function(&self, name: &str) -> Function {
        self.function_with(name, &[]).await
    }

    /// As [`Town::function`], with these variables instead of the same ones of the town's.
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
        variables
    }

    /// A settled account, with an access token.
    pub async fn person(&self, role: Role, organization: Option<&str>) -> Person {
        let (person, user) = account(role, organization);
        self.users().insert_one(user).await.unwrap();
        person
    }

    pub fn users(&self) -> mongodb::Collection<Document> {
        self.database.collection("users")
    }

    /// Entries of the audit trail with this action.
    pub async fn audited(&self, action: &str) -> u64 {
        self.database.collection::<Document>("audit_logs").count_documents(doc! {"action": action}).await.unwrap()
    }
}

/// Somebody, and the document that makes them so.
pub fn account(role: Role, organization: Option<&str>) -> (Person, Document) {
    let id = uuid::Uuid::now_v7().to_string();
    let email = format!("{}@example.com", uuid::Uuid::now_v7().simple());
    let user = doc! {
        "_id": &id, "email": &email, "name": "Somebody", "role": role.name(), "plan": "free",
        "organizationId": organization, "status": "active", "createdAt": clock::to_bson(clock::now()),
    };
    let token = token(&id, role, 0);
    (Person { id, email, token }, user)
}

/// An access token of today's key.
pub fn token(user_id: &str, role: Role, version: i64) -> String {
    let sid = format!("session of {user_id}");
    let claims = AccessClaims { sub: user_id.to_owned(), sid, role, org: None, mfa: None, ver: version };
    tokens().access(claims, clock::now())
}

/// The keys that the functions of the tests have.
pub fn tokens() -> Tokens {
    Tokens::new(&Seed::from(SECRETS[0].1), None)
}

/// A sign-up's body, for an address of the test's own.
pub fn newcomer() -> Value {
    json!({"email": format!("{}@example.com", uuid::Uuid::now_v7().simple()), "password": PASSWORD, "name": "Ada"})
}

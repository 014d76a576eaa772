//! The stack that `cargo local` brought up, and its servers seen from the outside.

use std::{
    collections::BTreeMap,
    ops::Deref,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use aws_sdk_sqs::{
    Client as Sqs,
    config::{BehaviorVersion, Credentials, Region},
    types::QueueAttributeName,
};
use bson::doc;
use local::state::State;
use mongodb::{Client, Database, options::ClientOptions};
use redis::AsyncConnectionConfig;
use serde_json::{Value, json};
use shared::mongo::MongoSettings;

/// Redis' numbered database that the tests' own functions share; number 0 is the deployed functions'.
const OF_TESTS: u8 = 1;

/// The stack, with the state that `cargo local` wrote down; its `redis_url` is for the tests' own functions.
pub struct Stack {
    state: State,
    /// Where the deployed functions keep theirs.
    deployed_redis: Option<String>,
}

impl Deref for Stack {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

pub fn stack() -> Stack {
    let mut state = State::load().expect("no stack is running: use `cargo local test`");
    let deployed_redis = state.redis_url.clone();
    state.redis_url = deployed_redis.as_deref().map(|url| numbered(url, OF_TESTS));
    Stack { state, deployed_redis }
}

/// One of Redis' numbered databases.
fn numbered(url: &str, number: u8) -> String {
    format!("{}/{number}", url.trim_end_matches('/'))
}

impl Stack {
    /// As it would be on another MongoDB.
    #[must_use]
    pub fn on(self, mongodb_uri: String) -> Self {
        Self { state: State { mongodb_uri, ..self.state }, ..self }
    }

    /// `host:port` of MongoDB.
    pub fn mongodb_address(&self) -> String {
        let rest = self.mongodb_uri.split("://").nth(1).unwrap();
        rest.split('/').next().unwrap().to_owned()
    }

    /// `host:port` of Redis; empty without it.
    pub fn redis_address(&self) -> String {
        let url = self.deployed_redis.as_deref().unwrap_or_default();
        url.trim_start_matches("redis://").trim_end_matches('/').to_owned()
    }

    /// The bundle's own database.
    pub async fn database(&self) -> Database {
        connect(&self.mongodb_uri).await.database("promptlib")
    }

    /// A database for one test.
    pub async fn scratch(&self) -> Database {
        connect(&self.mongodb_uri).await.database(&format!("test_{}", uuid::Uuid::now_v7().simple()))
    }

    /// Settings by which the bundle's own code reaches a database of the test's.
    pub fn settings(&self, database: &Database) -> MongoSettings {
        MongoSettings::new(self.mongodb_uri.clone(), database.name())
    }

    pub fn sqs(&self) -> Sqs {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&self.aws_endpoint_url)
            .build();
        Sqs::from_conf(config)
    }

    /// Every line that the deployed functions have written so far.
    pub fn log_lines(&self) -> Vec<String> {
        let text = local::deploy::logs(self, "").unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// What the emulator's SES and SNS accepted for an address or a number, as they write it down: an e-mail has
    /// `Source`, `Subject`, `BodyText` and `BodyHtml`, a text message has `Message` and `MessageAttributes`.
    pub async fn sent_to(&self, to: &str) -> Vec<Value> {
        let read = async |what: &str| -> Value {
            reqwest::get(format!("{}/_ministack/{what}", self.aws_endpoint_url)).await.unwrap().json().await.unwrap()
        };
        let (mut emails, texts) = (read("ses/messages").await, read("sns/sms-messages").await);
        let mut sent = emails["messages"]["000000000000"].as_array_mut().map(std::mem::take).unwrap_or_default();
        sent.retain(|email| email["To"] == json!([to]));
        sent.extend(texts["sms_messages"][to].as_array().cloned().unwrap_or_default());
        sent
    }

    /// Ends every window of the deployed functions' rate limits: a test is one address, and sends what many would.
    pub async fn forget_rates(&self) {
        let Some(url) = &self.deployed_redis else { return };
        flush(url).await;
    }

    /// One of Redis' numbered databases for the caller alone, empty. `None` without Redis.
    pub async fn own_redis(&self) -> Option<String> {
        static NEXT: AtomicU8 = AtomicU8::new(OF_TESTS + 1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let url = numbered(self.deployed_redis.as_ref()?, number);
        flush(&url).await;
        Some(url)
    }

    /// Messages waiting in a queue, those in flight included.
    pub async fn depth(&self, queue: &str) -> u64 {
        use QueueAttributeName::{ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible};
        let names = [ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible];
        let answer = self
            .sqs()
            .get_queue_attributes()
            .queue_url(queue)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .unwrap();
        answer.attributes().into_iter().flatten().map(|(_, value)| value.parse::<u64>().unwrap()).sum()
    }

    /// How long a failed message stays away: as deployed it is minutes, and a test should not wait that long.
    pub async fn set_visibility_timeout(&self, seconds: u32) {
        let set = self.sqs().set_queue_attributes().queue_url(&self.events_queue_url);
        set.attributes(QueueAttributeName::VisibilityTimeout, seconds.to_string()).send().await.unwrap();
    }

    /// The parameters below `/<stack>/` in the Parameter Store, by name: their type and their value.
    pub async fn parameters(&self, stack: &str) -> BTreeMap<String, (String, String)> {
        let ask = json!({"Path": format!("/{stack}"), "WithDecryption": true});
        let request = reqwest::Client::new().post(&self.aws_endpoint_url).json(&ask);
        // What tells the emulator which service is meant; it checks no signature.
        let scope =
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ssm/aws4_request, SignedHeaders=host, Signature=0";
        let request = request.header("x-amz-target", "AmazonSSM.GetParametersByPath").header("authorization", scope);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let text = |parameter: &Value, field: &str| parameter[field].as_str().unwrap().to_owned();
        let parameters = answer["Parameters"].as_array().unwrap().iter();
        parameters.map(|found| (text(found, "Name"), (text(found, "Type"), text(found, "Value")))).collect()
    }

    /// Calls a function of the stack by itself, as the Scheduler does; the status and the answer.
    pub async fn invoke(&self, function: &str, event: &Value) -> (u16, Value) {
        let url = format!("{}/2015-03-31/functions/{}-{function}/invocations", self.aws_endpoint_url, self.stack_name);
        let answer = reqwest::Client::new().post(url).json(event).send().await.unwrap();
        let failed = answer.headers().contains_key("x-amz-function-error");
        let status = if failed { 500 } else { answer.status().as_u16() };
        (status, answer.json().await.unwrap_or_default())
    }

    /// Changes one variable of a deployed function, which makes its environments start anew; returns
    /// the value from before.
    pub async fn set_variable(&self, function: &str, name: &str, value: &str) -> String {
        let url =
            format!("{}/2015-03-31/functions/{}-{function}/configuration", self.aws_endpoint_url, self.stack_name);
        let client = reqwest::Client::new();
        let configuration: Value = client.get(&url).send().await.unwrap().json().await.unwrap();
        let mut variables = configuration["Environment"]["Variables"].clone();
        let before = variables[name].as_str().unwrap_or_default().to_owned();
        variables[name] = value.into();
        let set = client.put(&url).json(&json!({"Environment": {"Variables": variables}})).send().await.unwrap();
        assert!(set.status().is_success(), "{set:?}");
        before
    }

    /// Variables by which a function finds the emulator.
    pub fn aws_variables(&self) -> Vec<(&str, &str)> {
        vec![
            ("AWS_ENDPOINT_URL", &self.aws_endpoint_url),
            ("EVENTS_QUEUE_URL", &self.events_queue_url),
            ("NOTIFICATIONS_QUEUE_URL", &self.notifications_queue_url),
        ]
    }
}

async fn connect(uri: &str) -> Client {
    let mut options = ClientOptions::parse(uri).await.unwrap();
    options.server_selection_timeout = Some(Duration::from_secs(10));
    Client::with_options(options).unwrap()
}

/// Connections that the server counts now.
pub async fn connections(database: &Database) -> i64 {
    connections_of(database, "current").await
}

/// Connections that it has taken since its start.
pub async fn connections_created(database: &Database) -> i64 {
    connections_of(database, "totalCreated").await
}

async fn connections_of(database: &Database, what: &str) -> i64 {
    let status = database.run_command(doc! {"serverStatus": 1}).await.unwrap();
    let number = status.get_document("connections").unwrap().get(what).unwrap();
    number.as_i64().or(number.as_i32().map(i64::from)).unwrap()
}

/// Empties a numbered database of Redis.
pub async fn flush(redis_url: &str) {
    // The library's own limits, half a second and one, are too short on a machine that a test saturates.
    let patient = Some(Duration::from_secs(30));
    let config = AsyncConnectionConfig::new().set_connection_timeout(patient).set_response_timeout(patient);
    let client = redis::Client::open(redis_url).unwrap();
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    let _: () = redis::cmd("FLUSHDB").query_async(&mut connection).await.unwrap();
}

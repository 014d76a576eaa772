//! A Lambda Runtime API for one function: runs the real binary with an environment of the test's
//! choosing, hands it events one at a time, and can retire it as Lambda does.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap, VecDeque},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{self, DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use local::deploy::SMS_COUNTRIES;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use shared::{auth::Tokens, keys::Seed};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
    time::timeout,
};

use crate::{cpu_share::CpuShare, root};

/// What the function made of an event.
#[derive(Debug)]
pub enum Outcome {
    Response(Value),
    Error(Value),
}

type Answers = Mutex<HashMap<String, oneshot::Sender<Outcome>>>;

struct Api {
    events: AsyncMutex<mpsc::Receiver<(String, Value)>>,
    answers: Answers,
    first_poll: Mutex<Option<oneshot::Sender<()>>>,
    /// The trace of what it is given.
    trace: Mutex<String>,
    /// When the function was given its last event, and how long it had it.
    given: Mutex<Instant>,
    took: Mutex<Duration>,
}

/// What a function needs of a deployment's secrets.
pub const SECRETS: [(&str, &str); 6] = [
    ("SIGNING_SEED", "the signing seed of the tests (32 or more)"),
    ("AUTH_PEPPER", "the pepper seed of the tests (32 or more)"),
    ("MFA_SEED", "the factors' seed of the tests (32 or more)"),
    ("VAULT_SEED", "the vault's seed of the tests (32 or more)"),
    ("AUDIT_SEED", "the audit log's seed of the tests (32 or more)"),
    ("APP_URL", "https://app.example.com"),
];

/// By what functions check access tokens that others of the tests' functions have made.
static TOKEN_KEYS: LazyLock<String> = LazyLock::new(|| Tokens::new(&seed("SIGNING_SEED"), None).public().text());

/// The value of [`TOKEN_KEYS`].
pub fn token_keys() -> &'static str {
    &TOKEN_KEYS
}

/// The seed that functions have in this variable.
pub fn seed(variable: &str) -> Seed {
    let found = SECRETS.iter().find(|(name, _)| *name == variable);
    Seed::from(found.unwrap_or_else(|| panic!("the tests set no {variable}")).1)
}

/// Marks of what no log line and no answer may hold: hashes, codes of secrets, addresses, tokens, seeds. An
/// address is looked for by the domain that the tests use. What one test alone knows is a [`keep_secret`].
const NEVER_LOGGED: [&str; 10] = [
    "$argon2",
    "$2b$",
    "@example.com",
    "eyJ",
    "rt_",
    "Secret123",
    "sk-provider",
    "Hmac",
    "mongodb://",
    "seed of the tests",
];
const NEVER_ANSWERED: [&str; 8] =
    ["$argon2", "$2b$", "passwordHash", "Hmac", "Secret123", "sk-provider", "mongodb://", "seed of the tests"];

/// Answers that a new secret is looked for in.
const REMEMBERED: usize = 256;

/// What the running test knows that nobody else may, and what its functions answered last.
#[derive(Default)]
struct Known {
    secrets: BTreeSet<String>,
    answers: VecDeque<String>,
}

thread_local! {
    /// A test has a thread of its own.
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// Marks what no answer has told and none may tell, and no log line may hold: a code, a password, a number.
pub fn keep_secret(value: &str) {
    remember(value, 0);
}

/// As [`keep_secret`], for what one answer has to tell: a token, a key, a recovery code. It does so once.
pub fn told_once(value: &str) {
    remember(value, 1);
}

/// What was told once may be told again: a refresh token, to whoever repeats the request that it answers.
pub fn may_be_told_again(value: &str) {
    KNOWN.with_borrow_mut(|known| known.secrets.remove(value));
}

fn remember(value: &str, answers: usize) {
    assert!(value.len() >= 6, "too short to be looked for: {value:?}");
    KNOWN.with_borrow_mut(|known| {
        if known.secrets.insert(value.to_owned()) {
            let telling: Vec<_> = known.answers.iter().filter(|answer| holds(answer, value)).collect();
            assert_eq!(telling.len(), answers, "answers that tell {value}: {telling:?}");
        }
    });
}

/// A code is looked for as a word: in a longer number, or after a point, it is there by chance.
fn holds(text: &str, value: &str) -> bool {
    let is_code = value.len() <= 8 && value.bytes().all(|byte| byte.is_ascii_digit());
    text.match_indices(value).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + value.len()..]);
        let within = before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '.')
            || after.starts_with(|c: char| c.is_ascii_alphanumeric());
        !(is_code && within)
    })
}

/// One warm environment.
pub struct Function {
    child: Child,
    events: mpsc::Sender<(String, Value)>,
    api: Arc<Api>,
    logs: Arc<Mutex<Vec<String>>>,
    /// From start to the first request for work.
    pub init: Duration,
}

/// The binary that was built for the local stack.
pub fn binary(name: &str) -> PathBuf {
    root().join(".local/functions").join(name).join("bootstrap")
}

impl Function {
    /// Starts `name` with these variables and nothing else of the bundle's.
    pub async fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_binary(&binary(name), name, variables).await
    }

    /// As [`Function::start`], from another build.
    pub async fn start_binary(binary: &Path, name: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_command(Command::new(binary), name, variables).await
    }

    /// As [`Function::start_binary`], on as much of a processor as Lambda gives it; a program may have arguments.
    pub async fn start_on(share: &CpuShare, program: &[&Path], name: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(share.members()).args(program);
        let function = Self::start_command(command, name, variables).await;
        share.confine().unwrap();
        function
    }

    async fn start_command(mut command: Command, name: &str, variables: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, receiver) = mpsc::channel(1);
        let (polled, first_poll) = oneshot::channel();
        let api = Arc::new(Api {
            events: AsyncMutex::new(receiver),
            answers: Answers::default(),
            first_poll: Mutex::new(Some(polled)),
            trace: Mutex::default(),
            given: Mutex::new(Instant::now()),
            took: Mutex::default(),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2020-01-01/extension/register", post(register))
            .route("/2020-01-01/extension/event/next", get(std::future::pending::<()>))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&api));
        tokio::spawn(async move { axum::serve(listener, router).await });

        let started = Instant::now();
        let mut child = command
            .env_clear()
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
                ("AWS_LAMBDA_FUNCTION_NAME", name),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("RUST_LOG", "info"),
                ("SMS_COUNTRIES", SMS_COUNTRIES),
                ("EVENTS_QUEUE_URL", "http://127.0.0.1:1/000000000000/events"),
                ("NOTIFICATIONS_QUEUE_URL", "http://127.0.0.1:1/000000000000/notifications"),
            ])
            .envs(SECRETS)
            .env("TOKEN_KEYS", &*TOKEN_KEYS)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}; run `cargo local test`, which builds it"));
        let logs = Arc::default();
        keep_lines(child.stderr.take().unwrap(), &logs);
        keep_lines(child.stdout.take().unwrap(), &logs);
        let ready = timeout(Duration::from_secs(10), first_poll).await;
        assert!(matches!(ready, Ok(Ok(()))), "{name} did not start: {:?}", logs.lock().unwrap());
        Self { child, events, api, logs, init: started.elapsed() }
    }

    /// One invocation.
    pub async fn invoke(&self, event: Value) -> Outcome {
        let id = uuid::Uuid::now_v7().to_string();
        let (sender, receiver) = oneshot::channel();
        self.api.answers.lock().unwrap().insert(id.clone(), sender);
        self.events.send((id, event)).await.unwrap();
        let outcome = timeout(Duration::from_mins(1), receiver).await;
        outcome.unwrap_or_else(|_| panic!("no answer: {:?}", self.logs())).unwrap()
    }

    /// Has the coming invocations be of this trace.
    pub fn trace(&self, root: &str) {
        *self.api.trace.lock().unwrap() = format!("Root={root};Parent=53995c3f42cd8ad8;Sampled=0");
    }

    /// How long the function had the last event: without what the caller does before and after.
    pub fn took(&self) -> Duration {
        *self.api.took.lock().unwrap()
    }

    /// Everything it wrote so far.
    pub fn logs(&self) -> Vec<String> {
        self.logs.lock().unwrap().clone()
    }

    /// The JSON lines with this metric.
    pub fn metric(&self, name: &str) -> Vec<Value> {
        self.figure(name).into_iter().filter(|line| line.get("_aws").is_some()).collect()
    }

    /// The JSON lines with this field.
    pub fn figure(&self, name: &str) -> Vec<Value> {
        let lines = self.logs().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        lines.filter(|line| line.get(name).is_some()).collect()
    }

    /// How often it counted this incident.
    pub fn incidents(&self, name: &str) -> usize {
        self.metric("Incidents").iter().filter(|line| line["incident"] == name).count()
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// CPU time that it has used, all threads together.
    pub fn cpu(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let nanoseconds = threads.map(|thread| {
            let times = std::fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
            times.split(' ').next().unwrap().parse::<u64>().unwrap()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// The most memory that it held so far.
    pub fn peak_memory_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    /// As Lambda retires an environment: SIGTERM, and SIGKILL after half a second. Tells whether it
    /// ended by itself.
    pub async fn retire(mut self) -> bool {
        self.signal(Signal::TERM);
        let ended = timeout(Duration::from_millis(500), self.child.wait()).await.is_ok();
        self.child.kill().await.ok();
        ended
    }

    /// Ends it as a lost host does: at once, whatever it was doing.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Stands still, as between two invocations, until [`Function::thaw`].
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().cast_signed()).unwrap();
        // One that has ended by itself is not there any more.
        kill_process(pid, signal).ok();
    }
}

impl Drop for Function {
    /// Whatever a test is about: nothing that it made the function write may hold a secret.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.logs().iter().for_each(|line| holds_no_secret(line));
        }
    }
}

/// Panics when a log line holds what it must not.
pub fn holds_no_secret(line: &str) {
    let platform_key = line.match_indices("pk_").any(|(at, _)| line[at..].matches('_').count() >= 3);
    let leaked = NEVER_LOGGED.iter().find(|mark| line.contains(**mark));
    assert!(leaked.is_none() && !platform_key, "a log line holds {leaked:?}: {line}");
    let leaked = KNOWN.with_borrow(|known| known.secrets.iter().find(|secret| holds(line, secret)).cloned());
    assert!(leaked.is_none(), "a log line holds {leaked:?}: {line}");
}

/// Panics when an answer holds what it must not; remembers it for what the test learns later.
pub fn answers_no_secret(text: &str) {
    let leaked = NEVER_ANSWERED.iter().find(|mark| text.contains(**mark));
    assert!(leaked.is_none(), "an answer holds {leaked:?}: {text}");
    KNOWN.with_borrow_mut(|known| {
        let leaked = known.secrets.iter().find(|secret| holds(text, secret));
        assert!(leaked.is_none(), "an answer holds {leaked:?}, which is not for it to tell: {text}");
        known.answers.truncate(REMEMBERED - 1);
        known.answers.push_front(text.to_owned());
    });
}

/// Tries to start a function that must refuse to; returns what it wrote.
pub async fn refuses_to_start(name: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new(binary(name))
        .env_clear()
        .envs([("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"), ("AWS_LAMBDA_FUNCTION_NAME", name)])
        .envs(SECRETS)
        .env("TOKEN_KEYS", &*TOKEN_KEYS)
        .envs(variables.iter().copied())
        .output();
    let output = timeout(Duration::from_secs(5), output).await.expect("it goes on running").unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn keep_lines(stream: impl AsyncRead + Send + Unpin + 'static, logs: &Arc<Mutex<Vec<String>>>) {
    let logs = Arc::clone(logs);
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            logs.lock().unwrap().push(line);
        }
    });
}

async fn next(State(api): State<Arc<Api>>) -> impl IntoResponse {
    if let Some(polled) = api.first_poll.lock().unwrap().take() {
        polled.send(()).ok();
    }
    let event = api.events.lock().await.recv().await;
    let Some((id, event)) = event else { return StatusCode::GONE.into_response() };
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", "9999999999999".into()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:test".into()),
        ("lambda-runtime-trace-id", api.trace.lock().unwrap().clone()),
    ];
    let event = event.to_string();
    *api.given.lock().unwrap() = Instant::now();
    (headers, event).into_response()
}

async fn response(State(api): State<Arc<Api>>, extract::Path(id): extract::Path<String>, body: Bytes) -> StatusCode {
    *api.took.lock().unwrap() = api.given.lock().unwrap().elapsed();
    settle(&api, &id, Outcome::Response(serde_json::from_slice(&body).unwrap()))
}

async fn error(State(api): State<Arc<Api>>, extract::Path(id): extract::Path<String>, body: Bytes) -> StatusCode {
    settle(&api, &id, Outcome::Error(serde_json::from_slice(&body).unwrap()))
}

fn settle(api: &Api, id: &str, outcome: Outcome) -> StatusCode {
    if let Some(waiting) = api.answers.lock().unwrap().remove(id) {
        waiting.send(outcome).ok();
    }
    StatusCode::ACCEPTED
}

async fn register() -> (HeaderMap, Json<Value>) {
    let headers = HeaderMap::from_iter([("lambda-extension-identifier".parse().unwrap(), "test".parse().unwrap())]);
    (headers, Json(json!({"functionName": "test", "functionVersion": "1", "handler": "bootstrap"})))
}

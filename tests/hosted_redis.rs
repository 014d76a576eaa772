//! A hosted Redis, with TLS and a password: each environment has one connection to it, and each route sends it few
//! commands, since free tiers count both. Without it everything still works.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use futures_util::StreamExt;
use local::{
    install,
    template::{self, Function},
};
use redis::aio::MultiplexedConnection;
use tests::{certificate, content::starter_prompt, host::Outcome, requests::Scene, stack::stack, test_env::TestEnv};

const PASSWORD: &str = "hosted-hunter2";
/// A person's own pages read the account's copy, and count the call: what a free tier has to carry most often.
const READING_COMMANDS: usize = 1;
/// No route sends more for a caller whom it knows.
const MOST_COMMANDS: usize = 12;

/// A Redis server that takes TLS and a password, and nothing else. It ends with this value.
struct Hosted {
    port: u16,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Hosted {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Hosted {
    /// `None` where there is no Redis.
    async fn start() -> Option<Self> {
        let (program, folder) = (install::redis()?, tempfile::tempdir().unwrap());
        let (certificate, key) = certificate::of_localhost(folder.path());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let number = port.to_string();
        let network = ["--bind", "127.0.0.1", "--port", "0", "--tls-port", &number, "--tls-auth-clients", "no"];
        let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &certificate];
        let mut command = Command::new(program);
        command.args(network).args(files).args(["--requirepass", PASSWORD, "--save", "", "--appendonly", "no"]);
        command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let hosted = Self { port, process: command.spawn().unwrap(), _folder: folder };
        tests::eventually("the server", 30, async || hosted.connection().await).await;
        Some(hosted)
    }

    /// As its owner has it from the provider. A real one has a certificate that the public roots vouch for; `#insecure`
    /// stands for that, and only builds with the tests know it.
    fn url(&self, password: &str) -> String {
        format!("rediss://default:{password}@localhost:{}/#insecure", self.port)
    }

    async fn connection(&self) -> Option<MultiplexedConnection> {
        redis::Client::open(self.url(PASSWORD)).ok()?.get_multiplexed_async_connection().await.ok()
    }

    /// Connections that it has taken so far, and commands of each kind.
    async fn counts(&self) -> (u64, BTreeMap<String, u64>) {
        let mut connection = self.connection().await.unwrap();
        let text: String = redis::cmd("INFO").arg("everything").query_async(&mut connection).await.unwrap();
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let commands = text.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="));
        let number = |text: &str| text.split(',').next().unwrap().trim().parse::<u64>().unwrap();
        let commands = commands.map(|(name, rest)| (name.to_owned(), number(rest))).collect();
        (number(value("total_connections_received").unwrap()), commands)
    }
}

#[tokio::test]
async fn an_environment_has_one_connection_to_a_server_with_tls_and_a_password() {
    let Some(hosted) = Hosted::start().await else { return };
    let env = TestEnv::with(&hosted.url(PASSWORD), &stack().mongodb_uri).await;
    let scene = Scene::of_env(&env, 1, &starter_prompt()).await;
    let (before, _) = hosted.counts().await;
    // It connects while it starts.
    let function = env.function("auth-session").await;
    for n in 0..10 {
        let outcome = function.invoke(scene.work("auth-session", n).event()).await;
        assert!(matches!(&outcome, Outcome::Response(answer) if answer["statusCode"] == 200), "{outcome:?}");
    }
    let (after, commands) = hosted.counts().await;
    // Of the two, the later count's own connection is one.
    assert_eq!(after - before - 1, 1, "connections of one environment for ten requests");
    assert!(commands.contains_key("evalsha"), "the calls were counted there: {commands:?}");
}

/// The server's certificate is checked, a wrong password is refused, and neither keeps anybody from being answered.
#[tokio::test]
async fn a_server_that_cannot_be_trusted_or_refuses_is_done_without() {
    let Some(hosted) = Hosted::start().await else { return };
    let unvouched = hosted.url(PASSWORD).replace("/#insecure", "/");
    let wrong = hosted.url("wrong-hunter2");
    let plain = hosted.url(PASSWORD).replace("rediss:", "redis:").replace("/#insecure", "/");
    for url in [unvouched, wrong, plain] {
        let env = TestEnv::with(&url, &stack().mongodb_uri).await;
        let who = env.person(shared::roles::Role::User, None).await;
        let function = env.function("auth-session").await;
        let answer = function.get_as(&who.token, "/api/auth/session").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let logs = function.logs().join("\n");
        assert!(
            logs.contains("not connected to the cache while starting: using memory") && !logs.contains("hunter2"),
            "{logs}"
        );
    }
    let (_, commands) = hosted.counts().await;
    assert!(!commands.contains_key("evalsha") && !commands.contains_key("get"), "{commands:?}");
}

/// What a server is sent: every command of every client but those of scripts, which the sender does not send.
struct Monitor {
    lines: std::pin::Pin<Box<dyn futures_util::Stream<Item = String> + Send>>,
    own: MultiplexedConnection,
    number: String,
}

impl Monitor {
    async fn of(url: &str) -> Self {
        let client = redis::Client::open(url).unwrap();
        let own = client.get_multiplexed_async_connection().await.unwrap();
        let lines = client.get_async_monitor().await.unwrap().into_on_message::<String>();
        Self { lines: Box::pin(lines), own, number: url.rsplit('/').next().unwrap().to_owned() }
    }

    /// The commands since the last call, by name.
    async fn commands(&mut self) -> Vec<String> {
        let fence = uuid::Uuid::now_v7().simple().to_string();
        let _: String = redis::cmd("ECHO").arg(&fence).query_async(&mut self.own).await.unwrap();
        let mut commands = Vec::new();
        while let Some(line) = self.lines.next().await {
            if line.contains(&fence) {
                break;
            }
            // `1700000000.123456 [3 127.0.0.1:5555] "GET" "key"`; of a script, `[3 lua]`.
            let (whose, command) = line.split_once("] ").unwrap_or_default();
            let is_ours = whose.contains(&format!("[{} ", self.number)) && !whose.ends_with(" lua");
            commands.extend(is_ours.then(|| command.split('"').nth(1).unwrap_or_default().to_uppercase()));
        }
        commands
    }
}

/// The table of infra/README.md: `cargo local test -- commands_of_each_route --nocapture` prints it.
#[tokio::test]
async fn commands_of_each_route_are_few() {
    let Some(redis) = stack().own_redis().await else { return };
    let env = TestEnv::with(&redis, &stack().mongodb_uri).await;
    let scene = Scene::of_env(&env, 1, &starter_prompt()).await;
    let mut monitor = Monitor::of(&redis).await;
    println!("\n| function | commands of the first request | of the next | which |\n|---|---|---|---|");
    let is_cached = |function: &Function| function.has("REDIS_URL") && !function.routes.is_empty();
    for function in template::functions().iter().filter(|function| is_cached(function)) {
        let name = function.binary.as_str();
        let environment = env.function(name).await;
        let mut counts = Vec::new();
        let mut last = Vec::new();
        for n in 0..2 {
            monitor.commands().await;
            environment.invoke(scene.work(name, n).event()).await;
            last = monitor.commands().await;
            counts.push(last.len());
        }
        println!("| `{name}` | {} | {} | {} |", counts[0], counts[1], last.join(", "));
        assert!(counts[1] <= MOST_COMMANDS, "{name}: {last:?}");
        if name == "auth-session" {
            assert!(counts[1] <= READING_COMMANDS, "{name}: {last:?}");
        }
    }
}

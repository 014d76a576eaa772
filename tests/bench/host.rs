//! Functions on a host shaped like Lambda: a whole processor until the first invocation and what the function's memory
//! buys from then on, secrets in the Parameter Store, content in S3, MongoDB with TLS and SCRAM at a millisecond's
//! distance. Beside them a function that does nothing, and one of the old way: an insert by Node.js.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use local::{folder, install, root};
use mongodb::{Client, bson::doc, options::ClientOptions};
use serde_json::Value;
use tests::{
    certificate,
    content::starter_prompt,
    cpu_share::CpuShare,
    eventually,
    figures::{answered, percentile},
    host::Function,
    proxy::{NetworkFault, Proxy},
    requests::Scene,
    stack::stack,
    template::{self, functions},
    test_env::TestEnv,
};

use super::{functions::seed, millis, secrets};

const STACK: &str = "bench-of-host";
const STARTS: usize = 7;
const REQUESTS: usize = 40;
/// A job's run is long, and nobody waits for it.
const RUNS: usize = 3;
/// To MongoDB and back it takes twice as long: Atlas in the same region.
const WAY: Duration = Duration::from_millis(1);
/// At which the two peers run.
const PEERS_MB: u64 = 256;

/// A MongoDB that takes TLS and a password, and nothing else. It ends with this value.
struct Server {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    async fn start() -> Self {
        let (folder, program) = (tempfile::tempdir().unwrap(), folder("secantus/bin/secantusd-rs"));
        let (certificate, key) = certificate::of_localhost(folder.path());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(["--auth", "--port", &port.to_string(), "--cache-size", "256M", "--storage-path"]);
        command.arg(folder.path().join("data")).arg("--tls-cert-file").arg(certificate).arg("--tls-key-file").arg(key);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.expect("SecantusDB, which is built where there is no `mongod`");
        let server = Self { process, port, folder };
        let options = ClientOptions::parse(server.uri("", port)).await.unwrap();
        let admin = Client::with_options(options).unwrap().database("admin");
        let user = doc! {"createUser": "app", "pwd": "hunter2", "roles": [{"role": "root", "db": "admin"}]};
        eventually("the server", 30, async || admin.run_command(user.clone()).await.ok()).await;
        server
    }

    fn uri(&self, user: &str, port: u16) -> String {
        let certificate = self.folder.path().join("certificate.pem");
        format!("mongodb://{user}127.0.0.1:{port}/?directConnection=true&tls=true&tlsCAFile={}", certificate.display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a function is started and what it is asked.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) memory_mb: u64,
    pub(crate) program: Vec<&'a Path>,
    pub(crate) requests: usize,
    /// Between requests. Who follows at once waits until the share of the processor is there again.
    pub(crate) pause: Duration,
}

/// A function's figures: of its starts, the medians.
pub(crate) struct Figures {
    init: Duration,
    first: Duration,
    pub(crate) cold: Duration,
    /// Later requests.
    pub(crate) warm: Vec<Duration>,
    /// Of a processor, a later request.
    work: Duration,
    /// At most.
    pub(crate) used_mb: u64,
    opened: usize,
    kept: usize,
}

pub(crate) struct Host {
    _server: Server,
    env: TestEnv,
    proxy: Proxy,
    scene: Scene,
    references: Vec<(&'static str, String)>,
    edits: AtomicUsize,
    /// For what functions write: it must not take the place of what is served.
    files: tempfile::TempDir,
}

pub(crate) async fn print(build: &Path) {
    let host = Host::new().await;
    // Beside the packages that it is made of.
    let (node, script) = (install::find("node").unwrap(), folder("front_end/peer.mjs"));
    std::fs::copy(root().join("tests/front_end/peer.mjs"), &script).unwrap();
    let old = Subject {
        name: "peer",
        memory_mb: PEERS_MB,
        program: vec![&node, &script],
        requests: REQUESTS,
        pause: Duration::ZERO,
    };
    let old = host.figures(&old).await;
    println!("\nmedians of {STARTS} starts and {REQUESTS} requests; in brackets: by that of the old way");
    println!(
        "\n| function | MB | init + first, ms | cold, ms | warm p50, ms | p99, ms | mean (`ServiceMs`) | processor, ms | sockets opened, kept |\n|---|---|---|---|---|---|---|---|---|"
    );
    line("the old way, Node.js: an insert", PEERS_MB, &old, &old, None);
    let minimal = build.join("minimal/bootstrap");
    let least = Subject {
        name: "minimal",
        memory_mb: PEERS_MB,
        program: vec![&minimal],
        requests: REQUESTS,
        pause: Duration::ZERO,
    };
    line("`minimal`, which only answers", PEERS_MB, &host.figures(&least).await, &old, None);
    let mut too_low = Vec::new();
    for template::Function { binary, memory_mb, routes, budget, .. } in functions() {
        let program = build.join(&binary).join("bootstrap");
        let requests = if routes.is_empty() { RUNS } else { REQUESTS };
        let subject = Subject { name: &binary, memory_mb, program: vec![&program], requests, pause: Duration::ZERO };
        let (figures, stated) = (host.figures(&subject).await, budget.map(|(_, service_ms)| service_ms));
        line(&format!("`{binary}`"), memory_mb, &figures, &old, stated);
        if stated.is_some_and(|stated| figures.mean_ms() > stated) {
            too_low.push(binary);
        }
    }
    if !too_low.is_empty() {
        println!("\na call takes longer than the template's Budget says: {}", too_low.join(", "));
    }
}

impl Figures {
    /// Of the later requests: how long a call keeps its environment. `ServiceMs` must not be less.
    fn mean_ms(&self) -> f64 {
        self.warm.iter().map(|time| millis(*time)).sum::<f64>() / self.warm.len() as f64
    }
}

impl Host {
    pub(crate) async fn new() -> Self {
        let server = Server::start().await;
        let proxy = Proxy::to(format!("127.0.0.1:{}", server.port)).await;
        let uri = |port| server.uri("app:hunter2@", port);
        let env = TestEnv::of(stack().on(uri(server.port))).await.by_way_of(uri(proxy.port));
        seed(&env).await;
        let scene = Scene::of_env(&env, 4, &starter_prompt()).await;
        let references = secrets::store(&env, STACK).await;
        proxy.set(NetworkFault::Late(WAY));
        let (edits, files) = (AtomicUsize::new(0), tempfile::tempdir().unwrap());
        Self { _server: server, env, proxy, scene, references, edits, files }
    }

    pub(crate) async fn start(&self, subject: &Subject<'_>, share: &CpuShare) -> Function {
        let mut variables = self.env.variables();
        let own = format!("file://{}", self.files.path().display());
        let content = if subject.name == "export-content" { &own } else { &self.env.stack.content_url };
        variables.extend([("CONTENT_URL", content.as_str()), ("AUDIT_DIGESTS_URL", &own)]);
        // The peer reads no parameters.
        if subject.name != "peer" {
            variables.extend(self.references.iter().map(|(name, reference)| (*name, reference.as_str())));
        }
        Function::start_on(share, &subject.program, subject.name, &variables).await
    }

    pub(crate) fn request(&self, name: &str, n: usize) -> Value {
        // Each is of the revision that the one before made.
        let n = if name == "prompt-edit" { self.edits.fetch_add(1, Ordering::Relaxed) } else { n };
        self.scene.work(if name == "peer" { "minimal" } else { name }, n).event()
    }

    pub(crate) async fn figures(&self, subject: &Subject<'_>) -> Figures {
        let share = CpuShare::of_memory(subject.memory_mb).expect("control groups: this needs root");
        let (mut inits, mut firsts, mut colds) = (Vec::new(), Vec::new(), Vec::new());
        for n in 1..STARTS {
            let share = CpuShare::of_memory(subject.memory_mb).unwrap();
            self.env.forget_everything().await;
            let function = self.start(subject, &share).await;
            let first = answered(&function, self.request(subject.name, n)).await;
            inits.push(function.init);
            firsts.push(first);
            colds.push(function.init + first);
            function.retire().await;
        }
        self.env.forget_everything().await;
        let before = self.proxy.total();
        let function = self.start(subject, &share).await;
        answered(&function, self.request(subject.name, 0)).await;
        let (opened, cpu) = (self.proxy.total() - before, function.cpu());
        let mut warm = Vec::new();
        for n in 1..=subject.requests {
            tokio::time::sleep(subject.pause).await;
            warm.push(answered(&function, self.request(subject.name, n)).await);
        }
        let work = function.cpu().saturating_sub(cpu) / u32::try_from(subject.requests).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (kept, used_mb) = (self.proxy.open(), function.peak_memory_mb());
        function.retire().await;
        eventually("its sockets are closed", 10, async || (self.proxy.open() == 0).then_some(())).await;
        let [init, first, cold] = [&mut inits, &mut firsts, &mut colds].map(|times| percentile(times, 50));
        Figures { init, first, cold, warm, work, used_mb, opened, kept }
    }
}

fn line(name: &str, memory_mb: u64, figures: &Figures, old: &Figures, stated: Option<f64>) {
    let (mean, stated) = (figures.mean_ms(), stated.map_or_else(|| "–".to_owned(), |stated| stated.to_string()));
    let Figures { init, first, cold, warm, work, opened, kept, .. } = figures;
    let warm = |percent| millis(percentile(&mut warm.clone(), percent));
    println!(
        "| {name} | {memory_mb} | {:.0} + {:.1} | {:.0} (1/{:.0}) | {:.1} (1/{:.0}) | {:.1} | {mean:.1} ({stated}) | {:.2} | {opened}, {kept} |",
        millis(*init),
        millis(*first),
        millis(*cold),
        millis(old.cold) / millis(*cold),
        warm(50),
        millis(percentile(&mut old.warm.clone(), 50)) / warm(50),
        warm(99),
        millis(*work),
    );
}

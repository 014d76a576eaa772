//! From source to a deployed stack: build, start the servers, deploy, fill.

use std::{collections::BTreeMap, fs, path::Path, process::Command, thread};

use anyhow::{Context, anyhow, ensure};
use serde::Deserialize;
use serde_json::json;

use crate::{
    changes::Sources,
    compile::{self, Build},
    folder,
    install::{self, For},
    root,
    server::{AWS_PORT, MONGODB_PORT, REDIS_PORT, end, free_port, spawn},
    state::State,
    step::{beside, openly, quietly, step},
    template,
};

/// As in `samconfig.toml`.
const STACK: &str = "promptlib";
/// Where e-mails come from; the emulator takes it for verified once it is told of it.
pub const SENDER_EMAIL: &str = "promptlib@example.com";
/// Whose numbers count as reachable: the tests' are Swiss.
pub const SMS_COUNTRIES: &str = "41";
/// A front end with this secret, cookie and address has sessions that count here: the tests make such cookies.
pub const AUTH_JS_SECRET: &str = "the secret of a front end, for tests";
pub const AUTH_JS_COOKIE: &str = "next-auth.session-token";
pub const AUTH_JS_ORIGIN: &str = "http://127.0.0.1:3100";
/// Of these, what `cargo db auth-js-key` prints.
const AUTH_JS_KEY: &str = "SM8LIZ-o7uCuKlGDThiamjJk4tjYmEv23QsiMUYOlEJwivbpQQIALh5LppCd8e80FuXcp9FjcTZgiLAu1d7tLw";

/// What a stack's database holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// What it held when it was stopped.
    Kept,
    /// That, and the starter content.
    Seeded,
    /// The starter content alone: another database, made anew.
    OfTests,
}

/// Which functions to build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Functions {
    All,
    /// Those whose sources changed since they were packed: linking 48 binaries that stay as they were takes a minute.
    Changed,
}

/// The API's document, as it is kept in the repository.
pub const DOCUMENT: &str = "functions/openapi.json";

/// What the sources were when the functions were packed.
const PACKED: &str = "packed.json";

/// Installs the tools that are missing.
pub fn tools(what: For) -> anyhow::Result<()> {
    install::debian(what)?;
    install::build_tools()?;
    install::python_tools(what)?;
    if what == For::Testing { install::node_tools() } else { Ok(()) }
}

/// Installs and builds what is missing, side by side: the functions, the MongoDB server, the tools.
pub fn prepare(what: For, functions: Functions) -> anyhow::Result<()> {
    fs::create_dir_all(folder("data"))?;
    install::debian(what)?;
    install::build_tools()?;
    let server = install::mongodb_build()?;
    let builds_server = server.is_some();
    let sources = Sources::now()?;
    let programs = match functions {
        Functions::All => sources.programs(),
        Functions::Changed => changed(&sources),
    };
    let mut builds = vec![Build("functions", build_command(what, &programs))];
    builds.extend(server);
    thread::scope(|scope| {
        let tools = scope.spawn(|| install::python_tools(what));
        compile::side_by_side(builds)?;
        tools.join().map_err(|_| anyhow!("installing the tools failed"))?
    })?;
    if builds_server {
        install::mongodb_was_built()?;
    }
    pack()?;
    sources.keep(PACKED)
}

/// The programs whose sources changed since they were packed, and those whose binaries are gone.
fn changed(sources: &Sources) -> Vec<String> {
    let changed = sources.programs_changed(Sources::kept(PACKED).as_ref());
    let is_stale = |name: &String| changed.contains(name) || !root().join("target/debug").join(name).exists();
    sources.programs().into_iter().filter(is_stale).collect()
}

/// By the linter of `CloudFormation` and by SAM's own.
pub fn check_template() -> anyhow::Result<()> {
    let template = "infra/template.yaml";
    beside("checking the template", || {
        openly(Command::new(folder("sam/bin/cfn-lint")).arg(template).current_dir(root()))?;
        let sam = |arguments: &[&str]| {
            let mut command = Command::new(folder("sam/bin/sam"));
            command.args(arguments).args(["--region", "us-east-1", "--template-file", template]);
            quietly(command.env("SAM_CLI_TELEMETRY", "0").current_dir(root()))
        };
        sam(&["validate", "--lint"])?;
        // Its functions are built already: it takes the template, and leaves them.
        sam(&["build", "--build-dir", &folder("sam-build").display().to_string()]).map(drop)
    })
}

/// These programs for this machine. Plain cargo: `cargo lambda` names a target, which keeps a second copy of every
/// dependency. Without `--package`: see `.cargo/config.toml`.
fn build_command(what: For, programs: &[String]) -> Command {
    let mut command = Command::new("cargo");
    command.arg("build").current_dir(root());
    for program in programs {
        command.args(["--bin", program]);
    }
    if what == For::Testing {
        command.args(["--test", "e2e", "--bin", "operate"]);
    }
    command
}

/// The name of every function: of its binary, and of its source file.
pub fn functions() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for package in ["routes", "consumers", "jobs"] {
        for file in fs::read_dir(root().join("functions").join(package).join("src/bin"))? {
            names.extend(file?.file_name().to_string_lossy().strip_suffix(".rs").map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}

fn pack() -> anyhow::Result<()> {
    // What is packed now may be of sources that nobody noted.
    let _ = fs::remove_file(folder(PACKED));
    step("packing the functions", || python("pack.py", None, &["debug", ".local/functions"]).map(drop))
}

/// Starts the servers and deploys what was built; what was started is in the state even when a later step fails.
pub fn up(state: &mut State, data: Data) -> anyhow::Result<()> {
    start_emulator(state)?;
    start_databases(state, data)?;
    helper(state, &["prepare", SENDER_EMAIL])?;
    make_secrets(state)?;
    deploy(state)?;
    state.save()?;
    if data == Data::Kept { apply(state) } else { fill(state) }
}

/// Builds one function and puts it into the running stack, in place of the one before.
pub fn replace(state: &State, function: &str) -> anyhow::Result<()> {
    let is_known = functions()?.iter().any(|name| name == function);
    ensure!(is_known, "there is no function {function}: `cargo local settings` lists them");
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--bin", function]).current_dir(root());
    step(&format!("building {function}"), || openly(&mut command))?;
    pack()?;
    step("deploying it", || helper(state, &["replace", STACK, function]).map(drop))
}

/// Writes the API's document, which is compared in review, as the function `openapi` makes it of the handlers.
pub fn write_document() -> anyhow::Result<()> {
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--bin", "openapi"]).current_dir(root());
    step("building openapi", || openly(&mut build))?;
    let document = quietly(Command::new(root().join("target/debug/openapi")).arg("--print"))?;
    Ok(fs::write(root().join(DOCUMENT), document)?)
}

/// The template with the zips of this machine's build, at addresses that the emulator reads from `.local/functions`.
/// Those that the template itself names are of a build for AWS: a deploy there must never find others in their place.
fn local_template() -> anyhow::Result<()> {
    let template = fs::read_to_string(root().join("infra/template.yaml"))?;
    fs::write(folder("template.yaml"), template.replace("../target/lambda/", "s3://sam-local/promptlib/"))?;
    Ok(())
}

/// GNU's linker leaves the unwinding tables of unused functions out, which LLVM's keeps: a sixth of a small function's
/// zip. LLVM's is the default on this target alone.
const RELEASE_FLAGS: Option<&str> =
    if cfg!(target_arch = "x86_64") { Some("-Clink-self-contained=-linker -Clink-arg=-fuse-ld=bfd") } else { None };

/// Builds every function as for AWS, but for this machine, into `target/bench`.
pub fn build_release() -> anyhow::Result<()> {
    step("building the functions for release", || {
        let packages = ["--package", "routes", "--package", "consumers", "--package", "jobs"];
        // One build, so that the function that all are compared with is made of the same parts.
        let targets = ["--bins", "--example", "minimal"];
        let mut command = Command::new("cargo");
        command.args(["build", "--release"]).args(packages).args(targets).current_dir(root());
        openly(command.envs(RELEASE_FLAGS.map(|flags| ("RUSTFLAGS", flags))))
    })?;
    step("packing them", || python("pack.py", None, &["release", "target/bench"]).map(drop))
}

fn start_emulator(state: &mut State) -> anyhow::Result<()> {
    let port = free_port(AWS_PORT)?;
    state.aws_endpoint_url = format!("http://127.0.0.1:{port}");
    let command = vec![
        folder("ministack/bin/python").display().to_string(),
        root().join("infra/local/run_ministack.py").display().to_string(),
    ];
    let mut variables = aws_variables(state);
    let scratch = folder("tmp");
    fs::create_dir_all(&scratch)?;
    variables.insert("TMPDIR".into(), scratch.display().to_string());
    variables.insert("GATEWAY_PORT".into(), port.to_string());
    variables.insert("BIND_HOST".into(), "127.0.0.1".into());
    step("starting the emulator of AWS", || start(state, "aws", command, variables, port))
}

fn start_databases(state: &mut State, data: Data) -> anyhow::Result<()> {
    if let Ok(uri) = std::env::var("MONGODB_URI") {
        state.mongodb_uri = uri;
    } else {
        let port = free_port(MONGODB_PORT)?;
        let command = mongodb_command(&install::mongodb(), port, data)?;
        step("starting MongoDB", || start(state, "mongodb", command, BTreeMap::new(), port))?;
        state.mongodb_uri = format!("mongodb://127.0.0.1:{port}/");
    }
    if let Ok(url) = std::env::var("REDIS_URL") {
        state.redis_url = Some(url);
    } else if let Some(program) = install::redis() {
        let port = free_port(REDIS_PORT)?;
        let (program, number) = (program.display().to_string(), port.to_string());
        let command = [&program, "--port", &number, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let command = command.map(str::to_owned).to_vec();
        step("starting Redis", || start(state, "redis", command, BTreeMap::new(), port))?;
        state.redis_url = Some(format!("redis://127.0.0.1:{port}"));
    }
    Ok(())
}

fn start(
    state: &mut State,
    name: &str,
    command: Vec<String>,
    variables: BTreeMap<String, String>,
    port: u16,
) -> anyhow::Result<()> {
    state.servers.insert(name.to_owned(), spawn(name, command, variables, port)?);
    state.save()
}

fn mongodb_command(program: &Path, port: u16, data: Data) -> anyhow::Result<Vec<String>> {
    let data = match data {
        Data::OfTests => {
            let data = folder("data/tests");
            // Tests leave hundreds of databases, which make each start slower.
            fs::remove_dir_all(&data).ok();
            data
        }
        Data::Kept | Data::Seeded => folder("data/mongodb"),
    };
    fs::create_dir_all(&data)?;
    let (data, port) = (data.display().to_string(), port.to_string());
    let folder_flag = if program.ends_with("mongod") { "--dbpath" } else { "--storage-path" };
    let mut command = vec![program.display().to_string(), "--port".into(), port, folder_flag.into(), data];
    if folder_flag == "--storage-path" {
        command.extend(["--cache-size".into(), "1G".into(), "--log-level".into(), "WARNING".into()]);
    }
    Ok(command)
}

/// What a deploy finds in the Parameter Store, made as for AWS. The emulator forgets it when it ends.
fn make_secrets(state: &State) -> anyhow::Result<()> {
    step("making the secrets", || {
        let mut command = Command::new(root().join("target/debug/db"));
        command.args(["secrets", "--stack", STACK]).current_dir(root());
        command.envs(aws_variables(state)).env("MONGODB_URI", &state.mongodb_uri).env("AUTH_JS_KEY", AUTH_JS_KEY);
        quietly(command.envs(state.redis_url.as_ref().map(|url| ("REDIS_URL", url)))).map(drop)
    })
}

/// `sam deploy`, as against AWS, then what the emulator leaves out of a template.
fn deploy(state: &mut State) -> anyhow::Result<()> {
    local_template()?;
    let architecture = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "x86_64" };
    let overrides = [
        "Target=local".to_owned(),
        format!("Architecture={architecture}"),
        format!("SenderEmail={SENDER_EMAIL}"),
        format!("SmsCountries={SMS_COUNTRIES}"),
        format!("PublicApiUrl={}", state.api_url),
        format!("AuthJsCookie={AUTH_JS_COOKIE}"),
        format!("AuthJsOrigins={AUTH_JS_ORIGIN}"),
    ];
    step("deploying the stack with sam", || {
        quietly(
            Command::new(folder("sam/bin/sam"))
                .args(["deploy", "--config-file", "../samconfig.toml", "--config-env", "local"])
                .args(["--template-file", "template.yaml", "--parameter-overrides"])
                .args(overrides)
                .current_dir(folder(""))
                .envs(aws_variables(state)),
        )
    })?;
    let left_out = json!({"functions": template::functions(), "api": template::api()}).to_string();
    let made = step("setting what the emulator leaves out", || helper(state, &["finish", STACK, &left_out]))?;
    let made: Made = serde_json::from_str(&made).context("what the stack consists of cannot be read")?;
    let output =
        |name: &str| made.outputs.get(name).cloned().with_context(|| format!("the stack has no output {name}"));
    state.stack_name = STACK.into();
    state.content_url = format!("s3://{}/content", output("ContentBucketName")?);
    state.events_queue_url = output("EventsQueueUrl")?;
    state.events_dlq_url = output("EventsDlqUrl")?;
    state.notifications_queue_url = output("NotificationsQueueUrl")?;
    state.notifications_dlq_url = output("NotificationsDlqUrl")?;
    state.upstream_url = format!("{}/_aws/execute-api/{}/$default", state.aws_endpoint_url, made.api_id);
    // For `cargo lambda watch`, which runs all functions with the same variables.
    let aws = aws_variables(state).into_iter().map(|(name, value)| format!("{name}={value}\n"));
    fs::write(folder("watch.env"), aws.collect::<String>() + &made.variables)?;
    Ok(())
}

/// What the helper tells of a deployed stack.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    outputs: BTreeMap<String, String>,
    api_id: String,
    /// Every variable of every function, a line each.
    variables: String,
}

/// What each function gets: the names of its variables.
pub fn settings(state: &State) -> anyhow::Result<String> {
    helper(state, &["settings", STACK])
}

fn apply(state: &State) -> anyhow::Result<()> {
    step("creating collections and indexes", || db(state, "apply"))
}

/// Indexes, starter content, published content.
pub fn fill(state: &State) -> anyhow::Result<()> {
    apply(state)?;
    step("importing the starter content", || db(state, "seed"))?;
    step("publishing the content", || db(state, "publish"))
}

fn db(state: &State, verb: &str) -> anyhow::Result<()> {
    let own =
        [("MONGODB_URI", state.mongodb_uri.as_str()), ("CONTENT_URL", &state.content_url), ("DB_NAME", "promptlib")];
    let mut command = Command::new(root().join("target/debug/db"));
    quietly(command.arg(verb).current_dir(root()).envs(aws_variables(state)).envs(own)).map(drop)
}

/// Calls a function of the stack; returns its answer, or what the function says of its failure.
pub fn invoke(state: &State, function: &str, event: &str) -> anyhow::Result<String> {
    helper(state, &["invoke", STACK, function, event])
}

/// The e-mails and text messages that were sent to people, the oldest first.
pub fn mail(state: &State) -> anyhow::Result<String> {
    helper(state, &["mail", &state.aws_endpoint_url])
}

/// A function's log lines.
pub fn logs(state: &State, function: &str) -> anyhow::Result<String> {
    helper(state, &["logs", STACK, function])
}

/// Stops everything that was started.
pub fn down(state: &State) {
    // The emulator first: its functions use the others.
    for name in ["aws", "redis", "mongodb"] {
        if let Some(server) = state.servers.get(name) {
            let _ = end(server);
        }
    }
    // What the emulator unpacked: gigabytes after a few runs.
    let _ = fs::remove_dir_all(folder("tmp"));
    let _ = fs::remove_file(folder("state.json"));
}

fn helper(state: &State, arguments: &[&str]) -> anyhow::Result<String> {
    python("helper.py", Some(state), arguments)
}

fn python(script: &str, state: Option<&State>, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(folder("ministack/bin/python"));
    command.arg(root().join("infra/local").join(script)).args(arguments).current_dir(root());
    if let Some(state) = state {
        command.envs(aws_variables(state));
    }
    quietly(&mut command)
}

fn aws_variables(state: &State) -> BTreeMap<String, String> {
    [
        ("AWS_ENDPOINT_URL", state.aws_endpoint_url.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("SAM_CLI_TELEMETRY", "0"),
        ("SAM_CLI_POLL_DELAY", "0.2"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

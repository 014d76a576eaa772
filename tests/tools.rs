//! What `cargo local` and `cargo db` say when something is wrong: one line, which tells what to do.

use std::{fs, net::TcpListener, path::Path, process::Command};

use local::root;
use serde_json::json;

/// Runs a tool as a terminal does that asks for backtraces; returns the one line of its error.
fn error_of(tool: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = Command::new(root().join("target/debug").join(tool))
        .args(arguments)
        .current_dir(root())
        .env("RUST_BACKTRACE", "1")
        .env_remove("MONGODB_URI")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{tool} {arguments:?} succeeds: {text}");
    let errors: Vec<_> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{tool} {arguments:?}: {text}");
    assert!(text.ends_with(&format!("{}\n", errors[0])), "{tool} {arguments:?} goes on after its error: {text}");
    for internal in ["Traceback", "panicked", "backtrace", "stack:", "Err value"] {
        assert!(!text.contains(internal), "{tool} {arguments:?}: {text}");
    }
    errors[0].trim_start_matches("error: ").to_owned()
}

fn local(arguments: &[&str]) -> String {
    error_of("local", arguments, &[])
}

/// As [`local`], with a `.local` of its own.
fn local_in(folder: &Path, arguments: &[&str], more: &[(&str, &str)]) -> String {
    let folder = folder.display().to_string();
    let mut variables = vec![("LOCAL_FOLDER", folder.as_str())];
    // Any free port: those of the stack that runs are taken.
    let ports = ["LOCAL_API_PORT", "LOCAL_MONGODB_PORT", "LOCAL_REDIS_PORT", "LOCAL_AWS_PORT"];
    variables.extend(ports.map(|variable| (variable, "0")));
    variables.extend(more);
    error_of("local", arguments, &variables)
}

#[test]
fn a_function_that_is_not_there_and_an_event_that_is_none_are_said() {
    for verb in ["invoke", "logs", "deploy"] {
        assert_eq!(local(&[verb, "nope"]), "there is no function nope: `cargo local settings` lists them", "{verb}");
    }
    assert!(local(&["invoke", "sweep", "--event", "{"]).starts_with("the event is not JSON: "));
    let at = local(&["invoke", "sweep", "--at", "yesterday"]);
    assert!(at.starts_with("sweep failed: the event must be ") && at.contains("`cargo local logs sweep`"), "{at}");
}

#[test]
fn a_second_stack_is_refused_before_anything_is_built() {
    for arguments in [&["up"][..], &["test"], &["bench", "storage"], &["fuzz"]] {
        assert_eq!(local(arguments), "a stack is running already: stop it with `cargo local down` first");
    }
    let set = error_of("local", &["test"], &[("MONGODB_URI", "mongodb://127.0.0.1:1")]);
    assert_eq!(set, "MONGODB_URI is set, and would be filled and emptied: unset it for this");
}

#[test]
fn without_a_stack_and_after_a_killed_one_each_verb_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    let verbs: [&[&str]; 6] =
        [&["status"], &["settings"], &["seed"], &["logs", "prompts"], &["invoke", "sweep"], &["deploy", "prompts"]];
    for verb in verbs {
        assert_eq!(local_in(folder.path(), verb, &[]), "nothing is running: start it with `cargo local up`");
    }
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let mut state = serde_json::to_value(local::state::State::default()).unwrap();
    state["pid"] = json!(child.id());
    fs::write(folder.path().join("state.json"), state.to_string()).unwrap();
    for verb in verbs {
        assert_eq!(local_in(folder.path(), verb, &[]), "the stack was killed: start it again with `cargo local up`");
    }
    fs::write(folder.path().join("state.json"), "{").unwrap();
    assert!(local_in(folder.path(), &["status"], &[]).starts_with("`.local/state.json` cannot be read: delete it"));
}

/// A folder with these programs of the PATH, and no other.
fn only(programs: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for program in programs {
        let found = local::install::find(program).unwrap();
        std::os::unix::fs::symlink(found, folder.path().join(program)).unwrap();
    }
    folder
}

#[test]
fn a_missing_tool_and_a_missing_network_are_named() {
    let (folder, tools) = (tempfile::tempdir().unwrap(), only(&["id"]));
    let path = tools.path().display().to_string();
    let without_tools = local_in(folder.path(), &["up"], &[("PATH", &path)]);
    assert!(without_tools.starts_with("install these first: ") && without_tools.contains("python3"), "{without_tools}");
    // A proxy that nobody listens at is what no network looks like to a package manager.
    let nowhere = "http://127.0.0.1:1";
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"];
    let mut proxy: Vec<_> = names.map(|name| (name, nowhere)).into();
    proxy.push(("PIP_RETRIES", "0"));
    let without_network = local_in(folder.path(), &["up"], &proxy);
    assert!(without_network.starts_with("installing uv failed: is the network there?"), "{without_network}");
}

#[test]
fn a_taken_port_is_named_and_how_to_choose_another() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let taken = local_in(folder.path(), &["up"], &[("LOCAL_API_PORT", &port)]);
    assert!(taken.starts_with(&format!("port {port} is taken: ")) && taken.contains("LOCAL_API_PORT"), "{taken}");
    let odd = local_in(folder.path(), &["up"], &[("LOCAL_API_PORT", "http")]);
    assert!(odd.starts_with("LOCAL_API_PORT must be a port number"), "{odd}");
}

#[test]
fn the_database_tool_names_what_is_missing_or_wrong() {
    let away = [("MONGODB_URI", "mongodb://127.0.0.1:1/?directConnection=true")];
    for verb in ["apply", "check", "seed", "publish"] {
        let missing = error_of("db", &[verb], &[]);
        assert!(missing.starts_with("the environment variable MONGODB_URI must be set to "), "{verb}: {missing}");
        let told = error_of("db", &[verb], &[away[0], ("CONTENT_URL", "file:///nowhere")]);
        assert!(told.contains("does the server run, is MONGODB_URI right"), "{verb}: {told}");
    }
    let folder = error_of("db", &["seed", "--from", "/no/such/folder"], &away);
    assert!(folder.starts_with("cannot read /no/such/folder/prompts.json: "), "{folder}");
    let address = error_of("db", &["promote", "nobody"], &away);
    assert!(address.starts_with("that is not an e-mail address"), "{address}");
    let seed = error_of("db", &["verify-audit"], &away);
    assert!(seed.contains("AUDIT_SEED"), "{seed}");
    let seeds = error_of("db", &["reseal"], &away);
    assert!(seeds.contains("VAULT_SEED"), "{seeds}");
    let digests =
        [away[0], ("AUDIT_SEED", "a seed of thirty-two characters!"), ("AUDIT_DIGESTS_URL", "http://hunter2@host")];
    let digests = error_of("db", &["verify-audit"], &digests);
    assert!(digests.contains("AUDIT_DIGESTS_URL") && !digests.contains("hunter2"), "{digests}");
    let malformed = error_of("db", &["check"], &[("MONGODB_URI", "postgres://user:hunter2@host")]);
    assert!(malformed.contains("MONGODB_URI") && !malformed.contains("hunter2"), "{malformed}");
}

#[test]
fn a_build_that_is_ended_from_outside_is_no_riddle() {
    let (folder, tools) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Everything is installed, and cargo does not get far.
    let markers = local::folder("installed");
    fs::create_dir_all(folder.path().join("installed")).unwrap();
    for marker in fs::read_dir(markers).unwrap() {
        let marker = marker.unwrap();
        fs::copy(marker.path(), folder.path().join("installed").join(marker.file_name())).unwrap();
    }
    let cargo = tools.path().join("cargo");
    fs::write(&cargo, "#!/bin/sh\nkill -TERM $$\n").unwrap();
    fs::set_permissions(&cargo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
    let ended = local_in(folder.path(), &["up"], &[("PATH", &path)]);
    assert_eq!(ended, "interrupted: what is built so far is kept");
}

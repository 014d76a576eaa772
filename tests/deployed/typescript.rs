//! The API's document in the hands of those who use it: tools read it without a complaint, and a front end lives by a
//! client that is made of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use local::{
    deploy::DOCUMENT,
    folder,
    step::{openly, quietly},
};
use tests::{callers::super_admin, root, stack::stack};

/// The clients, generated and compiled once: the folder that holds the programs.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    let (sources, source) = (folder("typescript/source"), root().join("tests/typescript"));
    let _ = fs::remove_dir_all(&sources);
    fs::create_dir_all(&sources).unwrap();
    let ours = fs::read_dir(source).unwrap().map(|file| file.unwrap().path());
    // The settings name files relative to themselves.
    for file in ours.chain([root().join("functions/client.ts"), root().join(DOCUMENT)]) {
        fs::copy(&file, sources.join(file.file_name().unwrap())).unwrap();
    }
    tool(&sources, "openapi-typescript", &["openapi.json", "--output", "openapi.ts"]);
    tool(&sources, "orval", &["--config", "orval.config.mjs"]);
    tool(&sources, "tsc", &["--project", "tsconfig.json"]);
    folder("typescript/built")
});

/// Runs a tool of `package.json` in a folder, without the internet.
fn tool(place: &Path, name: &str, arguments: &[&str]) {
    let mut command = Command::new(folder("typescript/node_modules/.bin").join(name));
    command.args(arguments).current_dir(place);
    command.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    openly(&mut command).unwrap_or_else(|error| panic!("{name}: {error:#}"));
}

#[test]
fn the_document_keeps_all_rules_of_the_linter() {
    let sources = root().join("tests/typescript");
    let document = root().join(DOCUMENT);
    let lint = ["lint", document.to_str().unwrap(), "--config", "redocly.yaml", "--format", "stylish"];
    let mut command = Command::new(folder("typescript/node_modules/.bin/redocly"));
    command.args(lint).current_dir(sources);
    command.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    let answer = command.output().unwrap();
    let said = [answer.stdout, answer.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(answer.status.success() && said.contains("Your API description is valid"), "{said}");
    assert!(!said.contains("warning "), "{said}");
}

#[test]
fn the_client_waits_repeats_and_refreshes_as_it_should() {
    quietly(Command::new("node").args(["--test", "client.test.js"]).current_dir(&*BUILT)).unwrap();
}

#[tokio::test]
async fn a_users_whole_life_goes_by_the_generated_client() {
    let stack = stack();
    stack.forget_rates().await;
    let mails = root().join("target/debug/local");
    node("life.js", &[("API_URL", &stack.api_url), ("MAILS", mails.to_str().unwrap())]);
}

#[tokio::test]
async fn the_docs_page_opens_in_a_browser_tries_requests_and_remembers_a_token_for_the_tab() {
    let stack = stack();
    stack.forget_rates().await;
    let token = super_admin(&stack).await.token;
    node("docs_page.js", &[("API_URL", &stack.api_url), ("TOKEN", &token)]);
}

/// Runs one of the compiled programs.
fn node(program: &str, settings: &[(&str, &str)]) {
    let mut command = Command::new("node");
    command.args(["--no-warnings", program]).current_dir(&*BUILT).envs(settings.iter().copied());
    openly(&mut command).unwrap_or_else(|error| panic!("{program}: {error:#}"));
}

//! `cargo smoke` finds nothing wrong with a healthy stack, and names what is wrong with one that is not.

use std::{fs, path::Path, process::Command};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use local::root;
use operate::{
    aws::Aws,
    smoke::{Account, Smoke, smoke},
    table::{Table, Trouble},
};
use serde_json::{Value, json};
use tests::{
    callers::sign_up,
    stack::{Stack, stack},
    test_env::PASSWORD,
};

/// What is wrong with a stack, who makes it so, the row that must name it, and a word that its finding must have.
struct Fault(&'static str, Spoil, &'static str, &'static str);

/// What becomes of the answer to a call, `GET /api/prompts`.
type Spoil = fn(&str, Response) -> Response;

/// A proxy in front of the stack's API that spoils answers; tells its address, and ends with the test's runtime.
async fn spoiled(stack: &Stack, faults: &'static [Fault]) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let upstream = stack.api_url.clone();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let router = Router::new().fallback(move |request: Request| {
        let (client, upstream) = (client.clone(), upstream.clone());
        async move {
            let (mut parts, body) = request.into_parts();
            let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
            parts.headers.remove(header::HOST);
            let body = to_bytes(body, usize::MAX).await.unwrap();
            let call = format!("{} {path}", parts.method);
            let sent = client.request(parts.method, format!("{upstream}{path}")).headers(parts.headers).body(body);
            let answer = sent.send().await.unwrap();
            let (status, mut headers) = (answer.status(), answer.headers().clone());
            headers.remove(header::TRANSFER_ENCODING);
            let answer = (status, headers, Body::from(answer.bytes().await.unwrap())).into_response();
            faults.iter().fold(answer, |answer, Fault(_, spoil, ..)| spoil(&call, answer))
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn wanted(api: &str, document: &Path) -> Smoke {
    Smoke {
        api: api.to_owned(),
        origin: "https://smoke.example".into(),
        stack: None,
        write: false,
        document: document.to_owned(),
    }
}

/// The stack's own document, in a file.
async fn document(stack: &Stack, folder: &Path) -> std::path::PathBuf {
    let file = folder.join("openapi.json");
    let text = reqwest::get(format!("{}/api/openapi.json", stack.api_url)).await.unwrap().text().await.unwrap();
    fs::write(&file, text).unwrap();
    file
}

async fn look_at(api: &str, document: &Path) -> Table {
    smoke(&wanted(api, document), None, None).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_stack_has_no_fault_and_an_event_arrives() {
    let (stack, folder) = (stack(), tempfile::tempdir().unwrap());
    stack.forget_rates().await;
    // It is due every minute, and the stack may be younger.
    stack.invoke("monitor-connections", &json!({})).await;
    let person = sign_up(&stack).await;
    let (email, password) = (person["email"].as_str().unwrap(), PASSWORD);
    let (account, aws) = (Account::new(email, password), Aws::emulated(&stack.aws_endpoint_url, "test").unwrap());
    let document = document(&stack, folder.path()).await;
    let asked = Smoke { stack: Some(stack.stack_name.clone()), ..wanted(&stack.api_url, &document) };
    let table = smoke(&asked, Some(&account), Some(&aws)).await.unwrap();
    let text = table.to_string();
    println!("{text}");
    assert_eq!(table.faults(), Vec::<&str>::new(), "{text}");
    for row in ["every route", "document: that of the build", "an event arrives", "functions", "log lines"] {
        assert!(matches!(table.row(row), Some(Ok(_))), "{row}: {text}");
    }
    for secret in [email, password, "Bearer", "eyJ"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// Each list at once: none of its faults hides another.
const FAULTS: [&[Fault]; 4] = [
    &[],
    &[
        Fault("another document", other_document, "document: that of the build", "info.title"),
        Fault("a missing route", missing_route, "every route", "POST /api/auth/login (404"),
        Fault("content from the backup", from_backup, "content: patterns", "backup"),
        Fault("an empty list", empty_list, "content: learning", "empty"),
        Fault("a method that is not allowed", without_a_method, "CORS: what a browser asks first", "PATCH"),
        Fault("another origin's CORS", other_origin, "CORS: what a browser may read", "https://other.example"),
        Fault("no ETag", without_etag, "ETag", "no ETag"),
        Fault("HEAD with another status", head_refused, "HEAD", "405"),
        Fault("no keys", without_keys, "signing keys", "Ed25519"),
        Fault("everybody is let in", let_in, "refused without a token", "200"),
    ],
    &[
        Fault("a document without a route", document_without_a_route, "document: every route", "GET /api/stats"),
        Fault("a function that crashes", crashing, "every route", "GET /api/affiliate"),
        Fault("no CORS at all", without_cors, "CORS: what a browser asks first", "404"),
        Fault("errors as pages", problems_as_pages, "problem documents", "text/html"),
        Fault("a private key that is published", with_a_private_key, "signing keys", "private"),
    ],
    &[
        Fault("content from MongoDB", from_mongodb, "content: prompts", "nothing is published"),
        Fault("no content source", without_source, "content: patterns", "x-content-source"),
        Fault("hidden headers", hidden_headers, "CORS: what a browser may read", "etag"),
    ],
];

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_named() {
    let (stack, folder) = (stack(), tempfile::tempdir().unwrap());
    let document = document(&stack, folder.path()).await;
    for faults in FAULTS {
        // Each look counts as a call of every route, against the limits of this machine's address.
        stack.forget_rates().await;
        let table = look_at(&spoiled(&stack, faults).await, &document).await;
        assert_eq!(table.faults().is_empty(), faults.is_empty(), "{table}");
        for Fault(name, _, row, word) in faults {
            match table.row(row) {
                Some(Err(Trouble::Fault { found, remedy })) => {
                    assert!(found.contains(word) && !remedy.is_empty(), "{name}: {found}");
                }
                other => panic!("{name}: {row} is {other:?}\n{table}"),
            }
        }
    }
}

#[tokio::test]
async fn the_command_fails_with_a_fault_and_says_what_is_wrong_with_an_address() {
    let stack = stack();
    let run = |api: &str| {
        let output = Command::new(root().join("target/debug/operate")).args(["smoke", "--api", api]).output().unwrap();
        (output.status.success(), [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat())
    };
    let (fine, text) = run(&stack.api_url);
    assert!(fine && text.contains(" 0 at fault"), "{text}");
    let (fine, text) = run("http://127.0.0.1:1");
    assert!(!fine && text.contains("FAULT    health  no answer: "), "{text}");
    for odd in ["not an address", "ftp://example.com", "https://user:hunter2@example.com", "https://example.com/api"] {
        let (fine, text) = run(odd);
        assert!(!fine && text.starts_with("error: --api must be an address") && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_stacks_name_and_a_wrong_password_are_named() {
    let (stack, folder) = (stack(), tempfile::tempdir().unwrap());
    let document = document(&stack, folder.path()).await;
    let aws = Aws::emulated(&stack.aws_endpoint_url, "test").unwrap();
    let account = Account::new("nobody@example.com", "hunter2-hunter2");
    let asked = Smoke { stack: Some("other".into()), ..wanted(&stack.api_url, &document) };
    let table = smoke(&asked, Some(&account), Some(&aws)).await.unwrap();
    assert!(["sign-in", "functions"].iter().all(|row| table.faults().contains(row)), "{table}");
    assert!(!table.to_string().contains("hunter2"), "{table}");
}

/// The answer with another body.
fn with_body(answer: Response, change: impl FnOnce(&mut Value)) -> Response {
    let (mut parts, body) = answer.into_parts();
    let bytes = futures_util::FutureExt::now_or_never(to_bytes(body, usize::MAX)).unwrap().unwrap();
    let mut value = serde_json::from_slice(&bytes).unwrap_or_default();
    change(&mut value);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(value.to_string()))
}

/// Without a header.
fn without(mut answer: Response, name: &str) -> Response {
    answer.headers_mut().remove(name);
    answer
}

/// Of the answers to these calls alone.
fn of(calls: &str, call: &str, answer: Response, change: impl FnOnce(Response) -> Response) -> Response {
    if call.starts_with(calls) { change(answer) } else { answer }
}

/// A header of another value, where there is such a header.
fn set(mut answer: Response, name: &'static str, value: &'static str) -> Response {
    if answer.headers().contains_key(name) {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// As API Gateway says it.
fn by_gateway(status: StatusCode, message: &str) -> Response {
    (status, json!({"message": message}).to_string()).into_response()
}

fn other_document(call: &str, answer: Response) -> Response {
    let change = |document: &mut Value| document["info"]["title"] = "Another".into();
    of("GET /api/openapi.json", call, answer, |answer| with_body(answer, change))
}

fn document_without_a_route(call: &str, answer: Response) -> Response {
    let change = |document: &mut Value| drop(document["paths"].as_object_mut().map(|paths| paths.remove("/api/stats")));
    of("GET /api/openapi.json", call, answer, |answer| with_body(answer, change))
}

fn missing_route(call: &str, answer: Response) -> Response {
    of("POST /api/auth/login", call, answer, |_| by_gateway(StatusCode::NOT_FOUND, "Not Found"))
}

fn crashing(call: &str, answer: Response) -> Response {
    let crash = |_| by_gateway(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    of("GET /api/affiliate/", call, answer, crash)
}

fn from_backup(call: &str, answer: Response) -> Response {
    of("GET /api/patterns?", call, answer, |answer| set(answer, "x-content-source", "backup"))
}

fn from_mongodb(call: &str, answer: Response) -> Response {
    of("GET /api/prompts?", call, answer, |answer| set(answer, "x-content-source", "mongodb"))
}

fn without_source(call: &str, answer: Response) -> Response {
    of("GET /api/patterns?", call, answer, |answer| without(answer, "x-content-source"))
}

fn empty_list(call: &str, answer: Response) -> Response {
    let change = |list: &mut Value| *list = json!({"resources": [], "total": 0});
    of("GET /api/learning?", call, answer, |answer| with_body(answer, change))
}

fn without_a_method(_: &str, answer: Response) -> Response {
    set(answer, "access-control-allow-methods", "GET,POST,PUT,DELETE")
}

fn without_cors(call: &str, answer: Response) -> Response {
    let answer = of("OPTIONS", call, answer, |_| by_gateway(StatusCode::NOT_FOUND, "Not Found"));
    without(answer, "access-control-allow-origin")
}

fn other_origin(call: &str, answer: Response) -> Response {
    of("GET", call, answer, |answer| set(answer, "access-control-allow-origin", "https://other.example"))
}

fn hidden_headers(_: &str, answer: Response) -> Response {
    set(answer, "access-control-expose-headers", "x-request-id")
}

fn without_etag(_: &str, answer: Response) -> Response {
    without(answer, "etag")
}

fn problems_as_pages(_: &str, answer: Response) -> Response {
    if answer.status().is_client_error() { set(answer, "content-type", "text/html") } else { answer }
}

fn head_refused(call: &str, answer: Response) -> Response {
    of("HEAD /api/learning", call, answer, |_| by_gateway(StatusCode::METHOD_NOT_ALLOWED, "no"))
}

fn without_keys(call: &str, answer: Response) -> Response {
    let change = |keys: &mut Value| *keys = json!({"keys": []});
    of("GET /.well-known/jwks.json", call, answer, |answer| with_body(answer, change))
}

fn with_a_private_key(call: &str, answer: Response) -> Response {
    let change = |keys: &mut Value| keys["keys"][0]["d"] = "hunter2".into();
    of("GET /.well-known/jwks.json", call, answer, |answer| with_body(answer, change))
}

fn let_in(call: &str, mut answer: Response) -> Response {
    *answer.status_mut() = if call == "GET /api/user/stats" { StatusCode::OK } else { answer.status() };
    answer
}

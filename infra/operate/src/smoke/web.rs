//! What the address alone tells.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use local::template;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::api::{Answer, Api, expect};
use crate::table::{Finding, Table, Trouble, fault, skipped};

const REDEPLOY: &str = "deploy again: the stack is not of this template";
/// Stands for what is nobody's.
const NOBODY: &str = "smoke-test-of-nobody";
/// What a page of a site sends with a change, and reads of an answer.
const SENT_HEADERS: [&str; 4] = ["authorization", "content-type", "if-match", "if-none-match"];
const READ_HEADERS: [&str; 5] = ["x-request-id", "x-content-source", "etag", "retry-after", "ratelimit"];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// Calls at once that are more than the burst of the slowest route allows.
const FLOOD: usize = 40;
/// The slowest route: one call a second, ten at once.
const FLOODED: &str = "/api/docs";

/// Asks everything that changes nothing and needs no account.
pub(super) async fn check(api: &Api, origin: &str, document: &Path) -> Table {
    let mut table = Table::default();
    let health = health(api).await;
    let is_there = health.is_ok();
    table.add("health", health);
    if !is_there {
        return table;
    }
    table.add("encryption", encryption(api));
    table.add("every route", every_route(api).await);
    table.add("HEAD", head(api).await);
    table.add("unknown path", unknown_path(api).await);
    table.add("unknown method", unknown_method(api).await);
    table.add("problem documents", problems(api).await);
    table.add("CORS: what a browser asks first", preflight(api, origin).await);
    table.add("CORS: what a browser may read", readable(api, origin).await);
    for kind in ["prompts", "patterns", "learning"] {
        table.add(&format!("content: {kind}"), content(api, kind).await);
    }
    table.add("statistics", statistics(api).await);
    table.add("ETag", etag(api).await);
    table.add("signing keys", signing_keys(api).await);
    table.add("refused without a token", without_token(api).await);
    let shown = api.get("/api/openapi.json").await;
    table.add("document: every route", shown.as_ref().map_err(Clone::clone).and_then(documented));
    table.add(
        "document: that of the build",
        shown.as_ref().map_err(Clone::clone).and_then(|shown| equal(shown, document)),
    );
    table.add("documentation page", page(api).await);
    // Last: it uses the burst of a route up.
    table.add("throttle", throttle(api).await);
    table
}

async fn health(api: &Api) -> Finding {
    let answer = api.get("/api/health").await?;
    let answer = expect(answer, StatusCode::OK, "is this the API's address, and did the deploy end well?")?;
    let body = answer.json();
    if body["status"] != "ok" {
        return Err(fault("it does not say ok", "look at the log of the function health"));
    }
    let started = Instant::now();
    api.get("/api/health").await?;
    let version = body["version"].as_str().unwrap_or("unknown");
    Ok(format!("version {version}, and again in {} ms", started.elapsed().as_millis()))
}

fn encryption(api: &Api) -> Finding {
    match (api.is_encrypted(), api.is_local()) {
        (true, _) => Ok("HTTPS, with a certificate that the system trusts".into()),
        (false, true) => Err(skipped("a stack on this machine has none")),
        (false, false) => Err(fault("passwords and tokens travel in the open", "use an address with https://")),
    }
}

/// Every route of the template leads to a function. Nothing is changed: nobody signs in, there is no body, and what is
/// named does not exist.
async fn every_route(api: &Api) -> Finding {
    let routes = template::functions().into_iter().flat_map(|function| function.routes);
    let calls: Vec<_> =
        routes.filter_map(|route| route.split_once(' ').map(called)).collect::<Option<Vec<_>>>().unwrap_or_default();
    let number = calls.len();
    let mut lost = Vec::new();
    for (route, answer) in api.send_all(calls).await {
        let answer = answer?;
        if !answer.is_ours() || answer.status >= 500 {
            lost.push(format!("{route} ({})", answer.described()));
        }
    }
    if lost.is_empty() {
        return Ok(format!("{number} routes lead to their functions"));
    }
    Err(fault(
        format!("{} of {number}: {}", lost.len(), first(&lost)),
        "404: the route is missing, deploy again; 5xx: look at the function's log",
    ))
}

fn called((method, path): (&str, &str)) -> Option<(Method, String)> {
    let mut named = String::new();
    for part in path.split_inclusive('/') {
        let is_open = part.starts_with('{');
        named += if is_open { NOBODY } else { part };
        if is_open && part.ends_with('/') {
            named.push('/');
        }
    }
    Some((method.parse().ok()?, named))
}

/// A few, so that a line stays one.
fn first(all: &[String]) -> String {
    let more = all.len().saturating_sub(3);
    let shown = all[..all.len().min(3)].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

async fn head(api: &Api) -> Finding {
    for path in ["/api/health", "/api/prompts", "/api/patterns", "/api/learning", "/api/stats"] {
        let (get, head) = (api.get(path).await?, api.send(Method::HEAD, path, &[], None).await?);
        if (head.status, head.is_ours()) != (get.status, true) || !head.text.is_empty() {
            return Err(fault(format!("HEAD {path}: {}, GET: {}", head.described(), get.described()), REDEPLOY));
        }
    }
    Ok("as GET, without a body".into())
}

/// API Gateway's own answer: no function is woken for what scanners ask.
async fn unknown_path(api: &Api) -> Finding {
    let answer = api.get(&format!("/{NOBODY}")).await?;
    if answer.status == 404 && !answer.is_ours() {
        return Ok("404, without waking a function".into());
    }
    Err(fault(answer.described(), "is there a proxy in front that answers by itself, or a route of $default?"))
}

async fn unknown_method(api: &Api) -> Finding {
    let answer = api.send(Method::DELETE, "/api/health", &[], None).await?;
    problem(&answer, 405, "method_not_allowed")
}

async fn problems(api: &Api) -> Finding {
    problem(&api.get(&format!("/api/prompts/{NOBODY}")).await?, 404, "not_found")?;
    let odd = api.get("/api/prompts?limit=none").await?;
    let status = odd.status;
    if !matches!(status, 400 | 422) {
        return Err(fault(format!("a limit that is no number: {}", odd.described()), REDEPLOY));
    }
    problem(&odd, status, "")?;
    Ok("404 and a bad query, as application/problem+json".into())
}

/// A problem document of this status and code; any code if none is given.
fn problem(answer: &Answer, status: u16, code: &str) -> Finding {
    let body = answer.json();
    let wrong = if (answer.status, answer.is_ours()) != (status, true) {
        Some(answer.described())
    } else if !answer.header("content-type").starts_with("application/problem+json") {
        Some(format!("{status} as {:?}", answer.header("content-type")))
    } else if let Some(field) =
        ["type", "title", "detail", "code", "requestId"].into_iter().find(|field| !body[field].is_string())
    {
        Some(format!("{status} without {field}"))
    } else if body["status"] != status || (!code.is_empty() && body["code"] != code) {
        Some(format!("{status}, and the body says {} {}", body["status"], body["code"]))
    } else {
        None
    };
    match wrong {
        None => Ok(format!("{status} {}", body["code"].as_str().unwrap_or_default())),
        Some(found) => {
            Err(fault(found, "does a proxy in front put its own page in place of the API's answers? Else deploy again"))
        }
    }
}

async fn preflight(api: &Api, origin: &str) -> Finding {
    let asked = SENT_HEADERS.join(",");
    let headers =
        [("origin", origin), ("access-control-request-method", "PATCH"), ("access-control-request-headers", &asked)];
    let answer = api.send(Method::OPTIONS, "/api/prompts", &headers, None).await?;
    allowed_origin(&answer, origin)?;
    if !(200..300).contains(&answer.status) {
        return Err(fault(format!("{}: a browser stops at that", answer.described()), REDEPLOY));
    }
    let allows = |header: &str, wanted: &[&str]| lacking(answer.header(header), wanted, "access-control-allow");
    allows("access-control-allow-methods", &METHODS)?;
    allows("access-control-allow-headers", &SENT_HEADERS)?;
    Ok(format!("{} may send every method and header", answer.header("access-control-allow-origin")))
}

async fn readable(api: &Api, origin: &str) -> Finding {
    let answer = api.send(Method::GET, "/api/prompts?limit=1", &[("origin", origin)], None).await?;
    allowed_origin(&answer, origin)?;
    lacking(answer.header("access-control-expose-headers"), &READ_HEADERS, "access-control-expose-headers")?;
    Ok("the answer, its request id, ETag and limits".into())
}

fn allowed_origin(answer: &Answer, origin: &str) -> Result<(), Trouble> {
    let allowed = answer.header("access-control-allow-origin");
    if allowed == "*" || allowed == origin {
        return Ok(());
    }
    if allowed.is_empty() && (200..300).contains(&answer.status) {
        return Err(skipped(format!("the API does not allow {origin}: name one that it should, with --origin")));
    }
    let what = if allowed.is_empty() { answer.described() } else { format!("it allows {allowed}") };
    Err(fault(format!("{what}, not {origin}"), "set AllowedOrigins, or remove what a proxy in front adds"))
}

/// The wanted words are in the list, whatever their case; a star stands for all but the one that carries tokens.
fn lacking(list: &str, wanted: &[&str], header: &str) -> Result<(), Trouble> {
    let listed: BTreeSet<String> = list.split(',').map(|word| word.trim().to_lowercase()).collect();
    let is_there =
        |word: &str| listed.contains(&word.to_lowercase()) || (listed.contains("*") && word != "authorization");
    let missing: Vec<&str> = wanted.iter().copied().filter(|word| !is_there(word)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(fault(format!("{header} lacks {}", missing.join(", ")), REDEPLOY))
}

async fn content(api: &Api, kind: &str) -> Finding {
    let answer = api.get(&format!("/api/{kind}?limit=1")).await?;
    let answer = expect(answer, StatusCode::OK, "look at the function's log")?;
    let (source, body) = (answer.header("x-content-source"), answer.json());
    let total = body["total"].as_u64().unwrap_or(0);
    let publish =
        "run `cargo db publish`, or `cargo deploy` again; the function's log says why the bucket was not read";
    match source {
        _ if total == 0 => Err(fault("an empty list", publish)),
        "json" => Ok(format!("{total}, as published")),
        "mongodb" => {
            Err(fault(format!("{total}, from MongoDB: nothing is published, or the bucket is not read"), publish))
        }
        "backup" => Err(fault(format!("{total}, from the backup: neither the bucket nor MongoDB is read"), publish)),
        other => Err(fault(format!("x-content-source is {other:?}"), REDEPLOY)),
    }
}

async fn statistics(api: &Api) -> Finding {
    let answer = api.get("/api/stats").await?;
    expect(answer, StatusCode::OK, "503: MongoDB or the job refresh-stats; look at the log of stats")?;
    Ok("200".into())
}

async fn etag(api: &Api) -> Finding {
    let first = api.get("/api/prompts?limit=1").await?;
    let tag = first.header("etag");
    if tag.is_empty() {
        return Err(fault("no ETag", "does a proxy in front remove it?"));
    }
    let again = api.send(Method::GET, "/api/prompts?limit=1", &[("if-none-match", tag)], None).await?;
    if again.status != 304 || !again.text.is_empty() {
        return Err(fault(
            format!("{} instead of an empty 304", again.described()),
            "does a proxy in front remove if-none-match?",
        ));
    }
    Ok("304 for what is known already".into())
}

async fn signing_keys(api: &Api) -> Finding {
    let secret = "look at the log of auth-jwks: can it read the signing seed?";
    let answer = expect(api.get("/.well-known/jwks.json").await?, StatusCode::OK, secret)?;
    let keys = answer.json()["keys"].as_array().cloned().unwrap_or_default();
    if keys.is_empty() || keys.iter().any(|key| key["crv"] != "Ed25519") {
        return Err(fault("no Ed25519 key", secret));
    }
    if keys.iter().any(|key| key.get("d").is_some()) {
        return Err(fault("a private key is published", "take the API down, and replace the signing seed"));
    }
    Ok(format!("{} for Ed25519", keys.len()))
}

async fn without_token(api: &Api) -> Finding {
    let forged = [("authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.")];
    for headers in [&[][..], &forged] {
        problem(&api.send(Method::GET, "/api/user/stats", headers, None).await?, 401, "")?;
    }
    Ok("401, and for a token that nobody signed".into())
}

/// As `GET /api/prompts`; of the document, and of the template without what is for people.
fn documented(shown: &Answer) -> Finding {
    let document = shown.json();
    let paths = document["paths"].as_object().into_iter().flatten();
    let shown: BTreeSet<String> = paths
        .flat_map(|(path, operations)| {
            let methods = operations.as_object().into_iter().flatten().map(|(method, _)| method.to_uppercase());
            methods.map(|method| format!("{method} {path}")).collect::<Vec<_>>()
        })
        .collect();
    let is_for_programs = |route: &String| !route.contains("/api/docs") && !route.contains(" /account/");
    let routes = template::functions().into_iter().flat_map(|function| function.routes);
    let wanted: BTreeSet<String> = routes.filter(is_for_programs).collect();
    let differing: Vec<String> = wanted.symmetric_difference(&shown).cloned().collect();
    if differing.is_empty() {
        return Ok(format!("{} operations, those of the template", wanted.len()));
    }
    Err(fault(format!("the document and the template differ in {}", first(&differing)), REDEPLOY))
}

/// The document is the one of this checkout.
fn equal(shown: &Answer, document: &Path) -> Finding {
    let Ok(text) = fs::read_to_string(document) else {
        return Err(skipped(format!(
            "there is no {} to compare it with: name one with --document",
            document.display()
        )));
    };
    let ours: Value = serde_json::from_str(&text).map_err(|error| {
        fault(format!("{} is not JSON: {error}", document.display()), "name another with --document")
    })?;
    let shown = shown.json();
    if shown == ours {
        return Ok("equal".into());
    }
    let (a, b) = (leaves(&ours), leaves(&shown));
    let differing: Vec<String> =
        a.symmetric_difference(&b).map(|(place, _)| place.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    Err(fault(
        format!("it differs in {}", first(&differing)),
        "the functions are of another build: build and deploy this checkout, or check the deployed version out",
    ))
}

/// Every value with its place.
fn leaves(value: &Value) -> BTreeSet<(String, String)> {
    fn walk(value: &Value, place: &str, into: &mut BTreeSet<(String, String)>) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                fields.iter().for_each(|(name, value)| walk(value, &format!("{place}.{name}"), into));
            }
            Value::Array(items) if !items.is_empty() => {
                items.iter().enumerate().for_each(|(at, value)| walk(value, &format!("{place}[{at}]"), into));
            }
            other => drop(into.insert((place.trim_start_matches('.').to_owned(), other.to_string()))),
        }
    }
    let mut all = BTreeSet::new();
    walk(value, "", &mut all);
    all
}

async fn page(api: &Api) -> Finding {
    let answer =
        expect(api.get("/api/docs/index.html").await?, StatusCode::OK, "look at the log of the function openapi")?;
    if !answer.text.contains("swagger-ui") {
        return Err(fault("it is not the viewer", REDEPLOY));
    }
    Ok("200".into())
}

/// More calls than a route takes are refused by API Gateway itself, which costs nothing.
async fn throttle(api: &Api) -> Finding {
    if api.is_local() {
        return Err(skipped("the emulator has no throttle"));
    }
    // Whatever the checks before used is there again.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let calls = (0..FLOOD).map(|_| api.send(Method::HEAD, FLOODED, &[], None));
    let answers = futures_util::future::join_all(calls).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let refused = answers.iter().filter(|answer| answer.status == 429 && !answer.is_ours()).count();
    if refused == 0 {
        return Err(fault(
            format!("none of {FLOOD} calls at once was refused with 429"),
            "try again, since API Gateway throttles as well as it can; if it stays so, deploy again: RouteSettings are missing",
        ));
    }
    Ok(format!("429 for {refused} of {FLOOD} calls at once"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_called_with_what_does_not_exist() {
        let called = |path| called(("GET", path)).map(|(_, path)| path);
        assert_eq!(called("/api/prompts").as_deref(), Some("/api/prompts"));
        assert_eq!(called("/api/prompts/{id}/audit"), Some(format!("/api/prompts/{NOBODY}/audit")));
        assert_eq!(called("/api/docs/{file+}"), Some(format!("/api/docs/{NOBODY}")));
    }

    #[test]
    fn a_star_does_not_stand_for_the_header_that_carries_tokens() {
        assert!(lacking("*", &["etag"], "h").is_ok());
        assert!(lacking("*", &["authorization"], "h").is_err());
        assert!(lacking("ETag, Retry-After", &["etag", "retry-after"], "h").is_ok());
        assert_eq!(lacking("GET", &["GET", "PUT"], "h"), Err(fault("h lacks PUT", REDEPLOY)));
    }

    #[test]
    fn documents_are_compared_by_value_and_the_place_is_named() {
        let (a, b) = (serde_json::json!({"a": {"b": [1, 2]}}), serde_json::json!({"a": {"b": [1, 3]}}));
        let places: BTreeSet<_> =
            leaves(&a).symmetric_difference(&leaves(&b)).map(|(place, _)| place.clone()).collect();
        assert_eq!(places, BTreeSet::from(["a.b[1]".to_owned()]));
    }
}

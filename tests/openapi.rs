//! The API's document: as the code is, as it is kept in the repository, and whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use local::{deploy::DOCUMENT, imports::files_below};
use serde_json::{Map, Value};
use tests::root;

use crate::route_authorization::document;

/// Each operation: its route, and what the document says of it.
fn operations(document: &Value) -> impl Iterator<Item = (String, &Map<String, Value>)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods.iter().map(move |(method, operation)| {
            (format!("{} {path}", method.to_uppercase()), operation.as_object().unwrap())
        })
    })
}

#[tokio::test]
async fn the_document_in_the_repository_is_what_the_code_says() {
    let (kept, now) = (fs::read(root().join(DOCUMENT)).unwrap(), document().await);
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    let mut differences = Vec::new();
    differ("", &kept, &now, &mut differences);
    let command =
        "the API changed: `cargo local openapi` writes the document, and its diff shows reviewers what changed";
    assert!(differences.is_empty(), "{command}\n{}", differences.join("\n"));
}

/// Where two documents differ.
fn differ(place: &str, kept: &Value, now: &Value, differences: &mut Vec<String>) {
    match (kept, now) {
        (Value::Object(kept), Value::Object(now)) => {
            let names: BTreeSet<_> = kept.keys().chain(now.keys()).collect();
            for name in names {
                let part = |object: &Map<String, Value>| object.get(name).cloned().unwrap_or_default();
                differ(&format!("{place}/{}", name.replace('/', "~1")), &part(kept), &part(now), differences);
            }
        }
        _ if kept == now => {}
        _ => differences.push(format!("{place}: {kept:.80} is {now:.80} now")),
    }
}

#[tokio::test]
async fn every_operation_has_a_speaking_name_of_its_own_and_a_described_tag() {
    let document = document().await;
    let described = |tag: &Value| tag["description"].as_str().is_some_and(|text| text.len() > 10);
    let tags = document["tags"].as_array().unwrap().iter().filter(|tag| described(tag));
    let tags: BTreeSet<_> = tags.map(|tag| tag["name"].as_str().unwrap()).collect();
    let (mut names, mut used) = (BTreeSet::new(), BTreeSet::new());
    for (route, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap();
        // A verb and a noun: `listPrompts`; the verbs of one word are those that everybody knows.
        let speaks = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.contains(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric());
        assert!(speaks, "{route}: give it `operation_id = \"verbNoun\"` instead of {name}");
        assert!(names.insert(name), "{route}: another operation is called {name}, too");
        let tag = operation["tags"][0].as_str().unwrap();
        assert!(tags.contains(tag), "{route}: describe its tag {tag} in `document::TAGS`");
        used.insert(tag);
        let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
        for parameter in parameters {
            let text = parameter["description"].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{route}: what is {}?", parameter["name"]);
        }
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{route} has no summary");
    }
    assert_eq!(used, tags, "a tag that no operation has");
}

#[tokio::test]
async fn every_request_and_every_success_has_an_example() {
    // That an example is as its schema says is the linter's to check.
    let document = document().await;
    for (route, operation) in operations(&document) {
        let successes =
            operation["responses"].as_object().unwrap().iter().filter(|(status, _)| status.starts_with('2'));
        let bodies = operation.get("requestBody").into_iter().chain(successes.map(|(_, response)| response));
        let media = bodies.flat_map(|body| body["content"].as_object().into_iter().flat_map(Map::values));
        for media in media {
            let example = media.get("example").unwrap_or_else(|| panic!("{route} has no example: {media}"));
            let text = example.to_string();
            assert!(!text.contains("{}") || route == "GET /api/openapi.json", "{route}: {text} shows nothing");
            assert!(!text.contains("\"text\""), "{route}: `examples.json` has no word for a field of {text}");
        }
    }
}

#[tokio::test]
async fn every_word_for_examples_is_of_a_field() {
    let document = document().await;
    let words = fs::read(root().join("functions/routes/src/document/examples.json")).unwrap();
    let words: Map<String, Value> = serde_json::from_slice(&words).unwrap();
    let schemas = document["components"]["schemas"].to_string();
    let operations: BTreeSet<_> =
        operations(&document).map(|(_, operation)| operation["operationId"].as_str()).collect();
    let is_used = |word: &str| match word.split_once('.') {
        Some((schema, field)) => {
            document["components"]["schemas"][schema].to_string().contains(&format!("\"{field}\":"))
        }
        None => schemas.contains(&format!("\"{word}\":")) || operations.contains(&Some(word)),
    };
    let unused: Vec<_> = words.keys().filter(|word| !is_used(word)).collect();
    assert!(unused.is_empty(), "no schema has such a field, and no operation that name, any more: {unused:?}");
}

#[tokio::test]
async fn no_two_types_share_a_name() {
    // Of two schemas with one name the document has one, and says of one route what holds of the other.
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in ["shared/src", "functions/routes/src/bin"] {
        for (file, text) in files_below(&root().join(folder)).unwrap() {
            for part in text.split("#[derive(").skip(1) {
                let Some((derives, rest)) = part.split_once(")]") else { continue };
                let head = rest.lines().find(|line| line.contains("struct ") || line.contains("enum "));
                let Some(head) = head.filter(|_| derives.contains("ToSchema")) else { continue };
                let named = head.split_once("struct ").or(head.split_once("enum "));
                let own = named.and_then(|(_, name)| name.split(|c: char| !c.is_alphanumeric()).next());
                let before = rest.split_once(head).map_or("", |(before, _)| before);
                let renamed = before.split_once("schema(as = ").and_then(|(_, name)| name.split([')', ',']).next());
                let name = renamed.or(own).unwrap().to_owned();
                places.entry(name).or_default().push(file.clone());
            }
        }
    }
    assert!(places.len() > 80, "types are found: {}", places.len());
    places.retain(|_, files| files.len() > 1);
    assert!(places.is_empty(), "give one of each another name, `#[schema(as = …)]`: {places:?}");
}

#[tokio::test]
async fn every_code_of_a_problem_is_in_the_documents_list() {
    let document = document().await;
    let schema = &document["components"]["schemas"]["ProblemCode"];
    let codes = schema["enum"].as_array().unwrap().iter().zip(schema["x-enum-descriptions"].as_array().unwrap());
    let status = |meaning: &Value| meaning.as_str().unwrap().split(':').next().unwrap().to_owned();
    let listed: BTreeSet<_> =
        codes.map(|(code, meaning)| (code.as_str().unwrap().to_owned(), status(meaning))).collect();
    let mut used = BTreeSet::new();
    for folder in ["shared/src", "functions/routes/src/bin"] {
        for (file, text) in files_below(&root().join(folder)).unwrap() {
            let of_platform = file == "platform/http/problem.rs";
            let constructors = [("Problem::forbidden(", "403"), ("Problem::conflict(", "409")];
            for (constructor, status) in constructors.into_iter().filter(|_| !of_platform) {
                let calls = text.split(constructor).skip(1);
                used.extend(calls.filter_map(literal).map(|code| (code, status.to_owned())));
            }
            if of_platform {
                let calls = text.split("Self::new(").skip(1).filter_map(|call| call.trim_start().split_once(','));
                used.extend(calls.filter_map(|(status, rest)| Some((literal(rest)?, number(status)?))));
            }
        }
    }
    assert_eq!(listed, used, "`document::CODES` lists every code once, with its status and what it means");
}

/// The literal that something begins with.
fn literal(text: &str) -> Option<String> {
    let (literal, _) = text.trim_start().strip_prefix('"')?.split_once('"')?;
    Some(literal.to_owned())
}

/// `StatusCode::NOT_FOUND` → `404`.
fn number(name: &str) -> Option<String> {
    let name = name.trim().strip_prefix("StatusCode::")?.replace('_', " ").to_lowercase();
    let all = (400..600).filter_map(|code| reqwest::StatusCode::from_u16(code).ok());
    let found = all.into_iter().find(|status| {
        status.canonical_reason().is_some_and(|reason| reason.to_lowercase().replace(['-', '\''], " ") == name)
    });
    found.map(|status| status.as_str().to_owned())
}

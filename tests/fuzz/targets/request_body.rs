//! The body of a request that reports events: what is accepted can be stored.

#![no_main]

use std::sync::LazyLock;

use axum::{body::Body, extract::FromRequest};
use futures_util::FutureExt;
use http::{Request, header};
use libfuzzer_sys::fuzz_target;
use shared::{
    analytics::TrackRequest,
    clock,
    content::{Kind, Library, bundled, parse},
    events,
    http::JsonBody,
};

static PROMPTS: LazyLock<Library> = LazyLock::new(|| {
    let items = parse(Kind::Prompts, bundled::PROMPTS).expect("sound");
    Library::new(&items).expect("sound")
});

fuzz_target!(|bytes: &[u8]| {
    let request = Request::post("/").header(header::CONTENT_TYPE, "application/json").body(Body::from(bytes.to_vec()));
    let body = JsonBody::<TrackRequest>::from_request(request.expect("a request"), &()).now_or_never();
    let Some(Ok(JsonBody(request))) = body else { return };
    let Ok(accepted) = request.into_events(&PROMPTS, clock::now()) else { return };
    let message = serde_json::json!({"records": accepted}).to_string();
    let stored = events::read(&message).expect("what was accepted can be read again");
    let ids: Vec<_> = stored.iter().map(|(_, document)| document.get_str("_id").expect("an id")).collect();
    assert_eq!(ids, accepted.iter().map(|event| &event.0.id).collect::<Vec<_>>());
    assert!(stored.iter().all(|(_, document)| document.to_vec().is_ok()));
});

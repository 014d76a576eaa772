//! API Gateway's event, with whatever a client may write into it: it is a request or a refusal, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use shared::{lambda::HttpEvent, text};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = serde_json::from_slice::<HttpEvent>(bytes) {
        let _ = event.into_request();
    }
    let text = String::from_utf8_lossy(bytes);
    for base64 in [false, true] {
        let event = json!({
            "rawPath": text, "rawQueryString": text, "cookies": [text], "body": text, "isBase64Encoded": base64,
            "headers": {"host": text, "x-forwarded-proto": text, "x-forwarded-host": text, &*text: "x"},
            "requestContext": {"http": {"method": if base64 { "GET" } else { &text }, "sourceIp": text, "userAgent": text}},
        });
        let _ = serde_json::from_value::<HttpEvent>(event).expect("an event").into_request();
    }
    let normal = text::nfc(&text);
    assert_eq!(text::nfc(&normal), normal, "a normal form is its own");
    assert_eq!(text::nfc(&text::nfd(&text)), normal, "one text has one form");
    assert!(text::in_ascii(&text).is_ascii());
});

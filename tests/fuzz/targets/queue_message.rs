//! The body of an SQS message, for either consumer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::{events, notifications::Notification};

fuzz_target!(|body: &str| {
    for (collection, document) in events::read(body).unwrap_or_default() {
        assert!(!collection.is_empty());
        assert!(document.get_str("_id").is_ok() && !document.contains_key("kind"));
        // One that the driver cannot encode would fail the whole bulk insert, with everybody else's events.
        assert!(document.to_vec().is_ok());
    }
    if let Ok(notification) = serde_json::from_str::<Notification>(body) {
        let template = notification.template;
        assert!(!template.subject().contains(['\r', '\n']), "a subject is one line, or it adds headers to the e-mail");
        let (text, html) = (template.text(), template.html());
        assert!(!text.is_empty() && !html.is_empty());
    }
});

//! Where a list goes on, as a client sends it back; and a page's size.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::http::{Cursor, MAX_LIMIT, Page};

fuzz_target!(|text: &str| {
    let page = Page { limit: Some(text.to_owned()), cursor: Some(text.to_owned()) };
    if let Ok(limit) = page.limit() {
        assert!((1..=MAX_LIMIT).contains(&limit));
    }
    if let Ok(cursor) = page.cursor() {
        let cursor = cursor.expect("one was sent");
        let again = Page { limit: None, cursor: Some(cursor.encode()) };
        assert_eq!(again.cursor().ok().flatten(), Some(cursor), "a cursor is read as it was written");
    }
    let cursor = Cursor(text.to_owned(), text.chars().rev().collect());
    let page = Page { limit: None, cursor: Some(cursor.encode()) };
    assert_eq!(page.cursor().ok().flatten(), Some(cursor));
});

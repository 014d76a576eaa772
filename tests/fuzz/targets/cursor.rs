//! Where a list goes on, as a client sends it back; and a page's size.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::http::{Cursor, MAX_LIMIT, Page};

fuzz_target!(|text: &str| {
    if let Ok(page) = Page::parse(Some(text.to_owned()), None) {
        assert!((1..=MAX_LIMIT).contains(&page.limit));
    }
    if let Ok(page) = Page::parse(None, Some(text.to_owned())) {
        let cursor = page.cursor.expect("one was sent");
        let again = Page::parse(None, Some(cursor.encode())).expect("ours");
        assert_eq!(again.cursor, Some(cursor), "a cursor is read as it was written");
    }
    let cursor = Cursor(text.to_owned(), text.chars().rev().collect());
    let page = Page::parse(None, Some(cursor.encode())).expect("ours");
    assert_eq!(page.cursor, Some(cursor));
});

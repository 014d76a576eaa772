//! Lists in pages: a `limit`, and an opaque `cursor` that names the last item seen, so that a page
//! neither repeats nor skips when the list changes between two requests.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::Problem;

/// Items in a page when the client does not say.
pub const DEFAULT_LIMIT: usize = 20;
/// The largest page.
pub const MAX_LIMIT: usize = 100;

/// Which page of a list a client asks for, as it came.
#[derive(Debug, Default)]
pub struct Page {
    /// 1 to [`MAX_LIMIT`].
    pub limit: Option<String>,
    /// From the previous answer's `nextCursor`.
    pub cursor: Option<String>,
}

/// A place in a sorted list: the sort key and the id of the last item seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(pub String, pub String);

impl Page {
    /// The page's size, or 422 for `limit`.
    pub fn limit(&self) -> Result<usize, Problem> {
        let Some(limit) = &self.limit else { return Ok(DEFAULT_LIMIT) };
        limit
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| Problem::invalid_field("limit", format!("must be a whole number from 1 to {MAX_LIMIT}")))
    }

    /// Where to go on, or 422 for `cursor`.
    pub fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        let Some(text) = &self.cursor else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let cursor = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        cursor.map(Some).ok_or_else(|| Problem::invalid_field("cursor", "must be a nextCursor of an earlier answer"))
    }

    /// Items to read for a page of `limit`: one more than it shows, which tells whether another page follows.
    pub fn to_read(limit: usize) -> i64 {
        i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// The page of what was read, and its `nextCursor`: the `place` of its last item, if another page follows.
    pub fn cut<T>(mut read: Vec<T>, limit: usize, place: impl FnOnce(&T) -> Cursor) -> (Vec<T>, Option<String>) {
        let more = read.len() > limit;
        read.truncate(limit);
        let next_cursor = read.last().filter(|_| more).map(|last| place(last).encode());
        (read, next_cursor)
    }
}

impl Cursor {
    /// As the client carries it.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let cursor = Cursor("2026-01-01".into(), "ünïcode & \"quotes\"".into());
        let page = Page { cursor: Some(cursor.encode()), limit: None };
        assert_eq!(page.cursor().ok().flatten(), Some(cursor));
        assert_eq!(page.limit().ok(), Some(DEFAULT_LIMIT));
    }

    #[test]
    fn a_page_ends_with_the_cursor_of_the_next_if_there_is_one() {
        let place = |item: &i32| Cursor(String::new(), item.to_string());
        assert_eq!(Page::to_read(2), 3);
        assert_eq!(Page::cut(vec![1, 2, 3], 2, place), (vec![1, 2], Some(place(&2).encode())));
        assert_eq!(Page::cut(vec![1, 2], 2, place), (vec![1, 2], None));
        assert_eq!(Page::cut(Vec::new(), 2, place), (Vec::new(), None));
    }

    #[test]
    fn a_limit_out_of_range_or_a_made_up_cursor_is_refused() {
        for limit in ["0", "101", "-1", "ten", "1e2", ""] {
            assert!(Page { limit: Some(limit.into()), cursor: None }.limit().is_err(), "{limit}");
        }
        assert!(Page { limit: None, cursor: Some("made-up".into()) }.cursor().is_err());
    }
}

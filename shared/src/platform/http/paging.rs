//! Lists in pages: a `limit`, and an opaque `cursor` that names the last item seen, so that a page
//! neither repeats nor skips when the list changes between two requests.

use axum::extract::FromRequestParts;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bson::RawDocumentBuf;
use futures_util::{Stream, TryStreamExt};
use http::request::Parts;
use serde::{Deserialize, Serialize};

use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};

use super::{Problem, Query};

/// Items in a page when the client does not say.
pub const DEFAULT_LIMIT: usize = 20;
/// The largest page.
pub const MAX_LIMIT: usize = 100;
/// The largest page of a list that is read whole by scripts.
const MAX_LONG_LIMIT: usize = 200;
/// What a page's documents may take in an answer, where they can be long: Lambda takes answers of 6 MB, and a page of
/// the longest prompts would have 25. The rest of the 6 MB is for what JSON takes besides.
const MAX_PAGE_BYTES: usize = 2_500_000;

/// Which page of a list a client asks for: 422 for a `limit` or a `cursor` that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Items that it shows, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// Where it begins; at the beginning of the list when absent.
    pub cursor: Option<Cursor>,
}

/// A page as it is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PageQuery {
    /// 1 to 100; 20 when absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// A place in a sorted list: the sort key and the id of the last item seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(pub String, pub String);

impl PageQuery {
    fn page(&self) -> Result<Page, Problem> {
        self.page_up_to(MAX_LIMIT)
    }

    fn page_up_to(&self, most: usize) -> Result<Page, Problem> {
        Ok(Page { limit: self.limit(most)?, cursor: self.cursor()? })
    }

    fn limit(&self, most: usize) -> Result<usize, Problem> {
        let Some(limit) = &self.limit else { return Ok(DEFAULT_LIMIT) };
        limit
            .parse()
            .ok()
            .filter(|limit| (1..=most).contains(limit))
            .ok_or_else(|| Problem::invalid_field("limit", format!("must be a whole number from 1 to {most}")))
    }

    fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        let Some(text) = &self.cursor else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let cursor = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        cursor.map(Some).ok_or_else(|| Problem::invalid_field("cursor", "must be a nextCursor of an earlier answer"))
    }
}

/// As [`Page`], of up to 200 items.
pub struct LongPage(pub Page);

impl<S: Send + Sync> FromRequestParts<S> for LongPage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(query) = Query::<PageQuery>::from_request_parts(parts, state).await?;
        query.page_up_to(MAX_LONG_LIMIT).map(Self)
    }
}

/// As the API's document describes it.
impl IntoParams for LongPage {
    fn into_params(parameter_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        #[derive(IntoParams)]
        #[into_params(parameter_in = Query)]
        #[expect(dead_code, reason = "described alone")]
        struct LongPageQuery {
            /// 1 to 200; 20 when absent. More than 100 are told whole, with their content.
            #[param(minimum = 1, maximum = 200)]
            limit: Option<u8>,
            /// `nextCursor` of the page before.
            cursor: Option<String>,
        }
        LongPageQuery::into_params(parameter_in)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(query) = Query::<PageQuery>::from_request_parts(parts, state).await?;
        query.page()
    }
}

/// As the API's document describes it.
impl IntoParams for Page {
    fn into_params(parameter_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        PageQuery::into_params(parameter_in)
    }
}

impl Page {
    /// From the text of a query's `limit` and `cursor`.
    pub fn parse(limit: Option<String>, cursor: Option<String>) -> Result<Self, Problem> {
        PageQuery { limit, cursor }.page()
    }

    /// Items to read for a page of `limit`: one more than it shows, which tells whether another page follows.
    pub fn to_read(limit: usize) -> i64 {
        i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// Reads a page of `limit` documents that can be long, and one more; or as many as an answer holds, at least
    /// one, and one more. Tells how many of them the page shows, for [`Page::cut`].
    pub async fn read<E>(
        mut found: impl Stream<Item = Result<RawDocumentBuf, E>> + Unpin,
        limit: usize,
    ) -> Result<(Vec<RawDocumentBuf>, usize), E> {
        let (mut read, mut bytes) = (Vec::new(), 0);
        while read.len() <= limit
            && let Some(document) = found.try_next().await?
        {
            bytes += answer_bytes(&document);
            read.push(document);
            if bytes > MAX_PAGE_BYTES && read.len() > 1 {
                // What made it too much begins the next page.
                let shown = limit.min(read.len() - 1);
                return Ok((read, shown));
            }
        }
        Ok((read, limit))
    }

    /// The place of a document in a list that is sorted by ids.
    pub fn by_id(document: &RawDocumentBuf) -> Cursor {
        Cursor(String::new(), document.get_str("_id").unwrap_or_default().to_owned())
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

/// What a document takes in an answer: JSON, which Lambda is handed as text within JSON. So its quotes and line breaks
/// are escaped twice.
fn answer_bytes(document: &RawDocumentBuf) -> usize {
    let escaped = |byte: &u8| match byte {
        b'"' | b'\\' => 4,
        b'\n' | b'\r' | b'\t' => 3,
        _ => 1,
    };
    document.as_bytes().iter().map(escaped).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;
    use futures_util::stream;
    use std::convert::Infallible;

    /// How many of such documents are read for a page of 10, and how many it shows.
    async fn page_of(texts: impl IntoIterator<Item = String>) -> (usize, usize) {
        let documents = texts.into_iter().map(|text| Ok::<_, Infallible>(rawdoc! {"text": text}));
        let (read, shown) = Page::read(stream::iter(documents), 10).await.expect("documents");
        (read.len(), shown)
    }

    #[tokio::test]
    async fn a_page_ends_where_the_next_document_would_be_too_much() {
        for (text, read, shown) in [
            ("short".to_owned(), 11, 10),
            ("x".repeat(MAX_PAGE_BYTES / 4), 4, 3),
            ("\"\\".repeat(MAX_PAGE_BYTES / 32), 4, 3),
            ("\n".repeat(MAX_PAGE_BYTES / 12), 4, 3),
            ("long".repeat(MAX_PAGE_BYTES), 2, 1),
        ] {
            assert_eq!(page_of(vec![text.clone(); 11]).await, (read, shown), "{}", &text[..2]);
        }
        assert_eq!(page_of(["x".repeat(MAX_PAGE_BYTES)]).await, (1, 10), "the last one, however long");
        assert_eq!(page_of([]).await, (0, 10));
    }

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let cursor = Cursor("2026-01-01".into(), "ünïcode & \"quotes\"".into());
        let page = Page::parse(None, Some(cursor.encode())).ok();
        assert_eq!(page, Some(Page { limit: DEFAULT_LIMIT, cursor: Some(cursor) }));
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
            assert!(Page::parse(Some(limit.into()), None).is_err(), "{limit}");
        }
        assert!(Page::parse(None, Some("made-up".into())).is_err());
    }
}

//! What the content routes share: pages of summaries, and single items behind their access rule.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde_json::value::{RawValue, to_raw_value};

use super::{Access, Content, Filter, Item, Sort};
use crate::{
    accounts::Role,
    http::{Page, Problem, Reply},
};

const CONTENT_SOURCE: HeaderName = HeaderName::from_static("x-content-source");

/// `{<list>: […], "total", "nextCursor"}`: the public items that match.
pub async fn content_reply(content: &Content, filter: &Filter, sort: Sort, page: &Page) -> Result<Reply, Problem> {
    let snapshot = content.current().await;
    let listing = snapshot.library.list(filter, sort, page.limit, page.cursor.as_ref());
    let mut body = BTreeMap::<&str, Box<RawValue>>::new();
    body.insert(
        content.kind().list_field(),
        to_raw_value(&listing.items.iter().map(|item| &item.summary).collect::<Vec<_>>())?,
    );
    body.insert("total", to_raw_value(&listing.total)?);
    body.insert("nextCursor", to_raw_value(&listing.next.map(|cursor| cursor.encode()))?);
    Ok(Reply::public(&body).with(CONTENT_SOURCE, HeaderValue::from_static(snapshot.origin.name())))
}

/// One item by id or slug, for a caller of this role (if signed in): 404, or what stands between them.
/// What is not for everyone is kept by no cache.
pub async fn open_item(content: &Content, id_or_slug: &str, role: Option<Role>) -> Result<Reply, Problem> {
    let snapshot = content.current().await;
    let item = snapshot.library.find(id_or_slug).filter(|item| item.access != Access::Hidden);
    let item: &Item = item.ok_or_else(|| absent(content))?;
    let reply = match item.access {
        Access::Public => Reply::public(&item.detail),
        access if access.is_open_to(role) => Reply::ok(&item.detail),
        Access::SignedIn => return Err(Problem::unauthorized("Sign in to read this item.")),
        Access::Premium | Access::Hidden => {
            return Err(Problem::forbidden("premium_required", "This item is part of the premium plans."));
        }
    };
    Ok(reply.with(CONTENT_SOURCE, HeaderValue::from_static(snapshot.origin.name())))
}

/// One public item by id or slug, for routes that do not know who is calling: anything else is a 404.
pub async fn open_public_item(content: &Content, id_or_slug: &str) -> Result<Reply, Problem> {
    let snapshot = content.current().await;
    let item = snapshot.library.find(id_or_slug).filter(|item| item.access == Access::Public);
    let item: &Item = item.ok_or_else(|| absent(content))?;
    Ok(Reply::public(&item.detail).with(CONTENT_SOURCE, HeaderValue::from_static(snapshot.origin.name())))
}

fn absent(content: &Content) -> Problem {
    Problem::not_found(format!("There is no such item in {}.", content.kind().name()))
}

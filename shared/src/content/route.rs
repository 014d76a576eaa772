//! What the content routes share: pages of summaries, and single items behind their access rule.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde_json::value::{RawValue, to_raw_value};

use super::{Access, Filter, Item, Snapshot, Sort};
use crate::{
    http::{MAX_LIMIT, Page, Problem, Reply},
    roles::Role,
};

const CONTENT_SOURCE: HeaderName = HeaderName::from_static("x-content-source");

/// Answers of one snapshot: what a request was told of and what it gets are of the same moment.
impl Snapshot {
    /// `{<list>: […], "total", "nextCursor"}`: the public items that match, as summaries. A page of more than
    /// [`MAX_LIMIT`] is a script's that reads them all: it has them whole, and the number of the page.
    pub fn list(&self, filter: &Filter, sort: Sort, page: &Page) -> Result<Reply, Problem> {
        let listing = self.library.list(filter, sort, page.limit, page.cursor.as_ref());
        let is_long = page.limit > MAX_LIMIT;
        let told: Vec<_> =
            listing.items.iter().map(|item| if is_long { &item.detail } else { &item.summary }).collect();
        let mut body = BTreeMap::<&str, Box<RawValue>>::new();
        body.insert(self.kind.list_field(), to_raw_value(&told)?);
        if is_long && page.cursor.is_none() {
            body.insert("page", to_raw_value(&1)?);
        }
        body.insert("total", to_raw_value(&listing.total)?);
        body.insert("nextCursor", to_raw_value(&listing.next.map(|cursor| cursor.encode()))?);
        Ok(self.tell_source(Reply::public(&body)))
    }

    /// One item by id or slug, for a caller of this role (if signed in): 404, or what stands between them.
    /// What is not for everyone is kept by no cache.
    pub fn item(&self, id_or_slug: &str, role: Option<Role>) -> Result<Reply, Problem> {
        let item = self.find(id_or_slug, |access| access != Access::Hidden)?;
        let reply = match item.access {
            Access::Public => item.public_reply(),
            access if access.is_open_to(role) => Reply::ok(&item.detail),
            Access::SignedIn => return Err(Problem::unauthorized("Sign in to read this item.")),
            Access::Premium | Access::Hidden => {
                return Err(Problem::forbidden("premium_required", "This item is part of the premium plans."));
            }
        };
        Ok(self.tell_source(reply))
    }

    /// One public item by id or slug, for routes that do not know who is calling: anything else is a 404.
    pub fn public_item(&self, id_or_slug: &str) -> Result<Reply, Problem> {
        let item = self.find(id_or_slug, |access| access == Access::Public)?;
        Ok(self.tell_source(item.public_reply()))
    }

    fn find(&self, id_or_slug: &str, may_be: impl Fn(Access) -> bool) -> Result<&Item, Problem> {
        let item = self.library.find(id_or_slug).filter(|item| may_be(item.access));
        item.ok_or_else(|| Problem::not_found(format!("There is no such item in {}.", self.kind.name())))
    }

    fn tell_source(&self, reply: Reply) -> Reply {
        reply.with(CONTENT_SOURCE, HeaderValue::from_static(self.origin.name()))
    }
}

impl Item {
    fn public_reply(&self) -> Reply {
        Reply::public_with_tag(&self.detail, &self.etag)
    }
}

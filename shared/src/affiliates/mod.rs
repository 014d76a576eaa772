//! Affiliate links and the talks about them.
//!
//! A link leads where an administrator said, and nowhere else: nothing of a request has a say in it. Clicks are
//! counted from events; no figure is made up.

mod click;
mod entry;
mod list;
mod target;

pub use click::{AffiliateClick, ClickCounter, Link, Links};
pub use entry::{AffiliateEntry, Kind, LinkFields, LinkStatus, OutreachFields, OutreachStatus, Priority, remove, save};
pub use list::{Clicks, Listing, list};
pub use target::Target;

//! Messages to people, by e-mail or SMS: a code, a link, a warning, a report.
//!
//! A route puts a notification into the queue ([`Outbox`]); a consumer sends it ([`deliver_batch`])
//! and writes down that it did, under the notification's id, so that one that is delivered twice is
//! sent once, and only as far as the [caps](CAPS) allow. Addresses, codes and links are secrets: they are in the queue and in the message
//! itself, and in no record, no log and no debug output.

mod caps;
mod countries;
mod counts;
mod deliver;
mod message;
mod notification;
mod outbox;
mod record;
mod senders;

pub use caps::{CAPS, Cap, Class};
pub use countries::SmsCountries;
pub use deliver::{Delivered, deliver_batch};
pub use notification::{Channel, Notification, Template};
pub use outbox::Outbox;
pub use senders::{MAX_SMS_DOLLARS, Senders};

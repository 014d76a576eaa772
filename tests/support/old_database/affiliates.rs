//! Affiliate links, and partners who were written to.

use bson::{Document, doc};

use super::{
    Becomes::{Here, LeftOut},
    Oddity, day, hex, odd, with,
};

pub(super) fn links() -> Vec<Oddity> {
    let link = |number: u32, fields: Document| {
        let mut link = doc! {"tool": format!("Tool {number}"), "baseUrl": "https://tool.example/", "status": "active", "clickCount": 4, "conversionCount": 1, "createdAt": day(9), "updatedAt": day(9)};
        link.extend(fields);
        with(number, link)
    };
    vec![
        odd(
            "affiliate_config",
            "clicks of before",
            link(700, doc! {}),
            Here("affiliate_links", doc! {"_id": hex(700), "clickCount": 4_i64}),
        ),
        odd(
            "affiliate_config",
            "an address without encryption",
            link(701, doc! {"baseUrl": "http://tool.example/"}),
            Here("affiliate_links", doc! {"_id": hex(701), "baseUrl": "https://tool.example/"}),
        ),
        odd(
            "affiliate_config",
            "an address that is none",
            link(702, doc! {"baseUrl": "tool"}),
            LeftOut("no public https address"),
        ),
        odd(
            "affiliate_config",
            "the same tool again",
            link(703, doc! {"tool": "Tool 700"}),
            LeftOut("of the same tool"),
        ),
        odd(
            "affiliate_config",
            "a state that we lack",
            link(704, doc! {"status": "paused"}),
            Here("affiliate_links", doc! {"_id": hex(704), "status": "pending"}),
        ),
        odd(
            "partnership_outreach",
            "a rating above five",
            with(
                710,
                doc! {"company": "Acme", "priority": "High", "contact": "a@acme.example", "rating": 9, "status": "contacted"},
            ),
            Here("affiliate_outreach", doc! {"_id": hex(710), "rating": 5.0, "priority": "high"}),
        ),
        odd(
            "partnership_outreach",
            "the same company again",
            with(711, doc! {"company": "Acme", "priority": "low", "contact": "a@acme.example", "status": "pending"}),
            LeftOut("of the same company"),
        ),
    ]
}

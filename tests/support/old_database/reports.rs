//! Bug reports, and the audit log.

use bson::{Document, doc};

use super::{
    Becomes::{Here, LeftOut},
    Oddity, day, hex, odd, oid, with, without,
};

pub(super) fn reports() -> Vec<Oddity> {
    let report = |number: u32, fields: Document| {
        let mut report = doc! {"userId": hex(10), "intent": format!("Intent {number}"), "description": "The button does nothing", "pageUrl": "https://app.example.com/prompts/1", "selector": null, "elementText": null, "elementSize": null, "timestamp": day(9).to_string(), "userAgent": "Browser", "status": "new", "createdAt": day(9), "updatedAt": day(9)};
        report.extend(fields);
        with(number, report)
    };
    let here = |fields: Document| Here("bug_reports", fields);
    vec![
        odd(
            "bug_reports",
            "a secret in the address",
            report(500, doc! {"pageUrl": "https://app.example.com/p?token=hunter2&page=2#id"}),
            here(doc! {"intent": "Intent 500", "pageUrl": "https://app.example.com/p?page=2"}),
        ),
        odd(
            "bug_reports",
            "a secret in an address that is none",
            report(501, doc! {"pageUrl": "/prompts/1?token=hunter2"}),
            here(doc! {"intent": "Intent 501", "pageUrl": "/prompts/1"}),
        ),
        odd(
            "bug_reports",
            "a size as text",
            report(502, doc! {"elementSize": "120x40px"}),
            here(doc! {"intent": "Intent 502", "elementSize": {"width": 120.0, "height": 40.0}}),
        ),
        odd(
            "bug_reports",
            "a state that we lack",
            report(503, doc! {"status": "closed"}),
            here(doc! {"intent": "Intent 503", "status": "resolved"}),
        ),
        odd(
            "bug_reports",
            "nothing said",
            report(504, doc! {"intent": "", "description": ""}),
            LeftOut("it says nothing"),
        ),
        odd(
            "bug_reports",
            "of nobody",
            without(report(505, doc! {}), "userId"),
            here(doc! {"intent": "Intent 505", "userId": "anonymous"}),
        ),
        odd(
            "bug_reports",
            "of a member of an organisation",
            report(506, doc! {"userId": oid(35)}),
            here(doc! {"intent": "Intent 506", "organizationId": hex(900)}),
        ),
        odd(
            "bug_reports",
            "no date but a text",
            without(report(507, doc! {}), "createdAt"),
            here(doc! {"intent": "Intent 507", "createdAt": day(9)}),
        ),
    ]
}

pub(super) fn log() -> Vec<Oddity> {
    let entry = |number: u32, fields: Document| {
        let mut entry = doc! {"eventType": "auth.login.success", "eventCategory": "auth", "userId": oid(10), "userEmail": null, "userRole": "user", "resourceType": null, "resourceId": null, "organizationId": null, "ipAddress": "192.0.2.1", "userAgent": "Browser", "requestId": format!("r-{number}"), "action": "signed in", "metadata": {"n": number}, "success": true, "timestamp": day(9), "expiresAt": day(-300)};
        entry.extend(fields);
        with(number, entry)
    };
    let here = |fields: Document| Here("audit_logs", fields);
    vec![
        odd(
            "audit_logs",
            "an entry as it should be",
            entry(600, doc! {}),
            here(
                doc! {"requestId": "r-600", "actorId": hex(10), "details.takenOverFrom": format!("audit_logs/{}", hex(600))},
            ),
        ),
        odd(
            "audit_logs",
            "the actor by their address alone",
            entry(601, doc! {"userId": null, "userEmail": "Ada@example.com"}),
            here(doc! {"requestId": "r-601", "actorId": hex(10)}),
        ),
        odd(
            "audit_logs",
            "an address in its details",
            entry(602, doc! {"metadata": {"to": "mail eve@example.com now"}}),
            here(doc! {"requestId": "r-602", "details.to": "mail (address) now"}),
        ),
        odd(
            "audit_logs",
            "no action",
            without(without(entry(603, doc! {}), "eventType"), "action"),
            LeftOut("no action"),
        ),
        odd(
            "audit_logs",
            "a family that we lack",
            entry(604, doc! {"eventType": "prompt.created", "eventCategory": "prompt"}),
            here(doc! {"requestId": "r-604", "category": "data"}),
        ),
        odd(
            "audit_logs",
            "a failure",
            entry(605, doc! {"eventType": "auth.login.failed", "success": false, "errorMessage": "no"}),
            here(doc! {"requestId": "r-605", "outcome": "failure", "details.errorMessage": "no"}),
        ),
        odd(
            "critical_audit_logs",
            "the other shape",
            with(
                606,
                doc! {"action": "security_alert", "severity": "critical", "resource": "prompts", "requestId": "r-606", "timestamp": day(9).to_string(), "loggedAt": day(9)},
            ),
            here(doc! {"requestId": "r-606", "severity": "error", "category": "security"}),
        ),
    ]
}

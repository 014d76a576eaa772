//! The `code`s of problems, with what each means: a list that clients can rely on, and that a test keeps whole.

use serde_json::{Value, json};

/// By status and name.
const CODES: [(&str, &str); 52] = [
    ("malformed", "400: the request cannot be read."),
    ("unauthorized", "401: sign in, or refresh the session; of a sign-in, address or password are wrong."),
    ("forbidden", "403: the caller's role may not."),
    ("account_suspended", "403: an administrator suspended the account."),
    ("administrator", "403: an administrator's factor is reset by another one, not by mail."),
    ("budget_exceeded", "403: the run would cost more than its tool may (`estimateMicros`, `budgetMicros`, `tokens`)."),
    ("email_taken", "403: another account has the address of the front end's session."),
    ("factor_stopped", "403: too many wrong codes; a new password by a mailed link makes codes count again."),
    ("featuring_not_allowed", "403: only super admins put prompts in front."),
    ("foreign_origin", "403: a change by the front end's session cookie comes from its own pages alone."),
    ("mfa_required", "403: show the second factor first (`verifyMfaCode`)."),
    ("mfa_setup_required", "403: administrators set a second factor up first."),
    ("model_not_allowed", "403: none of the account's keys may be used for that model."),
    ("no_organization", "403: the account belongs to no organisation."),
    ("own_account", "403: nobody changes their own role or status."),
    ("password_required", "403: enter the password again first (`verifyPassword`)."),
    ("premium_required", "403: the item is part of the premium plans."),
    ("publishing_not_allowed", "403: only curators publish prompts."),
    ("scope_missing", "403: the platform key has not the scope."),
    ("suspended_from_above", "403: a super admin suspended the account, and lifts it."),
    ("not_found", "404: it is not there, or not for this caller."),
    ("method_not_allowed", "405: the path does not know this method."),
    ("duplicate", "409: there is a prompt like it; `matches` names it."),
    ("email_not_verified", "409: the account's address is not proved."),
    ("email_verified", "409: the address is proved already."),
    ("front_end_session", "409: the front end's session ends at the front end."),
    ("key_changed", "409: the key was changed meanwhile."),
    ("key_expired", "409: the key has expired."),
    ("last_super_admin", "409: the last active super admin stays."),
    ("mfa_disabled", "409: there is no second factor."),
    ("mfa_enabled", "409: a second factor is on already."),
    ("no_code_to_send", "409: the factor needs no code sent."),
    ("no_number_to_prove", "409: there is no phone number that is not proved."),
    ("not_from_here", "409: the report does not stand where such a step begins."),
    ("password_reset_lately", "409: a mailed link set the password in the last three days."),
    ("run_finished", "409: the run has ended."),
    ("run_id_taken", "409: the run id stands for another prompt."),
    ("too_many_alerts", "409: remove an alert first."),
    ("too_many_kept", "409: remove a kept prompt first."),
    ("too_many_keys", "409: revoke a key first."),
    ("too_many_prompts", "409: the account has as many prompts as it may."),
    ("too_many_reports", "409: the account has as many open reports as it may."),
    ("changed_meanwhile", "412: somebody changed it since it was read."),
    ("too_large", "413: the body is too large."),
    ("unsupported_media_type", "415: the body is not declared as what it should be."),
    ("invalid", "422: `errors` names the fields at fault."),
    ("if_match_required", "428: send the ETag of what was read in `If-Match`."),
    ("too_many_requests", "429: wait for `Retry-After`."),
    ("limit_reached", "429: a day's limit, of bytes or runs; wait for `Retry-After`."),
    ("internal", "500: our fault."),
    ("unavailable", "503: a server is away; it may or may not have been done. Wait for `Retry-After`."),
    ("not_offered", "503: this installation is not set up for it."),
];

pub(super) fn complete(document: &mut Value) {
    let list: Vec<_> = CODES.iter().map(|(code, meaning)| format!("- `{code}`: {meaning}")).collect();
    let schemas = &mut document["components"]["schemas"];
    schemas["ProblemCode"] = json!({
        "type": "string",
        "description": format!("What went wrong, for programs. New ones may be added.\n\n{}", list.join("\n")),
        "enum": CODES.iter().map(|(code, _)| code).collect::<Vec<_>>(),
        "x-enum-descriptions": CODES.iter().map(|(_, meaning)| meaning).collect::<Vec<_>>(),
    });
    schemas["Problem"]["properties"]["code"] = json!({"$ref": "#/components/schemas/ProblemCode"});
    // What some kinds of problems tell besides.
    schemas["Problem"]["additionalProperties"] = true.into();
}

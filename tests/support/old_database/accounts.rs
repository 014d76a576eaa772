//! Accounts, and the sign-ins of theirs.

use bson::doc;
use shared::clock;

use super::{
    Becomes::{Here, LeftOut},
    Oddity, day, hex, is_user, odd, oid, user, with, without,
};

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn accounts() -> Vec<Oddity> {
    let millis = day(30).as_millisecond();
    vec![
        odd(
            "users",
            "an address in mixed case, with spaces",
            user(10, doc! {"email": " Ada@Example.COM "}),
            is_user(10, doc! {"email": "ada@example.com"}),
        ),
        odd(
            "users",
            "the same address in another spelling, later",
            user(11, doc! {"email": "ADA@example.com", "createdAt": day(5)}),
            LeftOut("has the same address"),
        ),
        odd(
            "users",
            "the same address with a higher role, later",
            user(12, doc! {"email": "Boss@example.com", "role": "org_admin", "createdAt": day(1)}),
            is_user(12, doc! {"email": "boss@example.com"}),
        ),
        odd(
            "users",
            "the same address with a lower role, earlier",
            user(13, doc! {"email": "boss@example.com"}),
            LeftOut("has the same address"),
        ),
        odd("users", "no address", user(14, doc! {"email": null}), LeftOut("no address")),
        odd("users", "an address that is none", user(15, doc! {"email": "nobody"}), LeftOut("its address is none")),
        odd(
            "users",
            "an address that no new account gets",
            user(16, doc! {"email": "José@example.com"}),
            is_user(16, doc! {"email": "josé@example.com"}),
        ),
        odd(
            "users",
            "a domain in letters of its own",
            user(17, doc! {"email": "u@München.example"}),
            is_user(17, doc! {"email": "u@xn--mnchen-3ya.example"}),
        ),
        odd("users", "no role", without(user(18, doc! {}), "role"), is_user(18, doc! {"role": "user"})),
        odd("users", "the role of a job", user(19, doc! {"role": "engineer"}), is_user(19, doc! {"role": "user"})),
        odd(
            "users",
            "a role without permissions",
            user(20, doc! {"role": "admin"}),
            is_user(20, doc! {"role": "user"}),
        ),
        odd(
            "users",
            "a role in capitals",
            user(21, doc! {"role": "Super_Admin"}),
            is_user(21, doc! {"role": "super_admin"}),
        ),
        odd("users", "a plan of teams", user(22, doc! {"plan": "team"}), is_user(22, doc! {"plan": "pro"})),
        odd(
            "users",
            "one of several enterprise plans",
            user(23, doc! {"plan": "enterprise_premium"}),
            is_user(23, doc! {"plan": "enterprise"}),
        ),
        odd("users", "a plan that nobody knows", user(24, doc! {"plan": "gold"}), is_user(24, doc! {"plan": "free"})),
        odd(
            "users",
            "a date as text",
            user(25, doc! {"createdAt": day(30).to_string()}),
            is_user(25, doc! {"createdAt": day(30)}),
        ),
        odd(
            "users",
            "a date as a number",
            user(26, doc! {"createdAt": millis}),
            is_user(26, doc! {"createdAt": day(30)}),
        ),
        odd(
            "users",
            "a date as JavaScript prints it",
            user(
                27,
                doc! {"createdAt": day(30).strftime("%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)").to_string()},
            ),
            is_user(27, doc! {"createdAt": day(30)}),
        ),
        odd("users", "no date", without(user(28, doc! {}), "createdAt"), is_user(28, doc! {"createdAt": day(20)})),
        odd(
            "users",
            "an id that is a text",
            user(29, doc! {"_id": hex(29)}),
            is_user(29, doc! {"email": "user29@example.com"}),
        ),
        odd(
            "users",
            "no password: it signed in with Google",
            user(30, doc! {"password": null}),
            is_user(30, doc! {"passwordHash": {"$exists": false}}),
        ),
        odd(
            "users",
            "a password in clear",
            user(31, doc! {"password": "Secret-in-clear-1"}),
            is_user(31, doc! {"passwordHash": {"$exists": false}}),
        ),
        odd("users", "no name", without(user(32, doc! {}), "name"), is_user(32, doc! {"name": "user32"})),
        odd(
            "users",
            "a name of two lines",
            user(33, doc! {"name": "Eve\nAdmin"}),
            is_user(33, doc! {"name": "Eve Admin"}),
        ),
        odd("users", "a name that is a number", user(34, doc! {"name": 42}), is_user(34, doc! {"name": "42"})),
        odd(
            "users",
            "an organisation by its ObjectId",
            user(35, doc! {"organizationId": oid(900)}),
            is_user(35, doc! {"organizationId": hex(900)}),
        ),
        odd(
            "users",
            "a suspended account",
            user(36, doc! {"status": "suspended"}),
            is_user(36, doc! {"status": "suspended"}),
        ),
        odd(
            "users",
            "an account that was deleted softly",
            user(37, doc! {"deletedAt": day(3)}),
            is_user(37, doc! {"status": "suspended"}),
        ),
        odd(
            "users",
            "what has no place here",
            user(38, doc! {"resetToken": "0123456789abcdef"}),
            is_user(38, doc! {"xp": {"$exists": false}, "resetToken": {"$exists": false}}),
        ),
        odd(
            "user_mfa",
            "a number with spaces",
            with(
                50,
                doc! {"userId": hex(32), "phoneNumber": "+41 79 123-45 67", "method": "sms", "enabled": true, "enabledAt": day(9)},
            ),
            is_user(32, doc! {"mfa": {"$exists": false}}),
        ),
        odd(
            "user_mfa",
            "on, and later off",
            with(
                51,
                doc! {"userId": oid(33), "phoneNumber": "+41791234567", "enabled": false, "enabledAt": day(9), "disabledAt": day(8)},
            ),
            is_user(33, doc! {"mfa.method": null}),
        ),
        odd(
            "user_mfa",
            "the older of two",
            with(52, doc! {"userId": hex(33), "phoneNumber": "+41791234567", "enabled": true, "enabledAt": day(12)}),
            LeftOut("is newer"),
        ),
        odd(
            "user_mfa",
            "a number without its country",
            with(53, doc! {"userId": hex(34), "phoneNumber": "079 123 45 67", "enabled": true}),
            is_user(34, doc! {"mfa": {"$exists": false}}),
        ),
        odd(
            "user_mfa",
            "of nobody",
            with(54, doc! {"userId": hex(999), "phoneNumber": "+41791234567", "enabled": true}),
            LeftOut("no such account"),
        ),
        odd(
            "accounts",
            "a sign-in with Google, of an account without a password",
            with(70, doc! {"userId": oid(30), "type": "oidc", "provider": "google"}),
            is_user(30, doc! {"emailVerifiedAt": day(20)}),
        ),
        odd(
            "accounts",
            "a sign-in with a provider that proves no address",
            with(71, doc! {"userId": oid(31), "type": "oauth", "provider": "azure-ad"}),
            is_user(31, doc! {"emailVerifiedAt": {"$exists": false}}),
        ),
        odd(
            "user_stats",
            "days in several types, some twice",
            with(
                60,
                doc! {"userId": hex(10), "daysLoggedIn": 9, "loginDates": [day(3), day(3).to_string(), day(2).as_millisecond(), "soon", null], "lastLoginDate": day(2)},
            ),
            Here("user_activity", doc! {"_id": format!("{}/{}", hex(10), clock::day(day(3)))}),
        ),
        odd(
            "user_stats",
            "days of years ago",
            with(61, doc! {"userId": hex(12), "loginDates": [day(800)]}),
            LeftOut("no day of the last 400"),
        ),
    ]
}

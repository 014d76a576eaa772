//! Keys of model providers, and platform keys.

use bson::{Document, doc};
use shared::keys;

use super::{
    ADMIN,
    Becomes::{Here, LeftOut},
    OLD_KEY, Oddity, PROVIDER_SECRET, day, hex, odd, sealed, with, without,
};

pub(super) fn key(number: u32, fields: Document) -> Document {
    let mut key = doc! {
        "userId": hex(ADMIN), "provider": "openai", "keyName": format!("Key {number}"), "encryptedKey": sealed(PROVIDER_SECRET, OLD_KEY),
        "keyHash": keys::sha256(PROVIDER_SECRET), "isActive": true, "usageCount": 4, "allowedModels": ["gpt-4o"], "createdAt": day(9),
    };
    key.extend(fields);
    with(number, key)
}

pub(super) fn provider_keys() -> Vec<Oddity> {
    let here = |fields: Document| Here("provider_keys", fields);
    vec![
        odd(
            "api_keys",
            "a key as it should be",
            key(200, doc! {}),
            here(doc! {"name": "Key 200", "active": true, "last4": "WXYZ", "keyHash": {"$exists": false}}),
        ),
        odd(
            "api_keys",
            "a platform key",
            with(201, doc! {"userId": hex(ADMIN), "name": "sk", "keyHash": keys::sha256("x"), "lastFour": "abcd"}),
            LeftOut("platform key"),
        ),
        odd(
            "api_keys",
            "sealed with another key",
            key(202, doc! {"encryptedKey": sealed(PROVIDER_SECRET, "another key")}),
            LeftOut("does not open it"),
        ),
        odd("api_keys", "of an account that is not here", key(210, doc! {"userId": hex(999)}), LeftOut("is not here")),
        odd("api_keys", "a cipher that is none", key(203, doc! {"encryptedKey": "zz:00"}), LeftOut("does not open it")),
        odd(
            "api_keys",
            "revoked",
            key(204, doc! {"revokedAt": day(3)}),
            here(doc! {"name": "Key 204", "active": false, "cipher": ""}),
        ),
        odd(
            "api_keys",
            "run out",
            key(205, doc! {"expiresAt": day(3).to_string()}),
            here(doc! {"name": "Key 205", "active": false}),
        ),
        odd(
            "api_keys",
            "a provider by its model's name",
            key(206, doc! {"provider": "gemini"}),
            here(doc! {"name": "Key 206", "provider": "google"}),
        ),
        odd(
            "api_keys",
            "a provider that we lack",
            key(207, doc! {"provider": "replicate"}),
            LeftOut("no keys of the provider replicate"),
        ),
        odd(
            "api_keys",
            "no list of models, an end that is null",
            without(key(208, doc! {"expiresAt": null}), "allowedModels"),
            here(doc! {"name": "Key 208", "active": true, "allowedModels": []}),
        ),
        odd(
            "api_keys",
            "an owner by their address",
            key(209, doc! {"userId": "ada@example.com"}),
            here(doc! {"name": "Key 209", "userId": hex(10)}),
        ),
    ]
}

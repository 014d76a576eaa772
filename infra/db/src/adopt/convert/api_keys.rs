//! Keys for AI providers: opened with the key of the application before, and sealed with ours. Its platform keys cannot
//! come along: it kept their hashes, which ours are not.

use bson::{Document, doc};
use secrecy::{ExposeSecret, SecretString};
use shared::{api_keys::vault_seal, clock::Moment};

use super::{
    super::{
        old::{OldFields, line, made_at, ordered_id, shorten},
        source::OldDocument,
    },
    Context,
    row::{NewDocument, Outcome, Row, each},
};

pub(super) fn convert(context: &Context<'_>, collection: &str) -> Vec<Row> {
    each(context.old(collection), |key, mapped| one(context, key, mapped))
}

fn one(context: &Context<'_>, key: &OldDocument, mapped: &mut Vec<String>) -> Outcome {
    let fields = &key.fields;
    let Some(sealed) = fields.text("encryptedKey") else {
        return Err("a platform key, of which only a hash was kept: its owner makes a new one".into());
    };
    let user = context.user(fields, "userId").ok_or("it names no account: correct its userId, or leave it")?;
    let named = fields.text("provider").ok_or("it names no provider: correct it, or leave it")?.to_lowercase();
    let provider = match named.as_str() {
        "openai" | "anthropic" | "google" | "groq" => named,
        "gemini" => "google".into(),
        "claude" => "anthropic".into(),
        other => return Err(format!("there are no keys of the provider {} here", line(other, 50))),
    };
    let id = new_id(key);
    let is_over = fields.at("expiresAt").is_some_and(|end| end <= context.now);
    let is_active = fields.flag("isActive").unwrap_or(true) && fields.at("revokedAt").is_none() && !is_over;
    if is_active && fields.at("expiresAt").is_some() {
        mapped.push("keys do not expire here: its owner revokes it when it does there".into());
    }
    // As a key that is revoked here: nothing of it is left to be stolen.
    let secret = if is_active { Some(opened(context, &sealed)?) } else { None };
    let name = fields.text("keyName").or_else(|| fields.text("name")).map(|name| line(&name, 100));
    let models = if is_active { fields.texts("allowedModels") } else { Vec::new() };
    Ok(vec![NewDocument::new(
        "provider_keys",
        doc! {
            "_id": &id, "userId": &user, "provider": &provider, "name": name.filter(|name| !name.is_empty()).unwrap_or(provider),
            "cipher": secret.as_ref().map(|secret| vault_seal(&context.secrets.vault, &user, &id, 1, secret)).unwrap_or_default(),
            "keyVersion": 1_i64, "last4": secret.as_ref().map(last4).unwrap_or_default(),
            "allowedModels": models.iter().map(|model| shorten(model, 100)).collect::<Vec<_>>(),
            "monthlyLimitMicros": null,
            "monthlyUsageLimit": fields.count("monthlyUsageLimit").and_then(|limit| i64::try_from(limit).ok()).filter(|limit| *limit > 0),
            "active": is_active, "createdAt": made(fields), "rotatedAt": fields.at("rotatedAt"),
        },
    )])
}

/// Its id here, by which records of its use name it, too.
pub(super) fn new_id(key: &OldDocument) -> String {
    ordered_id(&key.id, made(&key.fields))
}

fn made(fields: &Document) -> Moment {
    made_at(fields, &["createdAt"]).unwrap_or_default()
}

fn opened(context: &Context<'_>, sealed: &str) -> Result<SecretString, String> {
    let Some(cipher) = &context.secrets.old else {
        return Err("OLD_ENCRYPTION_KEY is not set: set it to API_KEY_ENCRYPTION_KEY of the application before".into());
    };
    let secret = cipher.open(sealed).filter(|secret| !secret.expose_secret().is_empty());
    secret.ok_or_else(|| "OLD_ENCRYPTION_KEY does not open it: its owner enters it anew".into())
}

fn last4(secret: &SecretString) -> String {
    let chars: Vec<char> = secret.expose_secret().chars().collect();
    chars[chars.len().saturating_sub(4)..].iter().collect()
}

/// Whether there are keys to open, and the key of the application before opens none of them.
pub(crate) fn is_wrong_key(context: &Context<'_>) -> bool {
    let Some(cipher) = &context.secrets.old else { return false };
    let mut sealed = context.old("api_keys").iter().filter_map(|key| key.fields.text("encryptedKey")).peekable();
    sealed.peek().is_some() && !sealed.any(|sealed| cipher.open(&sealed).is_some())
}

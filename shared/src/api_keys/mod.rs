//! Keys: those that programs call the platform with, and those for AI providers that users keep here.

mod all;
mod platform;
mod token;
mod usage;
mod vault;

pub use all::{revoke_platform_keys, revoke_provider_keys};
pub use platform::{
    ACTIVE_LIMIT, ApiKeyPage, ApiKeyView, ApiKeys, KeyPrincipal, KeyUsage, NewApiKey, NewKeyRequest, Scope, SignedOrKey,
};
pub use usage::ApiKeyUsage;
pub use vault::{
    KeyWanted, NewProviderKey, OpenedKey, Provider, ProviderKeyPage, ProviderKeyView, ProviderKeys, RotatedSecret,
    vault_cipher, vault_context, vault_seal,
};

use crate::http::Problem;

/// 409 for who rotates a key at the same time as somebody else, who was faster.
fn changed_meanwhile() -> Problem {
    Problem::conflict("key_changed", "This key was changed meanwhile: look at it, then try again.")
}

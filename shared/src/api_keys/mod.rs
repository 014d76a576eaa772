//! Keys: those that programs call the platform with, and those for AI providers that users keep here.

mod platform;
mod token;
mod vault;

pub use platform::{
    ACTIVE_LIMIT, ApiKeyPage, ApiKeyView, ApiKeys, KeyPrincipal, KeyUsage, NewApiKey, NewKeyRequest, Scope, TakesKeys,
};
pub use vault::{NewProviderKey, Provider, ProviderKeyPage, ProviderKeyView, ProviderKeys, RotatedSecret};

//! `cargo db auth-js-key`: the front end's secret stays with the front end; the functions get a key that follows from it.

use std::io::{IsTerminal, Read, stdin};

use anyhow::ensure;
use clap::Args;
use shared::auth::derive_key;

#[derive(Args)]
pub(crate) struct AuthJsKey {
    /// The name of the session cookie, without the number of a piece.
    #[arg(long, default_value = "authjs.session-token")]
    cookie: String,
    /// The front end has version 4 of Auth.js (`next-auth` 4).
    #[arg(long)]
    v4: bool,
}

/// Reads the secret (`AUTH_SECRET`, `NEXTAUTH_SECRET`) and prints the key.
pub(crate) fn print(of: &AuthJsKey) -> anyhow::Result<()> {
    if stdin().is_terminal() {
        eprintln!("Enter the front end's secret, then press Ctrl-D:");
    }
    let mut secret = String::new();
    stdin().read_to_string(&mut secret)?;
    let secret = secret.trim_end_matches(['\r', '\n']);
    ensure!(!secret.is_empty(), "standard input held no secret");
    println!("{}", derive_key(secret.as_bytes(), &of.cookie, of.v4));
    Ok(())
}

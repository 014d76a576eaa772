//! The whole stack on one machine: what `cargo local` does, and what the tests need of it.
//!
//! Everything it installs or writes lies in `.local` at the root of the repository; Debian packages
//! are the one exception, and only when it runs as root and they are missing.

pub mod changes;
pub mod compile;
pub mod deploy;
pub mod end_to_end;
pub mod imports;
pub mod install;
pub mod proxy;
pub mod release;
pub mod rewrites;
pub mod server;
pub mod stack;
pub mod state;
pub mod step;
pub mod template;
pub mod test;

use std::path::PathBuf;

/// The root of the repository.
pub fn root() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

/// `.local`, or something in it; the variable `LOCAL_FOLDER` names another folder instead.
pub fn folder(name: &str) -> PathBuf {
    std::env::var_os("LOCAL_FOLDER").map_or_else(|| root().join(".local"), PathBuf::from).join(name)
}

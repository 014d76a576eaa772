//! What builds and deploys.

use std::process::Command;

use local::step::quietly;

use crate::table::{Finding, fault};

/// Whether `cargo lambda` and `sam` are there, and which.
pub(super) fn installed() -> Finding {
    let version = |program: &str, arguments: &[&str]| -> Finding {
        let said = quietly(Command::new(program).args(arguments).env("SAM_CLI_TELEMETRY", "0"));
        let said = said.map_err(|_| {
            fault(format!("{program} {} is missing", arguments[0]), "pip install cargo-lambda aws-sam-cli")
        })?;
        Ok(said.lines().next().unwrap_or_default().trim().to_owned())
    };
    Ok(format!("{}, {}", version("cargo", &["lambda", "--version"])?, version("sam", &["--version"])?))
}

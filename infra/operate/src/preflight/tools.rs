//! What deploys. What builds is installed by the build itself.

use std::process::Command;

use local::step::quietly;

use crate::table::{Finding, fault};

/// Whether `sam` is there, and which.
pub(super) fn installed() -> Finding {
    let said = quietly(Command::new("sam").arg("--version").env("SAM_CLI_TELEMETRY", "0"));
    let said = said.map_err(|_| fault("sam is missing", "pip install aws-sam-cli"))?;
    Ok(said.lines().next().unwrap_or_default().trim().to_owned())
}

//! What runs, written down for the other verbs and for the tests.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, anyhow, ensure};
use serde::{Deserialize, Serialize};

use crate::{
    folder,
    server::{self, Server},
};

/// Where everything is.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The `cargo local` that brought this up, and takes it down when it ends.
    pub pid: u32,
    /// The API, on a port that stays.
    pub api_url: String,
    /// The API at the emulator, where it moves with each deploy.
    pub upstream_url: String,
    /// MongoDB.
    pub mongodb_uri: String,
    /// Valkey or Redis, if there is one.
    pub redis_url: Option<String>,
    /// The emulator of AWS.
    pub aws_endpoint_url: String,
    pub stack_name: String,
    pub content_url: String,
    pub events_queue_url: String,
    /// Its dead-letter queue.
    pub events_dlq_url: String,
    pub notifications_queue_url: String,
    /// Its dead-letter queue.
    pub notifications_dlq_url: String,
    /// What was started, by name.
    pub servers: BTreeMap<String, Server>,
}

impl State {
    /// What runs now; an error that says what to do when nothing does.
    pub fn load() -> anyhow::Result<Self> {
        // What the system says of it (no such file) would only confuse.
        let text = fs::read_to_string(folder("state.json"))
            .map_err(|_| anyhow!("nothing is running: start it with `cargo local up`"))?;
        serde_json::from_str(&text).context("`.local/state.json` cannot be read: delete it and start again")
    }

    /// As [`State::load`], of a stack that is not just what a killed one left behind.
    pub fn running() -> anyhow::Result<Self> {
        let state = Self::load()?;
        ensure!(server::alive(state.pid), "the stack was killed: start it again with `cargo local up`");
        Ok(state)
    }

    pub fn save(&self) -> anyhow::Result<()> {
        fs::write(folder("state.json"), serde_json::to_string_pretty(self)?)?;
        Ok(())
    }
}

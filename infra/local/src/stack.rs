//! A stack for the time of some work.

use std::process::{Command, id};

use anyhow::{Context, ensure};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    deploy::{self, Data},
    proxy,
    server::{self, API_PORT, free_port},
    state::State,
};

/// Brings a stack of what was built up for the time of `work`, and down again whatever became of it. Tells whether
/// `work` came to its end, or was interrupted.
pub async fn with_stack(data: Data, work: impl AsyncFnOnce(&State) -> anyhow::Result<()>) -> anyhow::Result<bool> {
    let port = free_port(API_PORT)?;
    // From here on a Ctrl-C does not end this process, only what it has started.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut state = State { pid: id(), api_url: format!("http://127.0.0.1:{port}"), ..State::default() };
    let started = tokio::task::block_in_place(|| deploy::up(&mut state, data));
    let outcome = match started {
        Ok(()) => {
            let proxy = tokio::spawn(proxy::serve(port, state.upstream_url.clone()));
            let outcome = tokio::select! {
                outcome = work(&state) => outcome.map(|()| true),
                _ = interrupt.recv() => Ok(false),
                _ = terminate.recv() => Ok(false),
            };
            proxy.abort();
            outcome
        }
        Err(error) => Err(error),
    };
    // Tests stop and start servers: what runs now is in the file.
    tokio::task::block_in_place(|| deploy::down(&State::load().unwrap_or(state)));
    outcome
}

/// To be asked before anything is built: refuses while a stack runs or a port is taken; clears away what a killed
/// stack left behind.
pub fn can_start() -> anyhow::Result<()> {
    if let Ok(state) = State::load() {
        ensure!(!server::alive(state.pid), "a stack is running already: stop it with `cargo local down` first");
        deploy::down(&state);
    }
    server::ports_are_free()
}

/// Refuses somebody's servers: tests stop them and empty them.
pub fn servers_of_its_own() -> anyhow::Result<()> {
    for name in ["MONGODB_URI", "REDIS_URL"] {
        ensure!(std::env::var_os(name).is_none(), "{name} is set, and would be filled and emptied: unset it for this");
    }
    Ok(())
}

/// Runs a command in the open, while this process answers the API's port. When that is interrupted, the command and all
/// that it has started end, too: they would go on with the next stack.
pub async fn in_the_background(command: Command) -> anyhow::Result<()> {
    let program = command.get_program().display().to_string();
    let mut child = tokio::process::Command::from(command).process_group(0).spawn()?;
    let _group = server::Group(child.id().context("it was not waited for")?);
    let status = child.wait().await?;
    ensure!(status.success(), "{program} ended with {status}");
    Ok(())
}

/// Ends the `cargo local` that runs a stack, which ends the rest; and ends the rest itself if that is gone.
pub fn stop(state: &State) {
    server::end_process(state.pid);
    if let Ok(state) = State::load() {
        deploy::down(&state);
    }
}

/// Stops a server that `cargo local` started; its data stay.
pub fn stop_server(name: &str) -> anyhow::Result<()> {
    let state = State::load()?;
    let server = state.servers.get(name).with_context(|| format!("`cargo local` did not start {name}"))?;
    server::end(server)
}

/// Starts it again, on the same port and with the same data.
pub fn start_server(name: &str) -> anyhow::Result<()> {
    let mut state = State::load()?;
    let server = state.servers.get(name).with_context(|| format!("`cargo local` did not start {name}"))?.clone();
    let server = server::spawn(name, server.command, server.variables, server.port)?;
    state.servers.insert(name.to_owned(), server);
    state.save()
}

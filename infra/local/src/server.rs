//! Starting and stopping servers, each in a process group of its own, so that nothing stays behind.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

use crate::folder;

/// How long a server may take to listen, or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A port: the variable that may name another, and what it is without.
pub type Port = (&'static str, u16);

pub const API_PORT: Port = ("LOCAL_API_PORT", 3000);
/// MongoDB; its own default is left to a server of somebody's.
pub const MONGODB_PORT: Port = ("LOCAL_MONGODB_PORT", 27117);
/// Redis, likewise.
pub const REDIS_PORT: Port = ("LOCAL_REDIS_PORT", 6479);
/// The emulator of AWS.
pub const AWS_PORT: Port = ("LOCAL_AWS_PORT", 4566);

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// Its process, which leads a group of its own.
    pub pid: u32,
    /// Where it listens.
    pub port: u16,
    pub command: Vec<String>,
    /// With which variables besides ours.
    pub variables: BTreeMap<String, String>,
}

/// An error that names the first port that is taken.
pub fn ports_are_free() -> anyhow::Result<()> {
    for (port, own) in
        [(API_PORT, None), (MONGODB_PORT, Some("MONGODB_URI")), (REDIS_PORT, Some("REDIS_URL")), (AWS_PORT, None)]
    {
        if own.is_none_or(|variable| std::env::var_os(variable).is_none()) {
            free_port(port)?;
        }
    }
    Ok(())
}

/// The port to use. An error when it is taken.
pub fn free_port((variable, default): Port) -> anyhow::Result<u16> {
    let port = match std::env::var(variable) {
        Ok(text) => text.parse().map_err(|_| anyhow!("{variable} must be a port number, and is {text:?}"))?,
        Err(_) => default,
    };
    if TcpListener::bind(("127.0.0.1", port)).is_err() {
        bail!("port {port} is taken: stop what uses it, or set {variable} to another port");
    }
    Ok(port)
}

/// Starts a server and waits until it listens.
pub fn spawn(
    name: &str,
    command: Vec<String>,
    variables: BTreeMap<String, String>,
    port: u16,
) -> anyhow::Result<Server> {
    fs::create_dir_all(folder("log"))?;
    let path = folder("log").join(format!("{name}.log"));
    let log = File::options().create(true).append(true).open(&path)?;
    let (program, arguments) = command.split_first().context("an empty command")?;
    let mut child = Command::new(program)
        .args(arguments)
        .envs(&variables)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {name} ({program})"))?;
    let started = Instant::now();
    while !listens(port) {
        if let Some(status) = child.try_wait()? {
            bail!("{name} ended at once with {status}: see {}", path.display());
        }
        if started.elapsed() > PATIENCE {
            signal(child.id(), Signal::KILL);
            bail!("{name} does not listen on port {port}: see {}", path.display());
        }
        sleep(Duration::from_millis(50));
    }
    Ok(Server { pid: child.id(), port, command, variables })
}

/// Asks a process to end, and waits until it has.
pub fn end_process(id: u32) {
    if alive(id) {
        if let Some(pid) = pid(id) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let asked = Instant::now();
        while alive(id) && asked.elapsed() < PATIENCE {
            sleep(Duration::from_millis(50));
        }
    }
}

/// Ends a server's whole group: asks, waits, and ends what is left.
pub fn end(server: &Server) -> anyhow::Result<()> {
    signal(server.pid, Signal::TERM);
    let asked = Instant::now();
    while (listens(server.port) || alive(server.pid)) && asked.elapsed() < PATIENCE {
        if asked.elapsed() > Duration::from_secs(5) {
            signal(server.pid, Signal::KILL);
        }
        sleep(Duration::from_millis(50));
    }
    // Children of its own (the emulator's functions) may have outlived their leader.
    signal(server.pid, Signal::KILL);
    Ok(())
}

/// A process group, which ends with this value.
pub struct Group(pub u32);

impl Drop for Group {
    fn drop(&mut self) {
        signal(self.0, Signal::KILL);
    }
}

/// Sends it to the whole group; one that has ended is left alone.
fn signal(group: u32, signal: Signal) {
    if let Some(group) = pid(group) {
        let _ = kill_process_group(group, signal);
    }
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}

/// A process that ended but was not waited for is not alive.
pub fn alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_millis(200)).is_ok()
}

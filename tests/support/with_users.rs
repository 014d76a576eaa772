//! A MongoDB of a test's own, where nobody does anything without a password, and everybody what their roles allow.

use std::process::{Child, Command, Stdio};

use bson::{Document, doc};
use mongodb::{Client, Database};
use rustix::process::{Pid, Signal, kill_process};

use crate::eventually;

/// A password that all its users have.
pub const PASSWORD_OF_USERS: &str = "the-right-password";

pub struct WithUsers {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for WithUsers {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl WithUsers {
    /// With these users, each with roles. `None` where the server is `mongod`, which takes other flags.
    pub async fn start(users: &[(&str, &[Document])]) -> Option<Self> {
        let (program, folder) = (local::install::mongodb(), tempfile::tempdir().unwrap());
        if program.ends_with("mongod") {
            return None;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let run = |more: &[&str]| {
            let mut command = Command::new(&program);
            command.args(["--port", &port.to_string(), "--storage-path"]).arg(folder.path());
            command.args(["--cache-size", "64M", "--log-level", "ERROR"]).args(more);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let mut open = Self { child: run(&[]), port, _folder: tempfile::tempdir().unwrap() };
        for (name, roles) in users {
            let user = doc! {"createUser": *name, "pwd": PASSWORD_OF_USERS, "roles": roles.to_vec()};
            eventually("the server", 30, async || {
                let client = Client::with_uri_str(format!("mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=1000"));
                client.await.ok()?.database("admin").run_command(user.clone()).await.ok()
            })
            .await;
        }
        // In order: what it was told last would be lost otherwise.
        kill_process(Pid::from_child(&open.child), Signal::TERM).unwrap();
        open.child.wait().unwrap();
        let child = run(&["--auth"]);
        drop(open);
        Some(Self { child, port, _folder: folder })
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn uri(&self, user: &str, password: &str) -> String {
        format!("mongodb://{user}:{password}@{}/?authSource=admin&directConnection=true", self.address())
    }

    /// A database as this user sees it, once the server answers.
    pub async fn database(&self, user: &str, name: &str) -> Database {
        let uri = format!("{}&serverSelectionTimeoutMS=1000", self.uri(user, PASSWORD_OF_USERS));
        eventually("the server with a password", 30, async || {
            let client = Client::with_uri_str(&uri).await.ok()?;
            client.database("admin").run_command(doc! {"ping": 1}).await.ok()?;
            Some(client.database(name))
        })
        .await
    }
}

//! Three nodes that a MongoDB driver takes for a replica set, and that fail on request.
//!
//! Real are the sockets, the wire protocol, the roles, the refusals of a node that is not the primary and
//! the rule that a write sent again is not done again; a secondary answers a read that asks for a secondary. There
//! is one store behind the three: what was acknowledged by a majority is on whichever node comes next.

mod store;
mod wire;

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bson::{Document, doc, oid::ObjectId};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};

use store::Store;

const NODES: usize = 3;
const BACKLOG: u32 = 1024;

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Up,
    /// Its process is gone: connections end, new ones are refused.
    Gone,
    /// Its host or the way to it is gone: nothing is answered, nothing ends.
    Silent,
    /// It has as many connections as it may: those that it has live on, new ones are closed at once.
    Full,
}

/// What becomes of a command.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is refused with this code, under the labels that the server would give.
    Refuse(i32, &'static str),
    /// The first half of its documents or updates is done, the other refused with this code.
    RefuseHalf(i32),
    /// It is not done, and the connection ends.
    LoseRequest,
    /// It is done, and the connection ends before the answer.
    LoseAnswer,
    /// It is done, and never answered.
    Hang,
    /// It is done, and answered so much later.
    Late(Duration),
}

/// A read, as a node was asked for it.
#[derive(Clone, Debug)]
pub struct Read {
    pub node: usize,
    /// Whether the node was the primary then.
    pub at_primary: bool,
    /// `$readPreference`; the primary alone may answer without one.
    pub preference: Option<String>,
}

/// A set; its nodes end with the test's runtime.
#[derive(Clone)]
pub struct ReplicaSet(Arc<Inner>);

struct Inner {
    addresses: Vec<SocketAddr>,
    conditions: Vec<watch::Sender<Condition>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    primary: Option<usize>,
    term: u32,
    store: Store,
    faults: VecDeque<(&'static str, Fault)>,
    /// Sockets open at each node, and opened so far at all.
    open: [usize; NODES],
    opened: usize,
    reads: Vec<Read>,
    /// Commands by name, at any node.
    heard: HashMap<String, usize>,
}

/// Of its own, so that a client that finds another set at an address knows it for a stranger.
fn name(addresses: &[SocketAddr]) -> String {
    format!("test-{}", addresses[0].port())
}

/// What a node does with a command.
enum Reply {
    Answer(Document),
    Late(Duration, Document),
    Close,
    Silence,
}

impl ReplicaSet {
    pub async fn start() -> Self {
        let mut listeners = Vec::new();
        for _ in 0..NODES {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        let conditions = (0..NODES).map(|_| watch::Sender::new(Condition::Up)).collect();
        let state = Mutex::new(State { primary: Some(0), term: 1, ..State::default() });
        let set = Self(Arc::new(Inner { addresses, conditions, state }));
        for (node, listener) in listeners.into_iter().enumerate() {
            tokio::spawn(set.clone().accept(node, listener));
        }
        set
    }

    pub fn uri(&self) -> String {
        let hosts: Vec<String> = self.0.addresses.iter().map(ToString::to_string).collect();
        format!("mongodb://{}/?replicaSet={}", hosts.join(","), name(&self.0.addresses))
    }

    /// Sockets open now: at the primary, then at the others.
    pub fn sockets(&self) -> Vec<usize> {
        let state = self.state();
        let primary = state.primary.unwrap_or(0);
        (0..NODES).map(|n| state.open[(primary + n) % NODES]).collect()
    }

    /// Sockets opened so far at all nodes.
    pub fn opened(&self) -> usize {
        self.state().opened
    }

    /// Reads so far, at any node.
    pub fn reads(&self) -> Vec<Read> {
        self.state().reads.clone()
    }

    /// How often a command of this name came to a node, whatever became of it.
    pub fn heard(&self, command: &str) -> usize {
        self.state().heard.get(command).copied().unwrap_or_default()
    }

    pub fn primary(&self) -> Option<usize> {
        self.state().primary
    }

    pub fn documents(&self, collection: &str) -> Vec<Document> {
        self.state().store.documents(collection)
    }

    /// Puts documents there, without a command.
    pub fn put(&self, collection: &str, documents: &[Document]) {
        self.state().store.insert(collection, documents);
    }

    /// What becomes of the next commands of this name, one fault each.
    pub fn script(&self, command: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults.into_iter().map(|fault| (command, fault)));
    }

    /// Ends the script.
    pub fn behave(&self) {
        self.state().faults.clear();
    }

    /// Without a primary from now on, with another one after `election`.
    pub fn step_down(&self, election: Duration) {
        let Some(before) = self.state().primary.take() else { return };
        let set = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(election).await;
            let mut state = set.state();
            state.primary = Some((before + 1) % NODES);
            state.term += 1;
        });
    }

    /// Puts a node into a condition. A primary that the others cannot see is replaced after `election`.
    pub fn make(&self, node: usize, condition: Condition, election: Duration) {
        self.0.conditions[node].send_replace(condition);
        let lost = matches!(condition, Condition::Gone | Condition::Silent);
        if lost && self.primary() == Some(node) {
            self.step_down(election);
        }
    }

    /// Every node into a condition; the roles stay.
    pub fn make_all(&self, condition: Condition) {
        for node in &self.0.conditions {
            node.send_replace(condition);
        }
    }

    async fn accept(self, node: usize, mut listener: TcpListener) {
        let mut condition = self.0.conditions[node].subscribe();
        loop {
            tokio::select! {
                _ = condition.wait_for(|now| *now == Condition::Gone) => {}
                Ok((socket, _)) = listener.accept() => {
                    tokio::spawn(self.clone().count(node, socket));
                    continue;
                }
            }
            drop(listener);
            // Held, and refusing: another test's server would get the port otherwise, and this set's writes.
            let port = TcpSocket::new_v4().unwrap();
            port.set_reuseaddr(true).unwrap();
            port.bind(self.0.addresses[node]).unwrap();
            condition.wait_for(|now| *now != Condition::Gone).await.unwrap();
            listener = port.listen(BACKLOG).unwrap();
        }
    }

    async fn count(self, node: usize, socket: TcpStream) {
        {
            let mut state = self.state();
            state.open[node] += 1;
            state.opened += 1;
        }
        let full = *self.0.conditions[node].borrow() == Condition::Full;
        if !full {
            // An error is the client's end of the conversation.
            self.converse(node, socket).await.ok();
        }
        self.state().open[node] -= 1;
    }

    async fn converse(&self, node: usize, mut socket: TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)?;
        let mut condition = self.0.conditions[node].subscribe();
        loop {
            let (number, command) = tokio::select! {
                _ = condition.wait_for(|now| *now == Condition::Gone) => return Ok(()),
                message = wire::read(&mut socket) => message?,
            };
            if *condition.borrow_and_update() == Condition::Silent {
                return self.silence(node, &mut socket).await;
            }
            let reply = self.state().reply(node, &command, &self.0.addresses);
            match reply {
                Reply::Answer(document) => wire::answer(&mut socket, number, &document).await?,
                Reply::Late(by, document) => {
                    tokio::time::sleep(by).await;
                    wire::answer(&mut socket, number, &document).await?;
                }
                Reply::Close => return Ok(()),
                Reply::Silence => return self.silence(node, &mut socket).await,
            }
        }
    }

    /// Takes whatever comes and says nothing, until the client gives up or the node's process ends.
    async fn silence(&self, node: usize, socket: &mut TcpStream) -> io::Result<()> {
        let mut condition = self.0.conditions[node].subscribe();
        let mut nowhere = tokio::io::sink();
        tokio::select! {
            _ = condition.wait_for(|now| *now == Condition::Gone) => Ok(()),
            taken = tokio::io::copy(socket, &mut nowhere) => taken.map(drop),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }
}

impl State {
    fn reply(&mut self, node: usize, command: &Document, addresses: &[SocketAddr]) -> Reply {
        let name = command.keys().next().map_or("", String::as_str);
        *self.heard.entry(name.to_owned()).or_default() += 1;
        let mut by_secondary = false;
        match name {
            // The second from a driver that does not declare the API's version.
            "hello" | "isMaster" => return Reply::Answer(self.hello(node, addresses)),
            "find" | "aggregate" => {
                let read = read(node, self.primary, command);
                by_secondary = read.preference.as_deref().is_some_and(|mode| mode != "primary");
                self.reads.push(read);
            }
            "insert" | "update" => {}
            _ => return Reply::Answer(doc! {"ok": 1.0}),
        }
        if self.primary != Some(node) && !by_secondary {
            return Reply::Answer(refusal(10107, "not primary"));
        }
        let scripted = self.faults.iter().position(|(of, _)| *of == name);
        match scripted.and_then(|at| self.faults.remove(at)) {
            None => Reply::Answer(self.store.run(command)),
            Some((_, Fault::Refuse(code, message))) => Reply::Answer(refusal(code, message)),
            Some((_, Fault::RefuseHalf(code))) => Reply::Answer(self.store.run_half(command, code)),
            Some((_, Fault::LoseRequest)) => Reply::Close,
            Some((_, Fault::LoseAnswer)) => {
                self.store.run(command);
                Reply::Close
            }
            Some((_, Fault::Hang)) => {
                self.store.run(command);
                Reply::Silence
            }
            Some((_, Fault::Late(by))) => Reply::Late(by, self.store.run(command)),
        }
    }

    fn hello(&self, node: usize, addresses: &[SocketAddr]) -> Document {
        let hosts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let primary = self.primary == Some(node);
        let mut hello = doc! {
            "ok": 1.0, "isWritablePrimary": primary, "secondary": !primary, "me": &hosts[node],
            "setName": name(addresses), "setVersion": 1, "helloOk": true, "readOnly": false,
            "minWireVersion": 0, "maxWireVersion": 21, "logicalSessionTimeoutMinutes": 30,
            "maxBsonObjectSize": 16 * 1024 * 1024, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000,
            "localTime": bson::DateTime::now(),
            // A driver that has seen one gives a silent node ten seconds more.
            "topologyVersion": {"processId": ObjectId::from_bytes([1; 12]), "counter": i64::from(self.term)},
        };
        if let Some(primary) = self.primary {
            hello.insert("primary", &hosts[primary]);
        }
        if primary {
            let mut id = [0; 12];
            id[8..].copy_from_slice(&self.term.to_be_bytes());
            hello.insert("electionId", ObjectId::from_bytes(id));
        }
        hello.insert("hosts", hosts);
        hello
    }
}

fn read(node: usize, primary: Option<usize>, command: &Document) -> Read {
    let preference = command.get_document("$readPreference").and_then(|preference| preference.get_str("mode"));
    Read { node, at_primary: primary == Some(node), preference: preference.ok().map(str::to_owned) }
}

/// Source for the labels: a 4.4 or later server marks the refusals that a driver may answer by trying again.
fn refusal(code: i32, message: &str) -> Document {
    let mut refusal = doc! {"ok": 0.0, "code": code, "errmsg": message};
    if [91, 189, 10107, 11600, 11602].contains(&code) {
        refusal.insert("errorLabels", ["RetryableWriteError"]);
    }
    refusal
}

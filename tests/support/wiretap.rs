//! A way to MongoDB that counts the commands that pass, can end after some of them, and can lose answers.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
};

/// What a client says for itself, not for its caller.
const OF_THE_CLIENT: [&str; 5] = ["hello", "isMaster", "ping", "endSessions", "killCursors"];
const WRITES: [&str; 4] = ["insert", "update", "delete", "findAndModify"];
/// What only reads, as [`Wiretap::take`] names it.
pub const READS: [&str; 6] = ["find", "aggregate", "getMore", "count", "distinct", "listCollections"];
/// Stages by which an `aggregate` writes what it came to into a collection: fields of their documents.
const WRITING_STAGES: [&[u8]; 2] = [b"$merge\0", b"$out\0"];
/// A field that every command of a transaction has.
const IN_TRANSACTION: &[u8] = b"autocommit";
const HEADER_BYTES: usize = 16;
/// Flags, the first section's kind, the document's length, the first element's type: then comes its name.
const BEFORE_NAME: usize = 4 + 1 + 4 + 1;

type Counts = BTreeMap<String, u64>;

struct State {
    counts: Mutex<Counts>,
    left: AtomicI64,
    loses_answers: AtomicBool,
}

/// It ends with the test's runtime.
pub struct Wiretap {
    pub port: u16,
    state: Arc<State>,
}

impl Wiretap {
    pub async fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (left, loses_answers) = (AtomicI64::new(i64::MAX), AtomicBool::new(false));
        let state = Arc::new(State { counts: Mutex::default(), left, loses_answers });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&upstream).await.unwrap();
                // As servers and drivers do: a piece waits for no acknowledgement of the one before.
                client.set_nodelay(true).and(server.set_nodelay(true)).unwrap();
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                let lost = Arc::new(AtomicBool::new(false));
                tokio::spawn(listen(from_client, to_server, Arc::clone(&shared), Arc::clone(&lost)));
                tokio::spawn(answer(from_server, to_client, lost));
            }
        });
        Self { port, state }
    }

    /// The connection string of a MongoDB behind it.
    pub fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/?directConnection=true", self.port)
    }

    /// The commands since the last call, by name; an `aggregate` that writes is an `aggregate and write`.
    pub fn take(&self) -> Counts {
        std::mem::take(&mut *self.state.counts.lock().unwrap())
    }

    /// Lets this many more commands through; whoever sends another loses the connection.
    pub fn end_after(&self, commands: i64) {
        self.state.left.store(commands, Ordering::SeqCst);
    }

    /// Whether writes and commits are done from now on, and the connection ends instead of their answers.
    pub fn lose_answers(&self, lost: bool) {
        self.state.loses_answers.store(lost, Ordering::SeqCst);
    }
}

async fn listen(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    state: Arc<State>,
    lost: Arc<AtomicBool>,
) -> io::Result<()> {
    loop {
        let mut message = vec![0; HEADER_BYTES];
        client.read_exact(&mut message).await?;
        let length = u32::from_le_bytes([message[0], message[1], message[2], message[3]]) as usize;
        message.resize(length, 0);
        client.read_exact(&mut message[HEADER_BYTES..]).await?;
        let name = message[HEADER_BYTES + BEFORE_NAME..].split(|byte| *byte == 0).next().unwrap_or_default();
        let mut name = String::from_utf8_lossy(name).into_owned();
        if name == "aggregate" && WRITING_STAGES.iter().any(|stage| holds(&message, stage)) {
            name.push_str(" and write");
        }
        if !OF_THE_CLIENT.contains(&name.as_str()) && !name.starts_with("sasl") {
            if state.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
                return Ok(());
            }
            lost.store(state.loses_answers.load(Ordering::SeqCst) && lasts(&name, &message), Ordering::SeqCst);
            *state.counts.lock().unwrap().entry(name).or_default() += 1;
        }
        server.write_all(&message).await?;
    }
}

fn holds(message: &[u8], part: &[u8]) -> bool {
    message.windows(part.len()).any(|bytes| bytes == part)
}

/// Whether what a command changes lasts: a write by itself, or the end of a transaction.
fn lasts(name: &str, message: &[u8]) -> bool {
    let within = holds(message, IN_TRANSACTION);
    name == "commitTransaction" || (WRITES.contains(&name) && !within)
}

/// Passes the answers on; ends when one is there that is to be lost.
async fn answer(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, lost: Arc<AtomicBool>) -> io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        let length = server.read(&mut piece).await?;
        if length == 0 || lost.load(Ordering::SeqCst) {
            return Ok(());
        }
        client.write_all(&piece[..length]).await?;
    }
}

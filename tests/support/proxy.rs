//! A TCP proxy between a function and a server, that counts connections and is as bad as a test wants it.

use std::{
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::Instant,
};

/// How the way to the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFault {
    Open,
    /// All that is sent arrives so much later.
    Late(Duration),
    /// One piece in so many is lost, the first at once, and arrives when TCP has sent it again.
    Lossy(usize),
    /// Connections are made and stay, and nothing arrives.
    Silent,
    /// Connections end, new ones at once.
    Cut,
    /// As [`NetworkFault::Cut`], by an RST.
    Reset,
}

/// Linux sends a lost piece again after this time at the earliest.
pub const RETRANSMISSION: Duration = Duration::from_millis(200);

struct Shared {
    open: AtomicUsize,
    total: AtomicUsize,
    /// Pieces that came since the way is as it is, either way on any connection.
    pieces: AtomicUsize,
    way: watch::Sender<NetworkFault>,
    /// How often connections were forgotten.
    era: AtomicUsize,
}

/// A proxy; it ends with the test's runtime.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    pub async fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = watch::Sender::new(NetworkFault::Open);
        let count = || AtomicUsize::new(0);
        let shared = Arc::new(Shared { open: count(), total: count(), pieces: count(), way, era: count() });
        let state = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, upstream.clone(), Arc::clone(&state)));
            }
        });
        Self { port, shared }
    }

    /// The connection string of a MongoDB behind it.
    pub fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/?directConnection=true", self.port)
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Connections so far.
    pub fn total(&self) -> usize {
        self.shared.total.load(Ordering::SeqCst)
    }

    /// The way from now on, for connections that there are and for new ones.
    pub fn set(&self, way: NetworkFault) {
        self.shared.way.send_replace(way);
        self.shared.pieces.store(0, Ordering::SeqCst);
    }

    /// Ends every connection and refuses new ones, until [`Proxy::restore`].
    pub fn cut(&self) {
        self.set(NetworkFault::Cut);
    }

    /// Nothing passes any more on the connections that there are, and neither end is told: as a gateway does
    /// that forgets silent connections. New ones work.
    pub fn forget(&self) {
        self.shared.era.fetch_add(1, Ordering::SeqCst);
    }

    pub fn restore(&self) {
        self.set(NetworkFault::Open);
    }
}

async fn carry(mut client: TcpStream, upstream: String, shared: Arc<Shared>) {
    let mut way = shared.way.subscribe();
    let is_end = |way: &NetworkFault| matches!(way, NetworkFault::Cut | NetworkFault::Reset);
    let refused = is_end(&way.borrow());
    if !refused {
        let Ok(mut server) = TcpStream::connect(upstream).await else { return };
        // As servers and drivers do: a piece waits for no acknowledgement of the one before.
        for stream in [&client, &server] {
            stream.set_nodelay(true).ok();
        }
        shared.total.fetch_add(1, Ordering::SeqCst);
        shared.open.fetch_add(1, Ordering::SeqCst);
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let there = pump(from_client, to_server, &shared);
        let back = pump(from_server, to_client, &shared);
        tokio::select! {
            _ = async { tokio::try_join!(there, back) } => {}
            _ = way.wait_for(is_end) => {}
        }
        shared.open.fetch_sub(1, Ordering::SeqCst);
    }
    if *way.borrow() == NetworkFault::Reset {
        client.set_zero_linger().ok();
    }
}

/// To a fraction of a millisecond: Tokio's own timer goes by whole ones, and a network's way is about one.
async fn wait_until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        spawn_blocking(move || thread::sleep(left)).await.ok();
    }
}

/// One direction of a connection, until its end. What is late does not keep back what comes after it.
async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, shared: &Shared) -> io::Result<()> {
    let mut way = shared.way.subscribe();
    let era = shared.era.load(Ordering::SeqCst);
    let (sender, mut under_way) = mpsc::unbounded_channel();
    let take = async {
        loop {
            let mut piece = vec![0; 64 * 1024];
            let length = from.read(&mut piece).await?;
            if shared.era.load(Ordering::SeqCst) != era {
                return pending().await;
            }
            piece.truncate(length);
            let number = shared.pieces.fetch_add(1, Ordering::SeqCst);
            let late = match *shared.way.borrow() {
                NetworkFault::Late(by) => by,
                NetworkFault::Lossy(one_in) if number.is_multiple_of(one_in) => RETRANSMISSION,
                _ => Duration::ZERO,
            };
            sender.send((Instant::now() + late, piece)).ok();
            if length == 0 {
                return Ok(());
            }
        }
    };
    let hand_over = async {
        while let Some((due, piece)) = under_way.recv().await {
            wait_until(due).await;
            drop(way.wait_for(|way| *way != NetworkFault::Silent).await);
            if piece.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&piece).await?;
        }
        Ok(())
    };
    tokio::try_join!(take, hand_over).map(drop)
}

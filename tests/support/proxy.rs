//! A TCP proxy between a function and a server, that counts connections and can cut them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
};

#[derive(Default)]
struct Shared {
    open: AtomicUsize,
    total: AtomicUsize,
    refusing: AtomicBool,
    cut: Notify,
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
        let shared = Arc::<Shared>::default();
        let state = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if state.refusing.load(Ordering::SeqCst) {
                    continue;
                }
                tokio::spawn(carry(client, upstream.clone(), Arc::clone(&state)));
            }
        });
        Self { port, shared }
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Connections so far.
    pub fn total(&self) -> usize {
        self.shared.total.load(Ordering::SeqCst)
    }

    /// Ends every connection and refuses new ones, until [`Proxy::restore`].
    pub fn cut(&self) {
        self.shared.refusing.store(true, Ordering::SeqCst);
        self.shared.cut.notify_waiters();
    }

    pub fn restore(&self) {
        self.shared.refusing.store(false, Ordering::SeqCst);
    }
}

async fn carry(mut client: TcpStream, upstream: String, shared: Arc<Shared>) {
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    shared.total.fetch_add(1, Ordering::SeqCst);
    shared.open.fetch_add(1, Ordering::SeqCst);
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        () = shared.cut.notified() => {}
    }
    shared.open.fetch_sub(1, Ordering::SeqCst);
}

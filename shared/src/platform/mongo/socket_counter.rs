//! Counts the sockets of this environment from the driver's own events, so that each change shows
//! as a metric.
//!
//! Pooled sockets have events of their own. In poll mode a monitor has one socket per node, counted
//! from the moment the driver begins to watch the node until it stops.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use mongodb::{
    event::{EventHandler, cmap::CmapEvent, sdam::SdamEvent},
    options::ServerAddress,
};

#[derive(Default)]
pub(super) struct SocketCounter(Mutex<Book>);

#[derive(Default)]
struct Book {
    monitored: HashSet<(bson::oid::ObjectId, ServerAddress)>,
    pooled: u64,
    opened: u64,
    closed: u64,
}

/// What changed since the last look.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) opened: u64,
    pub(super) closed: u64,
    /// How many are open now.
    pub(super) open: u64,
}

impl SocketCounter {
    pub(super) fn pool_events(self: &Arc<Self>) -> EventHandler<CmapEvent> {
        let socket_counter = Arc::clone(self);
        EventHandler::callback(move |event| match event {
            CmapEvent::ConnectionCreated(_) => {
                let mut book = socket_counter.book();
                book.pooled += 1;
                book.opened += 1;
            }
            CmapEvent::ConnectionClosed(_) => {
                let mut book = socket_counter.book();
                book.pooled = book.pooled.saturating_sub(1);
                book.closed += 1;
            }
            _ => {}
        })
    }

    pub(super) fn monitor_events(self: &Arc<Self>) -> EventHandler<SdamEvent> {
        let socket_counter = Arc::clone(self);
        EventHandler::callback(move |event| {
            let mut book = socket_counter.book();
            match event {
                // The client's own events of opening tell which client a node belongs to; heartbeats do not.
                SdamEvent::ServerOpening(event) => book.monitor_opened((event.topology_id, event.address)),
                SdamEvent::ServerClosed(event) => book.monitor_closed(&(event.topology_id, event.address)),
                SdamEvent::TopologyClosed(event) => book.topology_closed(event.topology_id),
                _ => {}
            }
        })
    }

    /// What changed since the last call; `None` when nothing did.
    pub(super) fn take_change(&self) -> Option<Change> {
        let mut book = self.book();
        if book.opened == 0 && book.closed == 0 {
            return None;
        }
        let open = book.pooled + book.monitored.len() as u64;
        let change = Change { opened: book.opened, closed: book.closed, open };
        (book.opened, book.closed) = (0, 0);
        Some(change)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn monitor_opened(&mut self, node: (bson::oid::ObjectId, ServerAddress)) {
        if self.monitored.insert(node) {
            self.opened += 1;
        }
    }

    fn monitor_closed(&mut self, node: &(bson::oid::ObjectId, ServerAddress)) {
        if self.monitored.remove(node) {
            self.closed += 1;
        }
    }

    fn topology_closed(&mut self, topology: bson::oid::ObjectId) {
        let before = self.monitored.len();
        self.monitored.retain(|(owner, _)| *owner != topology);
        self.closed += (before - self.monitored.len()) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_counts_one_socket_per_node_until_it_is_closed() {
        let socket_counter = SocketCounter::default();
        let topology = bson::oid::ObjectId::new();
        let node = |port| (topology, ServerAddress::Tcp { host: "node".into(), port: Some(port) });
        for port in 1..=3 {
            socket_counter.book().monitor_opened(node(port));
            socket_counter.book().monitor_opened(node(port));
        }
        assert_eq!(socket_counter.take_change(), Some(Change { opened: 3, closed: 0, open: 3 }));
        assert_eq!(socket_counter.take_change(), None);
        socket_counter.book().monitor_closed(&node(1));
        socket_counter.book().topology_closed(topology);
        assert_eq!(socket_counter.take_change(), Some(Change { opened: 0, closed: 3, open: 0 }));
    }
}

//! Threads that serve connections, each on a runtime of its own.
//!
//! A call of `/v1` waits for a provider and computes little, so that much of what it costs is the way
//! from thread to thread: the common runtime's workers wake each other at every step. In a lane all
//! steps are one thread's. What may compute for long goes to the common runtime, for the other
//! connections of the lane wait meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::{io, thread};

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::Server;

/// A connection, as long as it belongs to no runtime.
type Accepted = (std::net::TcpStream, SocketAddr);

/// One for each core.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    next: usize,
}

struct Lane {
    connections: UnboundedSender<Accepted>,
    /// Told when the last connection has ended.
    ended: oneshot::Receiver<()>,
}

impl Lanes {
    pub(super) fn start(server: &Arc<Server>) -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let lanes = (0..cores).map(|number| Lane::start(number, server.clone()));
        Ok(Self { lanes: lanes.collect::<io::Result<_>>()?, next: 0 })
    }

    /// Hands a connection to the lane whose turn it is.
    pub(super) fn take(&mut self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let stream = stream.into_std()?;
        self.next = (self.next + 1) % self.lanes.len();
        let gone = |_| io::Error::other("the thread for connections is gone");
        self.lanes[self.next].connections.send((stream, peer)).map_err(gone)
    }

    /// Lets the requests under way come to their end.
    pub(super) async fn shutdown(self) {
        let ends: Vec<_> = self.lanes.into_iter().map(|lane| lane.ended).collect();
        for ended in ends {
            // Where its thread is gone, so are its connections.
            let _ = ended.await;
        }
    }
}

impl Lane {
    fn start(number: usize, server: Arc<Server>) -> io::Result<Self> {
        let (connections, receiver) = unbounded_channel();
        let (end, ended) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let run = move || {
            runtime.block_on(async {
                serve(receiver, server).await;
                let _ = end.send(());
                // What calls left behind, as the settling of a broken stream, goes on until the
                // program ends.
                std::future::pending::<()>().await;
            });
        };
        thread::Builder::new().name(format!("lane-{number}")).spawn(run)?;
        Ok(Self { connections, ended })
    }
}

/// Serves what comes in, and lets it come to its end when nothing more will.
async fn serve(mut connections: UnboundedReceiver<Accepted>, server: Arc<Server>) {
    let served = GracefulShutdown::new();
    while let Some((stream, peer)) = connections.recv().await {
        match TcpStream::from_std(stream) {
            Ok(stream) => server.clone().serve(stream, peer, &served),
            Err(error) => tracing::warn!(%error, "a connection could not be taken"),
        }
    }
    drop(server);
    served.shutdown().await;
}

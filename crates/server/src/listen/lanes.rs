//! Threads that serve connections, each on a runtime of its own.
//!
//! A call of `/v1` waits for a provider and computes little, so that much of what it costs is the way
//! from thread to thread: the common runtime's workers wake each other at every step. In a lane all
//! steps are one thread's. What may compute for long goes to the common runtime, for the other
//! connections of the lane wait meanwhile: here what a request's head gives away, and in the gateway
//! what only its body does, as pictures that have to be fetched.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::Server;

/// Shorter than what limits the time of requests and connections.
const BEAT: Duration = Duration::from_secs(1);

/// A connection, as long as it belongs to no runtime.
struct Accepted {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    open: Open,
}

/// Held by each connection of a lane, so that those that are open are counted.
pub(super) type Open = Arc<()>;

/// One for each core.
pub(super) struct Lanes(Vec<Lane>);

struct Lane {
    connections: UnboundedSender<Accepted>,
    open: Open,
    /// Told when the last connection has ended.
    ended: oneshot::Receiver<()>,
}

impl Lanes {
    pub(super) fn start(server: &Arc<Server>) -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let lanes = (0..cores).map(|number| Lane::start(number, server.clone()));
        Ok(Self(lanes.collect::<io::Result<_>>()?))
    }

    /// Hands a connection to the lane that has the fewest.
    pub(super) fn take(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let gone = || io::Error::other("the threads for connections are gone");
        let living = self.0.iter().filter(|lane| !lane.connections.is_closed());
        let lane = living.min_by_key(|lane| Arc::strong_count(&lane.open)).ok_or_else(gone)?;
        let accepted = Accepted { stream: stream.into_std()?, peer, open: lane.open.clone() };
        lane.connections.send(accepted).map_err(|_| gone())
    }

    /// Lets the requests under way come to their end.
    pub(super) async fn shutdown(self) {
        let ends: Vec<_> = self.0.into_iter().map(|lane| lane.ended).collect();
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
                tokio::spawn(beat());
                serve(receiver, server).await;
                let _ = end.send(());
                // What calls left behind, as the settling of a broken stream, goes on until the
                // program ends.
                std::future::pending::<()>().await;
            });
        };
        thread::Builder::new().name(format!("lane-{number}")).spawn(run)?;
        Ok(Self { connections, open: Open::default(), ended })
    }
}

/// Keeps a timer of the lane due soon. Tokio wakes a thread by a system call of its own for each timer
/// that is set and due before all others, also where it is that thread that sets it; else each request
/// would be one, for the time that its connection may wait for the next.
async fn beat() {
    let mut beats = tokio::time::interval(BEAT);
    loop {
        beats.tick().await;
    }
}

/// Serves what comes in, and lets it come to its end when nothing more will.
async fn serve(mut connections: UnboundedReceiver<Accepted>, server: Arc<Server>) {
    let served = GracefulShutdown::new();
    while let Some(Accepted { stream, peer, open }) = connections.recv().await {
        match TcpStream::from_std(stream) {
            Ok(stream) => server.clone().serve(stream, peer, open, &served),
            Err(error) => tracing::warn!(%error, "a connection could not be taken"),
        }
    }
    drop(server);
    served.shutdown().await;
}

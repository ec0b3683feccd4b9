//! Takes connections and serves them, with a limit on the time that a request's head may take,
//! which `axum::serve` lacks: a client that sends a byte a minute would hold its connection for
//! ever.

mod body;
mod lanes;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use http::header;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt as _;

use body::{Lingering, made_by};
use lanes::{Lanes, Open};

/// Wait after a failed accept, as when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// What a lane answers itself. Not embeddings: their answers are megabytes of numbers.
const BRIEF_PATHS: [&str; 4] =
    ["/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses"];
/// Bytes of a request's body up to which it does so.
const BRIEF: u64 = 64 * 1024;

/// Serves `app` until `stop` is done, then lets the requests under way come to their end. A
/// request's head has to arrive within `head_timeout`; an idle connection is kept as long.
pub async fn listen(
    listener: TcpListener,
    app: Router,
    head_timeout: Duration,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_timeout);
    // Makes routes of the handlers now instead of at each request, as `axum::serve` does.
    let app = app.with_state(());
    let lanes = Lanes::start(&Arc::new(Server { http, app, common: Handle::current() }))?;
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let taken = accepted.and_then(|(stream, peer)| lanes.take(stream, peer));
        if let Err(error) = taken {
            tracing::warn!(%error, "a connection could not be taken");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
    drop(listener);
    lanes.shutdown().await;
    Ok(())
}

/// How requests are answered.
struct Server {
    http: http1::Builder,
    app: Router,
    /// The program's runtime, whose threads take work from each other.
    common: Handle,
}

impl Server {
    /// Serves a connection on the runtime in which this is called.
    fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        open: Open,
        connections: &GracefulShutdown,
    ) {
        // Without it the end of a streamed answer, which waits for its ledger row, is held back by
        // Nagle's algorithm for 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        let server = self.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            server.clone().answer(request)
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "a connection ended");
            }
            drop(open);
        });
    }

    /// Answers a request here, or on the common runtime where it may compute for long, for others wait
    /// for this thread. A client that goes away takes it back in either case.
    async fn answer(self: Arc<Self>, request: Request) -> Result<Response, JoinError> {
        let app = self.app.clone();
        if is_brief(&request) {
            let Ok(response) = app.oneshot(request).await;
            return Ok(response);
        }
        // Who asks first whether to send the body sends none that is not wanted.
        let request = match request.headers().contains_key(header::EXPECT) {
            true => request,
            false => request.map(|body| Body::new(Lingering::new(body, &self.common))),
        };
        let answer = app.oneshot(request);
        let Ok(response) = AbortOnDropHandle::new(self.common.spawn(answer)).await?;
        Ok(response.map(|body| made_by(&self.common, body)))
    }
}

/// Whether it is a question to a model whose body is known to be small: little is computed for it.
fn is_brief(request: &Request) -> bool {
    let size = request.body().size_hint().upper();
    BRIEF_PATHS.contains(&request.uri().path()) && size.is_some_and(|size| size <= BRIEF)
}

#[cfg(test)]
mod tests;

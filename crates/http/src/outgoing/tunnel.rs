//! What it means where no connection through the proxy comes about: the proxy's fault is told apart
//! from that of the host behind it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lyceum_core::{BoxError, causes};
use tower::{Layer, Service};

use super::clients::CONNECT;

/// Why the proxy is no way to a host.
#[derive(Debug, thiserror::Error)]
enum ProxyError {
    #[error("the proxy (outgoing.proxy) cannot be reached: {0}")]
    Away(String),
    #[error("the proxy (outgoing.proxy) refused: {0}")]
    Refused(&'static str),
    #[error("the proxy (outgoing.proxy) made no connection within {0:?}")]
    Slow(Duration),
}

/// Says it, and waits for the proxy as long as for a connection without one.
#[derive(Clone)]
pub(super) struct Explaining;

impl<S> Layer<S> for Explaining {
    type Service = Explained<S>;

    fn layer(&self, inner: S) -> Explained<S> {
        Explained(inner)
    }
}

#[derive(Clone)]
pub(super) struct Explained<S>(S);

impl<S, R> Service<R> for Explained<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.0.call(request);
        Box::pin(async move {
            match tokio::time::timeout(CONNECT, connecting).await {
                Ok(connected) => connected.map_err(explain),
                Err(_) => Err(ProxyError::Slow(CONNECT).into()),
            }
        })
    }
}

/// The error in words. What it says is all that is known of it: the type has no public name.
fn explain(error: BoxError) -> BoxError {
    let said = error.to_string();
    let fault = match said.strip_prefix("tunnel error: ") {
        // The proxy let us through, and TLS with the host behind it failed.
        None if error.is::<io::Error>() => return error,
        None | Some("failed to create underlying connection") => {
            // The innermost is the one that says something ("Connection refused").
            let reason = causes(error.as_ref()).last().map(ToString::to_string);
            ProxyError::Away(reason.unwrap_or(said))
        }
        Some("proxy authorization required") => ProxyError::Refused(
            "it wants a user and a password in the setting, or other ones (407)",
        ),
        Some("unsuccessful") => ProxyError::Refused(
            "it does not let us through to this host, or cannot reach it itself",
        ),
        Some(_) => ProxyError::Refused("it hung up, or is no HTTP proxy"),
    };
    fault.into()
}

//! Bodies that go from one runtime to the other.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// How long, and how many bytes, a client may go on sending what nobody wants any more.
const LINGER: (Duration, usize) = (Duration::from_secs(10), 64 * 1024 * 1024);

/// An answer's body, whose pieces are made by `runtime` where they do not lie there yet.
pub(super) fn made_by(runtime: &Handle, body: Body) -> Body {
    if body.size_hint().exact().is_some() {
        return body;
    }
    let (sender, receiver) = mpsc::channel(1);
    let making = runtime.spawn(async move {
        let mut body = body;
        while let Some(frame) = body.frame().await
            && sender.send(frame).await.is_ok()
        {}
    });
    let making = AbortOnDropHandle::new(making);
    let frames = futures::stream::unfold((receiver, making), async |(mut receiver, making)| {
        Some((receiver.recv().await?, (receiver, making)))
    });
    Body::new(StreamBody::new(frames))
}

/// A request's body of which `runtime` reads what is left where it is given up, as of a file that is
/// too large: a client that still sends when its connection is closed loses the answer that says why
/// (RFC 9112, 9.6).
pub(super) struct Lingering {
    body: Body,
    runtime: Handle,
}

impl Lingering {
    pub(super) fn new(body: Body, runtime: &Handle) -> Self {
        Self { body, runtime: runtime.clone() }
    }
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            return;
        }
        let mut body = mem::take(&mut self.body);
        let (limit, most) = LINGER;
        self.runtime.spawn(tokio::time::timeout(limit, async move {
            let mut read = 0;
            while read < most
                && let Some(Ok(frame)) = body.frame().await
            {
                read += frame.data_ref().map_or(0, Bytes::len);
            }
        }));
    }
}

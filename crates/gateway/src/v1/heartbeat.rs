//! Signs of life in a streamed answer. A model may think for minutes before it says anything, and
//! proxies and load balancers close a connection on which nothing comes for one.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::Dialect;

/// What is sent where nothing else is, which every client skips.
#[derive(Clone, Copy)]
pub(super) struct Heartbeat {
    every: Duration,
    beat: &'static str,
}

impl Heartbeat {
    pub(super) fn new(dialect: Dialect, every: Duration) -> Self {
        let beat = match dialect {
            // A comment, as the format of events has it.
            Dialect::OpenAi => ": keep-alive\n\n",
            // Anthropic's own.
            Dialect::Anthropic(_) => "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        };
        Self { every, beat }
    }

    /// The same answer, alive. Its pieces have to be whole events: the beats come between them.
    pub(super) fn keep(self, response: Response) -> Response {
        response.map(|body| HttpBody::from_stream(Alive::new(body.into_data_stream(), self)))
    }
}

struct Alive<S> {
    pieces: S,
    heartbeat: Heartbeat,
    /// When anything was sent.
    last: Instant,
    /// Set when the answer is silent at first, and again only once it has run out: moving it at each
    /// piece would cost more than the piece.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Alive<S> {
    fn new(pieces: S, heartbeat: Heartbeat) -> Self {
        Self { pieces, heartbeat, last: Instant::now(), timer: None }
    }
}

impl<S, E> Stream for Alive<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    type Item = Result<Bytes, E>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let alive = self.get_mut();
        if let Poll::Ready(piece) = alive.pieces.poll_next_unpin(context) {
            alive.last = Instant::now();
            return Poll::Ready(piece);
        }
        let Heartbeat { every, beat } = alive.heartbeat;
        let due = alive.last + every;
        let timer = alive.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        while timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if now < due {
                // There were pieces since it was set.
                timer.as_mut().reset(due);
                continue;
            }
            alive.last = now;
            timer.as_mut().reset(now + every);
            return Poll::Ready(Some(Ok(Bytes::from_static(beat.as_bytes()))));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;

    use super::*;

    const EVERY: Duration = Duration::from_millis(200);

    fn alive(pieces: impl Stream<Item = &'static str> + Unpin) -> impl Stream<Item = String> {
        let pieces = pieces.map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
        let heartbeat = Heartbeat::new(Dialect::OpenAi, EVERY);
        Alive::new(pieces, heartbeat).map(|piece| String::from_utf8(piece.unwrap().into()).unwrap())
    }

    #[tokio::test]
    async fn what_is_silent_beats_until_it_goes_on() {
        let late = stream::once(Box::pin(async {
            tokio::time::sleep(EVERY * 5).await;
            "b"
        }));
        let said: Vec<String> = alive(stream::iter(["a"]).chain(late)).collect().await;
        let [first, beats @ .., last] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!((first.as_str(), last.as_str()), ("a", "b"));
        assert!((1..=5).contains(&beats.len()), "{said:?}");
        assert!(beats.iter().all(|beat| beat == ": keep-alive\n\n"), "{said:?}");
    }

    #[tokio::test]
    async fn what_goes_on_saying_something_does_not_beat() {
        let paced = stream::unfold(0, async |number| {
            tokio::time::sleep(EVERY / 4).await;
            (number < 12).then_some(("a", number + 1))
        });
        let said: Vec<String> = alive(Box::pin(paced)).collect().await;
        assert_eq!(said, ["a"; 12]);
    }
}

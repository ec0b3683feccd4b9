//! Passing a provider's own form on: the request as it came, the answer as it comes, and what it
//! says for the ledger.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::{HeaderName, HeaderValue};

use crate::pieces::Pieces;
use crate::stream::{Reader, speaks};
use crate::{ChatEvent, LlmError, Members, Taken};

/// Pieces of an answer that are passed on as they came, and what they say. The last one says
/// [`ChatEvent::Finished`] and has everything since the model ended its answer.
#[derive(Debug)]
pub struct Passed {
    /// The data of events.
    pub data: Vec<String>,
    /// What happened.
    pub events: Vec<ChatEvent>,
}

/// An answer on its way through. Dropping it cancels the generation at the provider.
pub type PassedStream = BoxStream<'static, Result<Passed, LlmError>>;

/// A provider whose own form is that of a surface.
#[async_trait]
pub trait Native: Send + Sync {
    /// Changes what `model` is known to take otherwise. Gives the members that have no effect.
    fn fit(&self, _model: &str, _members: &mut Members) -> Vec<String> {
        Vec::new()
    }

    /// Sends a request, in `sent` as JSON, for an answer that is `streamed`, or comes in one piece,
    /// with these headers beside the account's own, and waits for the answer's head. An answer other
    /// than 2xx is an error; a client that fits requests then first changes what the model refuses in
    /// words that are known, in `members` as well.
    async fn send(
        &self,
        headers: &[(HeaderName, HeaderValue)],
        sent: Bytes,
        members: &mut Members,
        streamed: bool,
    ) -> Result<Taken, LlmError>;

    /// An answer that is streamed.
    fn pass(&self, response: reqwest::Response) -> PassedStream;

    /// An answer in one piece, and what it says.
    async fn whole(&self, response: reqwest::Response)
    -> Result<(Bytes, Vec<ChatEvent>), LlmError>;
}

/// What `reader` makes of `pieces`, with the pieces.
pub(crate) fn pass(mut pieces: Pieces, mut reader: impl Reader) -> PassedStream {
    async_stream::try_stream! {
        let mut failure = LlmError::BrokenStream("the provider ended it early".to_owned());
        let mut end = Passed { data: Vec::new(), events: Vec::new() };
        while !reader.is_over()
            && let Some(piece) = pieces.next().await
        {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error @ (LlmError::BrokenStream(_) | LlmError::Timeout(_))) => {
                    failure = error;
                    break;
                }
                Err(error) => Err(error)?,
            };
            let events = reader.read(&piece)?;
            if speaks(&events) {
                pieces.begun();
            }
            if reader.is_ending() {
                end.data.push(piece);
                end.events.extend(events);
            } else {
                yield Passed { data: vec![piece], events };
            }
        }
        // Once the model has said why it ended, a broken connection takes nothing away.
        end.events.push(reader.end().ok_or(failure)?);
        yield end;
    }
    .boxed()
}

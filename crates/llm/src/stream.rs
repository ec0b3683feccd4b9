//! From the pieces of a provider's stream to the events of an answer.

use futures::StreamExt as _;

use crate::pieces::Pieces;
use crate::{ChatEvent, ChatStream, LlmError};

/// What a provider's protocol makes of the pieces of a stream.
pub(crate) trait Reader: Send + 'static {
    /// Reads one piece.
    fn read(&mut self, piece: &str) -> Result<Vec<ChatEvent>, LlmError>;

    /// Whether nothing of use follows.
    fn is_over(&self) -> bool;

    /// Whether the model has ended its answer, although something may follow.
    fn is_ending(&self) -> bool {
        self.is_over()
    }

    /// The closing event, if the model has ended its answer.
    fn end(&mut self) -> Option<ChatEvent>;
}

/// Whether there is a word of the answer itself among `events`. Reasoning is none: where a provider
/// sums it up, it comes in bursts, minutes apart.
pub(crate) fn speaks(events: &[ChatEvent]) -> bool {
    let is_before = |event: &ChatEvent| {
        use ChatEvent::{Counted, Reasoning, Started};
        matches!(event, Started { .. } | Reasoning(_) | Counted(_))
    };
    !events.iter().all(is_before)
}

/// The answer that `pieces` make.
pub(crate) fn events(mut pieces: Pieces, mut reader: impl Reader) -> ChatStream {
    async_stream::try_stream! {
        let mut failure = LlmError::BrokenStream("the provider ended it early".to_owned());
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
            for event in events {
                yield event;
            }
        }
        // Once the model has said why it ended, a broken connection takes nothing away.
        yield reader.end().ok_or(failure)?;
    }
    .boxed()
}

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use lyceum_llm::{ChatEvent, ChatStream, LlmError};

use super::{Meter, Notice};
use crate::GatewayError;

/// An answer as it comes, metered. Ends with exactly one [`ChatEvent::Finished`] or with an error;
/// by then the call is in the ledger.
pub struct MeteredStream {
    events: BoxStream<'static, Result<ChatEvent, GatewayError>>,
    pub(crate) notice: Notice,
}

impl MeteredStream {
    pub(crate) fn new(events: ChatStream, meter: Meter) -> Self {
        let notice = meter.notice();
        Self { events: metered(events, meter), notice }
    }
}

impl Stream for MeteredStream {
    type Item = Result<ChatEvent, GatewayError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_next_unpin(context)
    }
}

fn metered(
    mut events: ChatStream,
    mut meter: Meter,
) -> BoxStream<'static, Result<ChatEvent, GatewayError>> {
    async_stream::stream! {
        let mut begun = false;
        while let Some(event) = events.next().await {
            match event {
                Ok(ChatEvent::Finished { reason, usage }) => {
                    meter.finished(&reason);
                    match meter.complete(usage).await {
                        Ok(()) => yield Ok(ChatEvent::Finished { reason, usage }),
                        Err(error) => yield Err(error),
                    }
                    return;
                }
                Ok(event) => {
                    begun = true;
                    meter.observe(&event);
                    // Counts so far are for the ledger alone.
                    if !matches!(event, ChatEvent::Counted(_)) {
                        yield Ok(event);
                    }
                }
                Err(error) => {
                    drop(events);
                    // Some providers refuse with status 200 and say so in the first event.
                    if !begun {
                        meter.refused(&error);
                    }
                    yield Err(meter.fail(error.into()).await);
                    return;
                }
            }
        }
        let error = LlmError::BrokenStream("it ended without an end".to_owned());
        yield Err(meter.fail(error.into()).await);
    }
    .boxed()
}

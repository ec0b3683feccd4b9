//! Answers of built-in models and of other protocols, put into the form of the surface.

use std::convert::Infallible;

use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use lyceum_llm::surface::{Answer, Writer};

use super::Failure;
use super::call::{Ask, Call};
use crate::MeteredStream;

impl Call<'_> {
    /// Asks through the model's port.
    pub(super) async fn translate(mut self, ask: Ask) -> Result<Response, Failure> {
        let request = ask.form.request(&ask.body)?;
        let writer = ask.form.writer(self.head(), &ask.body)?;
        let events = self.gateway.chat(self.context.clone(), self.model, request).await?;
        // What the model refuses is known by now at the latest.
        self.ignored = ask.form.ignored(&ask.body, self.model);
        self.written(writer, events, ask.streamed).await
    }

    /// The answer that `writer` makes of `events`.
    pub(super) async fn written(
        self,
        mut writer: Box<dyn Writer>,
        mut events: MeteredStream,
        streamed: bool,
    ) -> Result<Response, Failure> {
        let notice = events.notice.clone();
        if streamed {
            return Ok(self.events(written(writer, events), &notice));
        }
        let mut answer = Answer::new(self.head().seed);
        while let Some(event) = events.next().await {
            answer.take(event?);
        }
        let document = writer.document(answer).to_string();
        Ok(self.document(document.into(), &notice))
    }
}

fn written(
    mut writer: Box<dyn Writer>,
    mut events: MeteredStream,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    async_stream::stream! {
        while let Some(event) = events.next().await {
            let piece = match event {
                Ok(event) => Bytes::from(writer.write(event)),
                Err(error) => Failure::from(error).event(writer.as_mut()),
            };
            if !piece.is_empty() {
                yield Ok(piece);
            }
        }
    }
}

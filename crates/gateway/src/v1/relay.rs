//! Passing a request in a provider's own form on to it and its answer back, read only for the
//! ledger.

use std::convert::Infallible;

use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use lyceum_llm::surface::Writer;
use lyceum_llm::{ChatEvent, LlmError, Native, Passed, PassedStream, Taken, sse};
use serde::Deserialize;

use super::Failure;
use super::call::{Ask, Call, failed};
use crate::calls::Meter;
use crate::routes::Glimpse;

impl Call<'_> {
    /// Passes on a request that has the form of the provider.
    pub(super) async fn relay(
        mut self,
        client: &dyn Native,
        ask: Ask,
    ) -> Result<Response, Failure> {
        let Ask { form, mut body, streamed, headers } = ask;
        self.ignored.only_of(&body);
        form.aim(&mut body, self.model)?;
        self.ignored.add(client.fit(&self.model.model, body.members_mut()));
        let writer = form.writer(self.head(), &body)?;
        let sent = body.to_bytes()?;
        let mut meter = self.begin(&sent).await?;
        let notice = meter.notice();
        let asking = client.send(&headers, sent, body.members_mut(), streamed);
        let Taken { response, left_out } = match meter.in_time(asking).await {
            Ok(taken) => taken,
            Err(error) => return Err(failed(meter, error).await),
        };
        self.ignored.add(left_out);
        let attempt = &self.context.attempt;
        if streamed {
            let look = |passed: &Passed| Ok(Glimpse::of_all(&passed.events));
            return match attempt.open(client.pass(response), look).await {
                Ok(answer) => Ok(self.events(passing(answer, meter, writer), &notice)),
                Err(unopened) => Err(meter.unopened(unopened).await.into()),
            };
        }
        let (answer, events) = match meter.in_time(client.whole(response)).await {
            Ok(whole) => whole,
            Err(error) => return Err(failed(meter, error).await),
        };
        if let Glimpse::Withheld(usage) = Glimpse::of_all(&events)
            && let Err(unopened) = attempt.refuse_withheld(true, usage)
        {
            return Err(meter.unopened(unopened).await.into());
        }
        events.iter().for_each(|event| meter.observe(event));
        meter.complete(None).await?;
        Ok(self.document(answer, &notice))
    }
}

fn passing(
    mut answer: PassedStream,
    mut meter: Meter,
    mut writer: Box<dyn Writer>,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    async_stream::stream! {
        let mut begun = false;
        let error = loop {
            let Passed { data, events } = match answer.next().await {
                Some(Ok(passed)) => passed,
                Some(Err(error)) => break error,
                None => break LlmError::BrokenStream("it ended without an end".to_owned()),
            };
            begun = true;
            for event in &events {
                meter.observe(event);
                if let ChatEvent::Started { id, model } = event {
                    writer.adopt(id, model);
                }
            }
            if !matches!(events.last(), Some(ChatEvent::Finished { .. })) {
                yield Ok(framed(&data));
                continue;
            }
            drop(answer);
            yield Ok(match meter.complete(None).await {
                Ok(()) => framed(&data),
                Err(error) => Failure::from(error).event(writer.as_mut()),
            });
            return;
        };
        drop(answer);
        // Some providers refuse with status 200 and say so in the first event.
        if !begun {
            meter.refused(&error);
        }
        let error = meter.fail(error.into()).await;
        yield Ok(Failure::from(error).event(writer.as_mut()));
    }
}

/// Events as they came; their names stand in their data as well.
fn framed(data: &[String]) -> Bytes {
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        kind: String,
    }
    let events = data.iter().map(|data| {
        let typed = serde_json::from_str::<Typed>(data).ok();
        sse::event(typed.as_ref().map(|typed| typed.kind.as_str()), data)
    });
    events.collect::<String>().into()
}

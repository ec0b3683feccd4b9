//! Server-sent events of one answer. Ids are positions in its text (see
//! [`crate::generation::buffer`]), so a stream can be taken up after any of them, on any node.

use std::convert::Infallible;
use std::time::Duration;

use async_stream::stream;
use axum::extract::State;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt as _};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use lyceum_http::{Allow, ApiError, ApiPath, ProblemDocument};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::generation::buffer::{Event, Kind, event_name};
use crate::messages::Message;
use crate::{Chat, ChatError, ConversationRead};

/// How often the row of an answer that another node writes is read.
const POLL: Duration = Duration::from_millis(500);

/// Follows an answer. Events: `delta` and `reasoning` `{text}`, `citations` `{items}` (sources as
/// they become known; the last one counts), `status` `{status}`, and at the end `done` `{message}`.
/// `Last-Event-ID` continues exactly behind that event; without it the text comes from its
/// beginning. A message that is final has `done` alone. The stream ends when the caller's right does.
#[utoipa::path(
    get, path = "/messages/{id}/events", tag = "messages",
    params(
        ("id" = Uuid, Path),
        ("Last-Event-ID" = Option<u64>, Header, description = "The id of the last event received"),
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = String),
        (status = 400, body = ProblemDocument, description = "`invalid_event_id`"),
        (status = 404, body = ProblemDocument),
    )
)]
pub(crate) async fn message_events(
    State(chat): State<Chat>,
    allowed: Allow<ConversationRead>,
    ApiPath(id): ApiPath<Uuid>,
    parts: Parts,
) -> Result<Response, ApiError> {
    let position = last_event_id(&parts.headers)?;
    let user = allowed.caller.user_id;
    let message = chat.get_message(user, id).await?;
    let ended = Box::pin(Allow::<ConversationRead>::ended(parts));
    let events = follow(chat, user, message, position).take_until(ended);
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<u64, ChatError> {
    match headers.get("last-event-id").map(HeaderValue::to_str) {
        None => Ok(0),
        Some(Ok(text)) if text.trim().is_empty() => Ok(0),
        Some(text) => {
            let number = text.ok().and_then(|text| text.trim().parse().ok());
            number.ok_or(ChatError::InvalidEventId)
        }
    }
}

fn follow(
    chat: Chat,
    user: Uuid,
    mut message: Message,
    mut position: u64,
) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    stream! {
        loop {
            if let Some(generation) = chat.inner.live.get(message.id) {
                let mut changed = generation.subscribe();
                let mut cursor = generation.cursor_at(position);
                loop {
                    // Seen before reading, so that nothing said in between is missed.
                    let over = *changed.borrow_and_update();
                    while let Some(event) = generation.next(&mut cursor) {
                        position = event.id;
                        yield Ok(sse(&event));
                    }
                    if over || changed.changed().await.is_err() {
                        break;
                    }
                }
            }
            message = match chat.get_message(user, message.id).await {
                Ok(message) => message,
                // Deleted, or the database is away: the client comes back and is told.
                Err(_) => return,
            };
            if !message.status.is_running() {
                yield Ok(frame(position.max(length(&message)), "done", &json!({ "message": message })));
                return;
            }
            if chat.inner.live.get(message.id).is_some() {
                continue;
            }
            // Another node writes it, and its checkpoints are all there is to see here.
            for (kind, from, text) in rest(&message, position) {
                position = from + text.len() as u64;
                yield Ok(frame(position, event_name(kind), &json!({ "text": text })));
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = chat.inner.shutdown.cancelled() => return,
            }
        }
    }
}

fn length(message: &Message) -> u64 {
    (message.reasoning.as_deref().unwrap_or_default().len() + message.content.len()) as u64
}

/// What a row holds beyond a position, reasoning before answer.
fn rest(message: &Message, position: u64) -> Vec<(Kind, u64, String)> {
    let reasoning = message.reasoning.as_deref().unwrap_or_default();
    let mut rest = Vec::new();
    let mut begin = 0_u64;
    for (kind, text) in [(Kind::Reasoning, reasoning), (Kind::Answer, message.content.as_str())] {
        let skip = usize::try_from(position.saturating_sub(begin)).unwrap_or(usize::MAX);
        let mut skip = skip.min(text.len());
        while !text.is_char_boundary(skip) {
            skip -= 1;
        }
        if skip < text.len() {
            rest.push((kind, begin + skip as u64, text[skip..].to_owned()));
        }
        begin += text.len() as u64;
    }
    rest
}

fn sse(event: &Event) -> SseEvent {
    frame(event.id, event.name, &event.data)
}

fn frame(id: u64, name: &str, data: &Value) -> SseEvent {
    SseEvent::default().id(id.to_string()).event(name).data(data.to_string())
}

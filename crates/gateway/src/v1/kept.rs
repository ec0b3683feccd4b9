//! Answers that are kept: a request looks for one before it is asked, and leaves one behind.

use std::convert::Infallible;

use axum::response::Response;
use futures::stream;
use http::{HeaderName, HeaderValue};

use super::Failure;
use super::body::Body;
use super::call::{Ask, Call};
use super::form::Form;
use crate::GatewayError;
use crate::cache::{Asked, Caching, Hash, Kept, Place, Turn, Wish};
use crate::quotas::Forecast;

/// Says whether an answer was kept; absent where the model keeps none.
const CACHE: HeaderName = HeaderName::from_static("x-lyceum-cache");

/// What is looked for.
pub(super) struct Sought<'a> {
    pub(super) surface: &'static str,
    pub(super) body: &'a Body,
    pub(super) streamed: bool,
    pub(super) headers: &'a [(HeaderName, HeaderValue)],
}

impl<'a> From<&'a Ask> for Sought<'a> {
    fn from(ask: &'a Ask) -> Self {
        let surface = match ask.form {
            Form::Chat { .. } => "chat_completions",
            Form::Completions { .. } => "completions",
            Form::Messages => "messages",
            Form::Responses => "responses",
        };
        Self { surface, body: &ask.body, streamed: ask.streamed, headers: &ask.headers }
    }
}

/// What was found.
pub(super) enum Found {
    Answer(Response),
    /// Nothing; the new answer has this place, if it is to be kept.
    Nothing(Option<Place>),
}

impl Call<'_> {
    /// Looks for an answer, where the model keeps them and the caller does not mind.
    pub(super) async fn find(&mut self, sought: Sought<'_>) -> Result<Found, Failure> {
        let wish = self.context.recall.wish;
        match self.model.cache.filter(|_| wish != Wish::Neither) {
            Some(caching) => Box::pin(self.look(caching, sought)).await,
            None => Ok(Found::Nothing(None)),
        }
    }

    async fn look(&mut self, caching: Caching, sought: Sought<'_>) -> Result<Found, Failure> {
        let wish = self.context.recall.wish;
        let Sought { surface, body, streamed, headers } = sought;
        let asked = Asked {
            tenant: self.context.user_id,
            version: caching.version,
            route: self.context.attempt.route_id(),
            surface,
            streamed,
            headers,
        };
        let hash = asked.hash(body.members());
        let answers = &self.gateway.inner.answers;
        let turn = match wish {
            Wish::Fresh => Turn::Ask(answers.renew(hash, caching.life)),
            // Whoever reads a stream slowly must not keep others waiting.
            _ => answers.turn(hash, caching.life, !streamed).await,
        };
        let (kept, waited) = match turn {
            Turn::Kept { kept, waited } => (kept, waited),
            Turn::Ask(place) => {
                count("miss");
                self.context.recall.recording = Some(place.recording());
                return Ok(Found::Nothing(Some(place)));
            }
        };
        if waited && !self.stands(caching.version).await? {
            return Ok(Found::Nothing(None));
        }
        Ok(Found::Answer(self.replay(kept, streamed).await?))
    }

    /// Whether the model is still as it was when the request came; an error where the caller may
    /// not use it any more.
    async fn stands(&self, version: Hash) -> Result<bool, GatewayError> {
        let catalogue = self.gateway.catalogue(self.context.user_id).await?;
        let model = catalogue.models().iter().find(|model| model.id == self.model.id);
        let model = model.ok_or(GatewayError::NotFound("model"))?;
        Ok(model.cache.is_some_and(|caching| caching.version == version))
    }

    /// Answers with what is kept: a call like any other, but that it costs nothing.
    async fn replay(&self, kept: Kept, streamed: bool) -> Result<Response, Failure> {
        let mut meter =
            self.gateway.begin(self.context.clone(), self.model, || Forecast::FREE).await?;
        let notice = meter.notice();
        meter.recalled(&kept);
        meter.complete(None).await?;
        count("hit");
        let response = match streamed {
            true => self.events(stream::iter([Ok::<_, Infallible>(kept.body)]), &notice),
            false => self.document(kept.body, &notice),
        };
        Ok(marked(response, "hit"))
    }
}

/// Leaves an answer in its place, if it has one.
pub(super) async fn keep(
    place: Option<Place>,
    answer: Result<Response, Failure>,
) -> Result<Response, Failure> {
    let Some(place) = place else { return answer };
    match answer {
        Ok(response) => Ok(marked(place.keep(response).await, "miss")),
        Err(failure) => {
            place.give_up();
            Err(failure)
        }
    }
}

fn marked(mut response: Response, word: &'static str) -> Response {
    response.headers_mut().insert(CACHE, HeaderValue::from_static(word));
    response
}

fn count(result: &'static str) {
    metrics::counter!("lyceum_gateway_cache_total", "result" => result).increment(1);
}

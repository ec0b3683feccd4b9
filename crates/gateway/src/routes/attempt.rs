//! One request at a route: attempt after attempt, until one answers or none may.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::BoxStream;
use lyceum_llm::openai::{Frames, OpenAiClient};
use lyceum_llm::{ChatRequest, ChatStream, Content, ContentPart, LlmError, Usage};
use serde_json::Value;
use uuid::Uuid;

use super::choose::{Dice, Seed, backoff};
use super::opening::{FrameLook, Glimpse, Patience, Unopened};
use super::ticket::Ticket;
use super::{Cause, Refusal, Route};
use crate::{CallContext, Gateway, GatewayError, ModelConfig};

/// Which attempt of its request a call is; the only one where no route is asked.
#[derive(Clone, Default)]
pub struct Attempt(Option<Arc<Routed>>);

struct Routed {
    route: Arc<Route>,
    number: u16,
    patience: Patience,
    ticket: Ticket,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Attempt({})", self.number())
    }
}

impl Attempt {
    /// From 1 on.
    pub(crate) fn number(&self) -> u16 {
        self.0.as_ref().map_or(1, |routed| routed.number)
    }

    /// The route that asks.
    pub(crate) fn route(&self) -> Option<&Arc<Route>> {
        self.0.as_ref().map(|routed| &routed.route)
    }

    /// Its id.
    pub(crate) fn route_id(&self) -> Option<Uuid> {
        self.route().map(|route| route.id)
    }

    /// What the caller named of whom `model` is asked: the route, or the model itself.
    pub(crate) fn requested<'a>(&'a self, model: &'a ModelConfig) -> &'a str {
        self.route().map_or(model.name.as_str(), |route| route.name.as_str())
    }

    /// The first token came.
    pub(crate) fn begun(&self) {
        if let Some(routed) = &self.0 {
            routed.ticket.begun();
        }
    }

    /// The answer is whole; `latency` is that of its first token where it has one.
    pub(crate) fn succeeded(&self, latency: Duration) {
        if let Some(routed) = &self.0 {
            routed.ticket.succeeded(latency);
        }
    }

    /// The call failed.
    pub(crate) fn failed(&self, error: &GatewayError) {
        let Some(routed) = &self.0 else { return };
        let verdict = error.verdict();
        if verdict.blames {
            let budget = routed.route.settings.wait_budget;
            routed.ticket.failed(verdict.after.filter(|after| *after > budget));
        }
    }

    /// Waits for something of the provider, but not longer than the route does.
    pub(crate) async fn in_time<T>(
        &self,
        future: impl Future<Output = Result<T, LlmError>>,
    ) -> Result<T, LlmError> {
        match &self.0 {
            None => future.await,
            Some(routed) => routed.patience.wait(future).await?,
        }
    }

    /// Waits for the first token of an answer, which `look` finds, if a route asks.
    pub(crate) async fn open<T: Send + 'static>(
        &self,
        pieces: BoxStream<'static, Result<T, LlmError>>,
        look: impl FnMut(&T) -> Result<Glimpse, LlmError>,
    ) -> Result<BoxStream<'static, Result<T, LlmError>>, Unopened> {
        match &self.0 {
            None => Ok(pieces),
            Some(routed) => routed.patience.open(pieces, look).await,
        }
    }

    /// The same for the events of a port.
    pub(crate) async fn opened(&self, events: ChatStream) -> Result<ChatStream, Unopened> {
        self.open(events, |event| Ok(Glimpse::of(event))).await
    }

    /// The same for a stream that is passed on as it is.
    pub(crate) async fn opened_frames(
        &self,
        client: &OpenAiClient,
        frames: Frames,
    ) -> Result<Frames, Unopened> {
        let mut seen = FrameLook::default();
        let (frames, begun) = frames.into_parts();
        let frames = self.open(frames, |frame| seen.look(client, frame)).await?;
        Ok(Frames::new(frames, begun))
    }

    /// Refuses an answer that was withheld as a whole, if a route asks.
    pub(crate) fn refuse_withheld(
        &self,
        withheld: bool,
        usage: Option<Usage>,
    ) -> Result<(), Unopened> {
        match withheld && self.0.is_some() {
            true => Err(Unopened::withheld(usage)),
            false => Ok(()),
        }
    }
}

/// What of a request matters to the choice of a target.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) tools: bool,
    pub(crate) images: bool,
}

impl Needs {
    /// What a request to a port needs.
    pub(crate) fn of(request: &ChatRequest) -> Self {
        let tools = request.extra.get("tools").and_then(Value::as_array);
        let image = |part: &ContentPart| match part {
            ContentPart::Other(part) => part.get("type").is_some_and(|kind| kind == "image_url"),
            ContentPart::Text { .. } => false,
        };
        let images = request.messages.iter().any(|message| match &message.content {
            Some(Content::Parts(parts)) => parts.iter().any(image),
            _ => false,
        });
        Self { tools: tools.is_some_and(|tools| !tools.is_empty()), images }
    }
}

/// What is asked of a route.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    /// Whether the answer goes out as it comes.
    pub(crate) streamed: bool,
    /// The target that the caller insists on, by id or name.
    pub(crate) pin: Option<String>,
    pub(crate) needs: Needs,
    /// What the turns of its conversation have in common, so that they come to the same target.
    pub(crate) affinity: Option<Seed>,
}

/// The attempts of one request.
pub(crate) struct Tries<'a> {
    gateway: &'a Gateway,
    context: CallContext,
    route: Arc<Route>,
    streamed: bool,
    pinned: bool,
    /// Targets that were not asked yet, the next one last.
    left: Vec<Uuid>,
    dice: Dice,
    target: Uuid,
    current: Attempt,
    /// Attempts that reached a provider.
    made: u16,
    /// Retries at the present target.
    retries: u32,
    waited: Duration,
    /// The context that turned out to be too short.
    too_short: Option<i32>,
}

impl Gateway {
    /// Begins a request at a route: the first attempt is ready to be made.
    pub(crate) fn tries(
        &self,
        context: CallContext,
        route: &Arc<Route>,
        ask: &Ask,
    ) -> Result<Tries<'_>, GatewayError> {
        let chance = Seed::from(context.request_id);
        let mut left = match &ask.pin {
            Some(name) => vec![route.named(name)?],
            None => route.order(ask.needs, ask.affinity.unwrap_or(chance))?,
        };
        left.reverse();
        let mut tries = Tries {
            gateway: self,
            context,
            route: route.clone(),
            streamed: ask.streamed,
            pinned: ask.pin.is_some(),
            left,
            dice: Dice::new(chance),
            target: Uuid::nil(),
            current: Attempt::default(),
            made: 0,
            retries: 0,
            waited: Duration::ZERO,
            too_short: None,
        };
        match tries.pick(Instant::now()) {
            Ok(()) => Ok(tries),
            Err(until) => Err(GatewayError::RouteCooling {
                route: route.name.clone(),
                retry_after: until.saturating_duration_since(Instant::now()),
            }),
        }
    }
}

impl Tries<'_> {
    /// The attempt to be made now.
    pub(crate) fn attempt(&self) -> Result<(CallContext, &ModelConfig), GatewayError> {
        let target = self.route.target(self.target).ok_or(GatewayError::NotFound("model"))?;
        let context = CallContext { attempt: self.current.clone(), ..self.context.clone() };
        Ok((context, &target.model))
    }

    /// The attempt failed. Gets the next one ready, after a while if it has to be; gives the error
    /// back where no other may be made.
    pub(crate) async fn next<E: Refusal>(&mut self, error: E) -> Result<(), E> {
        let verdict = error.verdict();
        // What is held of the attempt that failed must not keep a probe from others.
        self.current = Attempt::default();
        self.made += u16::from(verdict.asked);
        let Some(cause) = verdict.cause else { return Err(error) };
        if verdict.again
            && let Some(wait) = self.wait_before_retry(verdict.after)
        {
            tokio::time::sleep(wait).await;
            self.waited += wait;
            self.retries += 1;
            if self.refresh().await && self.admit(self.target, Instant::now()).is_ok() {
                return Ok(());
            }
        }
        if self.pinned || !self.route.settings.fallback_on.contains(&cause) {
            return Err(error);
        }
        if cause == Cause::ContextLength {
            let known = self.route.target(self.target).and_then(|t| t.model.context_length);
            self.too_short = known.max(self.too_short);
        }
        self.retries = 0;
        match self.refresh().await && self.pick(Instant::now()).is_ok() {
            true => {
                let labels =
                    [("route", self.route.name.clone()), ("cause", cause.as_str().to_owned())];
                metrics::counter!("lyceum_gateway_fallbacks_total", &labels).increment(1);
                Ok(())
            }
            false => Err(error),
        }
    }

    /// How long to wait for the same target, if it may be asked again and the wait is not too long.
    fn wait_before_retry(&mut self, after: Option<Duration>) -> Option<Duration> {
        let settings = &self.route.settings;
        if self.retries >= settings.retries {
            return None;
        }
        let wait = backoff(settings.backoff, self.retries, &mut self.dice);
        let wait = wait.max(after.unwrap_or_default());
        (self.waited + wait <= settings.wait_budget).then_some(wait)
    }

    /// Looks again at what the caller may use: a grant may be gone since the last attempt.
    async fn refresh(&mut self) -> bool {
        let catalogue = self.gateway.catalogue(self.context.user_id).await;
        match catalogue.ok().and_then(|catalogue| catalogue.route(self.route.id)) {
            Some(route) => {
                self.route = route;
                true
            }
            None => false,
        }
    }

    /// Chooses the next target that may be asked; else says when the first of them may be.
    fn pick(&mut self, now: Instant) -> Result<(), Instant> {
        let mut soonest: Option<Instant> = None;
        while let Some(id) = self.left.pop() {
            match self.admit(id, now) {
                Ok(()) => return Ok(()),
                Err(Some(until)) => soonest = Some(soonest.map_or(until, |s| s.min(until))),
                Err(None) => {}
            }
        }
        Err(soonest.unwrap_or(now))
    }

    /// Makes this target the present one, if it may be asked.
    fn admit(&mut self, id: Uuid, now: Instant) -> Result<(), Option<Instant>> {
        let target = self.route.target(id).ok_or(None)?;
        let context_length = target.model.context_length;
        if self.too_short.zip(context_length).is_some_and(|(short, own)| own <= short) {
            return Err(None);
        }
        let settings = &self.route.settings;
        let ticket = match self.pinned {
            true => target.health.insist(settings.policy, now),
            false => target.health.admit(settings.policy, now).map_err(Some)?,
        };
        let limit = if self.streamed { settings.first_token } else { settings.answer };
        let routed = Routed {
            route: self.route.clone(),
            number: self.made + 1,
            patience: Patience::new(limit, !self.streamed),
            ticket,
        };
        (self.target, self.current) = (id, Attempt(Some(Arc::new(routed))));
        Ok(())
    }
}

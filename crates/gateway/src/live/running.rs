//! A call that runs, and how far it has come.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use lyceum_llm::{ModelKind, Usage};
use uuid::Uuid;

use super::{LiveCall, Stage, surface};
use crate::calls::prompt_of_body;
use crate::ledger::{CallStatus, LedgerRow, storable};
use crate::routes::Route;
use crate::{CallContext, ModelConfig, Price, Purpose};

/// What the ledger says of a call that was cut off by the end of its process.
const INTERRUPTED: &str = "interrupted";

/// A call that runs. What changes meanwhile is told by its meter, without a lock.
pub(crate) struct Running {
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    api_key_id: Option<Uuid>,
    provider_config_id: Option<Uuid>,
    /// The name here of the account that is asked.
    pub(crate) account: Option<Arc<str>>,
    model_config_id: Uuid,
    pub(crate) provider: String,
    /// What the caller named.
    requested: String,
    /// The provider's name of what is asked.
    pub(crate) model: String,
    pub(crate) kind: ModelKind,
    pub(crate) price: Price,
    pub(crate) purpose: Purpose,
    surface: Option<Arc<str>>,
    pub(crate) conversation_id: Option<Uuid>,
    message_id: Option<Uuid>,
    pub(crate) request_id: Uuid,
    end_user: Option<Arc<str>>,
    groups: Arc<[Uuid]>,
    pub(crate) attempt: i16,
    route: Option<Arc<Route>>,
    pub(super) since: DateTime<Utc>,
    pub(crate) started: Instant,
    /// The request as sent, from which its tokens are estimated if they must be.
    body: OnceLock<Bytes>,
    prompt: OnceLock<u64>,
    first_token_ms: OnceLock<i32>,
    tokens: AtomicU64,
    reasoning: AtomicU64,
    /// The model that serves, where it has another name.
    served: OnceLock<String>,
    recalled: AtomicBool,
    stage: AtomicU8,
}

impl Running {
    pub(super) fn begin(
        id: Uuid,
        context: &CallContext,
        model: &ModelConfig,
        since: DateTime<Utc>,
        groups: Arc<[Uuid]>,
    ) -> Self {
        let attempt = &context.attempt;
        Self {
            id,
            user_id: context.user_id,
            api_key_id: context.api_key_id,
            provider_config_id: model.provider_config_id,
            account: model.provider_config_name.clone(),
            model_config_id: model.id,
            provider: model.provider.clone(),
            requested: storable(attempt.requested(model), 200),
            model: storable(&model.model, 200),
            kind: model.kind,
            price: model.price.clone(),
            purpose: context.purpose,
            surface: surface::current(),
            conversation_id: context.conversation_id,
            message_id: context.message_id,
            request_id: context.request_id,
            end_user: context.end_user.clone(),
            groups,
            attempt: i16::try_from(attempt.number()).unwrap_or(i16::MAX),
            route: attempt.route().cloned(),
            since,
            started: Instant::now(),
            body: OnceLock::new(),
            prompt: OnceLock::new(),
            first_token_ms: OnceLock::new(),
            tokens: AtomicU64::new(0),
            reasoning: AtomicU64::new(0),
            served: OnceLock::new(),
            recalled: AtomicBool::new(false),
            stage: AtomicU8::new(0),
        }
    }

    /// The request has this body.
    pub(crate) fn sent(&self, body: Bytes) {
        drop(self.body.set(body));
    }

    /// The prompt has about so many tokens.
    pub(crate) fn asked(&self, prompt_tokens: u64) {
        let _ = self.prompt.set(prompt_tokens);
    }

    /// The provider names the model that serves.
    pub(crate) fn served_by(&self, model: &str) {
        if model != self.model {
            self.served.get_or_init(|| storable(model, 200));
        }
    }

    /// The first token came.
    pub(crate) fn begun(&self) {
        self.first_token_ms.get_or_init(|| self.millis());
    }

    /// More of the answer came: in all it has about `tokens`.
    pub(crate) fn answered(&self, tokens: u64) {
        self.tokens.store(tokens, Ordering::Relaxed);
        self.stage.fetch_max(1, Ordering::Relaxed);
    }

    /// About so many of them are reasoning.
    pub(crate) fn reasoned(&self, tokens: u64) {
        self.reasoning.store(tokens, Ordering::Relaxed);
    }

    /// The answer is one that was kept: nobody is asked.
    pub(crate) fn recall(&self) {
        self.recalled.store(true, Ordering::Relaxed);
    }

    /// The call is over and only has to be written down.
    pub(super) fn over(&self) {
        self.stage.store(2, Ordering::Relaxed);
    }

    /// Whether the answer is one that was kept.
    pub(crate) fn is_recalled(&self) -> bool {
        self.recalled.load(Ordering::Relaxed)
    }

    /// When the first token came.
    pub(crate) fn first_token_ms(&self) -> Option<i32> {
        self.first_token_ms.get().copied()
    }

    /// How long it has run.
    pub(crate) fn millis(&self) -> i32 {
        i32::try_from(self.started.elapsed().as_millis()).unwrap_or(i32::MAX)
    }

    /// Tokens of the prompt, about. A body is counted once somebody wants to know.
    pub(crate) fn prompt_tokens(&self) -> u64 {
        match self.body.get() {
            Some(body) => *self.prompt.get_or_init(|| prompt_of_body(body)),
            None => self.prompt.get().copied().unwrap_or_default(),
        }
    }

    /// The name of the route that asks.
    pub(crate) fn route(&self) -> Option<&str> {
        self.route.as_deref().map(|route| route.name.as_str())
    }

    /// Its row, but for what becomes of it.
    pub(crate) fn row(&self) -> LedgerRow {
        LedgerRow {
            id: self.id,
            created_at: self.since,
            user_id: self.user_id,
            api_key_id: self.api_key_id,
            provider_config_id: self.provider_config_id,
            model_config_id: Some(self.model_config_id),
            provider: self.provider.clone(),
            requested_model: self.requested.clone(),
            served_model: None,
            purpose: self.purpose,
            prompt_tokens: 0,
            completion_tokens: 0,
            cached_tokens: 0,
            reasoning_tokens: 0,
            cost: None,
            estimated: false,
            status: CallStatus::Cancelled,
            error_code: None,
            latency_ms: 0,
            first_token_ms: self.first_token_ms(),
            conversation_id: self.conversation_id,
            message_id: self.message_id,
            request_id: self.request_id,
            group_ids: self.groups.clone(),
            attempt: self.attempt,
            route_id: self.route.as_ref().map(|route| route.id),
            route: self.route().map(str::to_owned),
            cache_hit: self.is_recalled(),
            end_user: self.end_user.clone(),
        }
    }

    /// Its row if the process is killed now: what came until then was spent.
    pub(super) fn interrupted(&self) -> LedgerRow {
        let usage = Usage {
            prompt_tokens: self.prompt_tokens(),
            completion_tokens: self.tokens.load(Ordering::Relaxed),
            reasoning_tokens: self.reasoning.load(Ordering::Relaxed),
            ..Usage::default()
        };
        let mut row = LedgerRow {
            served_model: Some(self.served.get().unwrap_or(&self.model).clone()),
            estimated: true,
            status: CallStatus::Failed,
            error_code: Some(INTERRUPTED.to_owned()),
            latency_ms: self.millis(),
            ..self.row()
        };
        row.spend(&usage.bounded(), &self.price, self.kind);
        row
    }

    /// What is shown of it.
    pub(super) fn view(&self) -> LiveCall {
        LiveCall {
            id: self.id,
            user_id: self.user_id,
            user: None,
            api_key_id: self.api_key_id,
            purpose: self.purpose.as_str().to_owned(),
            surface: self.surface.as_deref().map(str::to_owned),
            provider: self.provider.clone(),
            model: self.model.clone(),
            kind: match self.kind {
                ModelKind::Chat => "chat",
                ModelKind::Embedding => "embedding",
            }
            .to_owned(),
            since: self.since,
            tokens: self.tokens.load(Ordering::Relaxed),
            state: match self.stage.load(Ordering::Relaxed) {
                0 => Stage::Waiting,
                1 => Stage::Answering,
                _ => Stage::Recording,
            },
        }
    }
}

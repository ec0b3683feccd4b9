use chrono::{DateTime, Utc};
use lyceum_llm::{ModelKind, Usage};
use lyceum_store::Db;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::store;
use crate::ledger::Ledger;
use crate::limits::Terms;
use crate::{CallContext, GatewayError, ModelConfig};

/// Tokens of an answer that are reserved where nothing limits it.
const USUAL_ANSWER: u64 = 1024;

/// What a call may take, as far as one can tell before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Forecast {
    pub(crate) prompt_tokens: u64,
    /// The request's own limit of its answer.
    pub(crate) max_tokens: Option<u64>,
}

impl Forecast {
    /// Tokens of the prompt and of the answer.
    pub(crate) fn usage(&self, model: &ModelConfig) -> Usage {
        let own = || model.max_tokens.and_then(|limit| u64::try_from(limit).ok());
        let completion_tokens = match model.kind {
            ModelKind::Embedding => 0,
            ModelKind::Chat => self.max_tokens.or_else(own).unwrap_or(USUAL_ANSWER),
        };
        Usage { prompt_tokens: self.prompt_tokens, completion_tokens, ..Usage::default() }.bounded()
    }
}

/// What one call reserves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) tokens: i64,
    pub(super) cost: Decimal,
    pub(super) seconds: i64,
    /// 0 for the later attempts of a request.
    pub(super) calls: i16,
}

impl Wanted {
    fn new(model: &ModelConfig, usage: &Usage, attempt: u16) -> Self {
        let tokens = usage.prompt_tokens.saturating_add(usage.completion_tokens);
        // Of what an unknown price is one cannot tell: a call passes while anything is left.
        let cost = model.price.cost(model.kind, usage).unwrap_or(Decimal::new(1, 9));
        let local = model.provider_config_id.is_none();
        Self {
            tokens: i64::try_from(tokens).unwrap_or(i64::MAX).max(1),
            cost: cost.min(Decimal::from(999_999_999)),
            seconds: i64::from(local),
            calls: i16::from(attempt == 1),
        }
    }
}

/// A reservation of a call that is not in the ledger yet. Dropped, it is given back.
pub(crate) struct Reserved {
    call: Uuid,
    ledger: Option<Ledger>,
    /// Quotas of which four fifths are used.
    pub(crate) warnings: Vec<String>,
}

impl Reserved {
    /// From here on the ledger's row ends it.
    pub(crate) fn hand_over(mut self) {
        self.ledger = None;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(ledger) = self.ledger.take() {
            ledger.release(self.call);
        }
    }
}

/// Reserves for the call `call` at every quota that binds it. Runs to its end also where the caller
/// goes away meanwhile, so that what is reserved is known and given back.
pub(crate) async fn reserve(
    db: &Db,
    ledger: &Ledger,
    context: &CallContext,
    terms: &Terms,
    call: Uuid,
    at: DateTime<Utc>,
    (model, usage): (&ModelConfig, Usage),
) -> Result<Reserved, GatewayError> {
    let wanted = Wanted::new(model, &usage, context.attempt.number());
    let (db, ledger, groups) = (db.clone(), ledger.clone(), terms.groups.clone());
    let (user, api_key) = (context.user_id, context.api_key_id);
    let reserving = tokio::spawn(async move {
        let holder = ledger.holder().await?;
        let mut reserved = Reserved { call, ledger: Some(ledger), warnings: Vec::new() };
        let caller = store::Bound { user, api_key, groups: &groups };
        let standings = store::reserve(&db, call, holder, caller, at, wanted).await?;
        let (refusals, near): (Vec<_>, Vec<_>) =
            standings.into_iter().partition(|(refused, _)| *refused);
        match refusals.into_iter().next() {
            Some((_, refusal)) => {
                reserved.hand_over();
                Err(GatewayError::QuotaExceeded(Box::new(refusal)))
            }
            None => {
                let warnings = near.iter().filter_map(|(_, standing)| standing.warning());
                reserved.warnings = warnings.collect();
                Ok(reserved)
            }
        }
    });
    reserving.await.map_err(|_| sqlx::Error::WorkerCrashed)?
}

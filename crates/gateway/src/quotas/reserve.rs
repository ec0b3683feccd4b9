use chrono::{DateTime, Utc};
use lyceum_llm::{ModelKind, Usage};
use lyceum_store::Db;
use rust_decimal::Decimal;

use super::leases::{self, Amounts, Reserved};
use crate::ledger::Ledger;
use crate::limits::Terms;
use crate::{GatewayError, ModelConfig};

/// Tokens of an answer that are reserved where nothing limits it.
const USUAL_ANSWER: u64 = 1024;

/// What a call may take, as far as one can tell before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Forecast {
    pub(crate) prompt_tokens: u64,
    /// The request's own limit of its answer.
    pub(crate) max_tokens: Option<u64>,
    /// How many answers it asks for, each of which may be as long; at least one.
    pub(crate) answers: u64,
}

impl Forecast {
    /// Tokens of the prompt and of the answer.
    pub(crate) fn usage(&self, model: &ModelConfig) -> Usage {
        let own = || model.max_tokens.and_then(|limit| u64::try_from(limit).ok());
        let completion_tokens = match model.kind {
            ModelKind::Embedding => 0,
            ModelKind::Chat => {
                let one = self.max_tokens.or_else(own).unwrap_or(USUAL_ANSWER);
                one.saturating_mul(self.answers.max(1))
            }
        };
        Usage { prompt_tokens: self.prompt_tokens, completion_tokens, ..Usage::default() }.bounded()
    }
}

/// What a call may take of quotas; the later attempts of a request are no calls of their own.
fn wanted(model: &ModelConfig, usage: &Usage, attempt: u16) -> Amounts {
    let tokens = usage.prompt_tokens.saturating_add(usage.completion_tokens);
    // Of what an unknown price is one cannot tell: a call passes while anything is left.
    let cost = model.price.cost(model.kind, usage).unwrap_or(Decimal::new(1, 9));
    let local = model.provider_config_id.is_none();
    Amounts::new(
        u64::from(attempt == 1),
        tokens.max(1),
        cost.min(Decimal::from(999_999_999)),
        u64::from(local),
    )
}

/// Reserves for a call at every quota that binds it.
pub(crate) async fn reserve(
    db: &Db,
    ledger: &Ledger,
    terms: &Terms,
    at: DateTime<Utc>,
    (model, usage, attempt): (&ModelConfig, &Usage, u16),
) -> Result<Reserved, GatewayError> {
    let (wanted, holder) = (wanted(model, usage, attempt), ledger.holder().await?);
    match leases::reserve(db, &terms.quotas, holder, wanted, at).await {
        // Calls that are answered hold more than they took until their rows are committed.
        Err(GatewayError::QuotaExceeded(_)) if ledger.catch_up().await => {
            leases::reserve(db, &terms.quotas, holder, wanted, at).await
        }
        reserved => reserved,
    }
}

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
/// The most US dollars that a quota can have.
const MOST_COST: Decimal = Decimal::from_parts(999_999_999, 0, 0, false, 0);

/// What a call may take, as far as one can tell before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Forecast {
    pub(crate) prompt_tokens: u64,
    /// The request's own limit of its answer.
    pub(crate) max_tokens: Option<u64>,
    /// How many answers it asks for, each of which may be as long; at least one.
    pub(crate) answers: u64,
    /// Whether it takes no tokens: its answer was kept, or the provider only counts.
    pub(crate) is_free: bool,
}

impl Forecast {
    /// Of a call that takes no tokens.
    pub(crate) const FREE: Self =
        Self { prompt_tokens: 0, max_tokens: Some(0), answers: 0, is_free: true };

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

/// A call that asks to be let through.
pub(crate) struct Asking<'a> {
    pub(crate) model: &'a ModelConfig,
    /// What it may take.
    pub(crate) usage: Usage,
    pub(crate) is_free: bool,
    /// Which one of its request it is, from 1 on.
    pub(crate) attempt: u16,
}

impl Asking<'_> {
    /// Whether nobody can tell what it will cost.
    fn is_unpriced(&self) -> bool {
        !self.is_free && !self.model.price.covers(self.model.kind)
    }

    /// What it may take of quotas; the later attempts of a request are no calls of their own.
    fn wanted(&self) -> Amounts {
        let Usage { prompt_tokens, completion_tokens, .. } = self.usage;
        let cost = match self.is_unpriced() {
            // Whom a quota of costs binds is refused for that, and not for what is left of it.
            true => Decimal::ZERO,
            false => {
                let cost = self.model.price.cost(self.model.kind, &self.usage);
                cost.map_or(MOST_COST, |cost| cost.min(MOST_COST))
            }
        };
        Amounts::new(
            u64::from(self.attempt == 1),
            prompt_tokens.saturating_add(completion_tokens).max(1),
            cost,
            u64::from(self.model.provider_config_id.is_none()),
        )
    }
}

/// Reserves for a call at every quota that binds it. A cost that nobody knows is covered by none: the
/// quota would let such calls through without end.
pub(crate) async fn reserve(
    db: &Db,
    ledger: &Ledger,
    terms: &Terms,
    at: DateTime<Utc>,
    asking: &Asking<'_>,
) -> Result<Reserved, GatewayError> {
    let (wanted, holder) = (asking.wanted(), ledger.holder().await?);
    let reserved = match leases::reserve(db, &terms.quotas, holder, wanted, at).await {
        // Calls that are answered hold more than they took until their rows are committed.
        Err(GatewayError::QuotaExceeded(_)) if ledger.catch_up().await => {
            leases::reserve(db, &terms.quotas, holder, wanted, at).await
        }
        reserved => reserved,
    }?;
    // Asked now, for what the quotas limit at the moment is known since they were reserved of.
    if asking.is_unpriced()
        && let Some(scope) = reserved.cost_limited_by()
    {
        return Err(GatewayError::PriceUnknown { model: asking.model.name.clone(), scope });
    }
    Ok(reserved)
}

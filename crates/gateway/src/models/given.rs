//! Prices as a request gives them.

use std::fmt;

use rust_decimal::Decimal;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::store::ListedRow;
use crate::fields::money;
use crate::{GatewayError, Price, PriceTier};

/// The most tiers of a price.
const MOST_TIERS: usize = 8;
/// What to do about tiers that nobody sent.
const IN_FORCE: &str =
    " (the tiers in force stay where none are sent; send all of them with it, or [] for none)";
/// Tokens of a prompt beyond which no tier begins.
const LONGEST_PROMPT: u32 = 100_000_000;
/// The highest price, in US dollars.
const HIGHEST: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// Prices of a request, per 1,000,000 tokens; an absent one is unknown, or stays as it is.
#[derive(Clone, Debug)]
pub(super) struct Prices {
    pub(super) input: Option<Decimal>,
    pub(super) output: Option<Decimal>,
    pub(super) cached_input: Option<Decimal>,
    pub(super) cache_write: Option<Decimal>,
    pub(super) reasoning: Option<Decimal>,
    pub(super) embedding: Option<Decimal>,
    /// All of them, in any order.
    pub(super) tiers: Option<Vec<TierInput>>,
}

/// What a call is to cost whose prompt is long, in US dollars per 1,000,000 tokens. Of the tiers that a
/// prompt reaches the highest counts, for the whole call.
///
/// A price that is absent stays what it is for shorter prompts. So that no part is billed by the price
/// of shorter prompts unnoticed, a tier that names `input_price` has to name `cached_input_price` and
/// `cache_write_price`, too, where shorter prompts have them, and one that names `output_price`
/// `reasoning_price`. Where they have none, these cost what `input_price` and `output_price` say here.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PriceTierInput)]
pub(super) struct TierInput {
    /// It is for prompts of more tokens than this, those from the provider's cache included.
    #[serde(deserialize_with = "length")]
    #[schema(minimum = 1, maximum = 100_000_000)]
    above: u32,
    /// Tokens of the prompt, or embedded.
    #[serde(default, deserialize_with = "money")]
    input_price: Option<Decimal>,
    /// Tokens generated.
    #[serde(default, deserialize_with = "money")]
    output_price: Option<Decimal>,
    /// Tokens of the prompt read from the provider's cache.
    #[serde(default, deserialize_with = "money")]
    cached_input_price: Option<Decimal>,
    /// Tokens of the prompt written to the provider's cache.
    #[serde(default, deserialize_with = "money")]
    cache_write_price: Option<Decimal>,
    /// Tokens spent on reasoning.
    #[serde(default, deserialize_with = "money")]
    reasoning_price: Option<Decimal>,
}

/// Tokens of a prompt. Who gives anything else is told what they can be, not what the type holds.
fn length<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    struct Length;
    impl Visitor<'_> for Length {
        type Value = u32;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "a whole number from 1 to {LONGEST_PROMPT}")
        }

        fn visit_u64<E: Error>(self, given: u64) -> Result<u32, E> {
            let length = u32::try_from(given).ok();
            length
                .filter(|length| (1..=LONGEST_PROMPT).contains(length))
                .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(given), &self))
        }
    }
    deserializer.deserialize_u32(Length)
}

impl From<TierInput> for PriceTier {
    fn from(given: TierInput) -> Self {
        Self {
            above: given.above,
            input_price: given.input_price,
            output_price: given.output_price,
            cached_input_price: given.cached_input_price,
            cache_write_price: given.cache_write_price,
            reasoning_price: given.reasoning_price,
        }
    }
}

impl Prices {
    /// Whether they change nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.tiers.is_none() && self.named().iter().all(|(_, price)| price.is_none())
    }

    /// The price that these give over the present one; `None` where they change nothing.
    pub(super) fn over(self, row: &ListedRow) -> Result<Option<Price>, GatewayError> {
        if self.is_empty() {
            return Ok(None);
        }
        if let Some(field) = out_of_range(&self.named()) {
            return Err(GatewayError::invalid(field, format!("must be within 0 and {HIGHEST}")));
        }
        let price = Price {
            input: self.input.or(row.input_price),
            output: self.output.or(row.output_price),
            cached_input: self.cached_input.or(row.cached_input_price),
            cache_write: self.cache_write.or(row.cache_write_price),
            reasoning: self.reasoning.or(row.reasoning_price),
            embedding: self.embedding.or(row.embedding_price),
            tiers: None,
        };
        let stay = self.tiers.is_none();
        let mut tiers = match self.tiers {
            Some(given) => given.into_iter().map(PriceTier::from).collect(),
            None => row.tiers.0.clone(),
        };
        tiers.sort_by_key(|tier| tier.above);
        match fault(&price, &tiers) {
            Some(reason) if stay => {
                Err(GatewayError::invalid("tiers", format!("{reason}{IN_FORCE}")))
            }
            Some(reason) => Err(GatewayError::invalid("tiers", reason)),
            None => Ok(Some(price.with_tiers(tiers))),
        }
    }

    fn named(&self) -> [(&'static str, Option<Decimal>); 6] {
        [
            ("input_price", self.input),
            ("output_price", self.output),
            ("cached_input_price", self.cached_input),
            ("cache_write_price", self.cache_write),
            ("reasoning_price", self.reasoning),
            ("embedding_price", self.embedding),
        ]
    }
}

/// The first price that cannot be one.
fn out_of_range(prices: &[(&'static str, Option<Decimal>)]) -> Option<&'static str> {
    let is_wrong = |price: Decimal| price.is_sign_negative() || price > HIGHEST;
    prices.iter().find(|(_, price)| price.is_some_and(is_wrong)).map(|(name, _)| *name)
}

/// Why a price cannot have these tiers, the lowest of which is the first.
fn fault(base: &Price, tiers: &[PriceTier]) -> Option<String> {
    if tiers.len() > MOST_TIERS {
        return Some(format!("there can be at most {MOST_TIERS}"));
    }
    let mut last = 0;
    let mut below = base.clone();
    for tier in tiers {
        let above = tier.above;
        if above == last {
            return Some(format!("there are two above {above}"));
        }
        if tier.prices().iter().all(|(_, price)| price.is_none()) {
            return Some(format!("the one above {above} has no price"));
        }
        if let Some(name) = out_of_range(&tier.prices()) {
            return Some(format!("{name} above {above} must be within 0 and {HIGHEST}"));
        }
        let missing = tier.missing(&below);
        if !missing.is_empty() {
            let named = missing.iter().map(|(part, whole)| format!("{part} beside {whole}"));
            let named = named.collect::<Vec<_>>().join(", ");
            return Some(format!(
                "the one above {above} must name {named}: shorter prompts have such prices"
            ));
        }
        below = tier.over(&below);
        last = above;
    }
    None
}

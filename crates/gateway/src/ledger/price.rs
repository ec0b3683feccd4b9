use std::sync::Arc;

use lyceum_llm::{ModelKind, Usage};
use rust_decimal::Decimal;

use super::tier::PriceTier;

/// What 1,000,000 tokens of a model cost, in US dollars. `None` is unknown, not free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Tokens of the prompt.
    pub input: Option<Decimal>,
    /// Tokens generated.
    pub output: Option<Decimal>,
    /// Tokens of the prompt read from the provider's cache; as `input` where unknown.
    pub cached_input: Option<Decimal>,
    /// Tokens of the prompt written to the provider's cache; as `input` where unknown.
    pub cache_write: Option<Decimal>,
    /// Tokens spent on reasoning; as `output` where unknown.
    pub reasoning: Option<Decimal>,
    /// Tokens embedded; as `input` where unknown.
    pub embedding: Option<Decimal>,
    /// What long prompts cost, the lowest tier first; `None` where all cost the same. Each call has a
    /// clone of it.
    pub tiers: Option<Arc<[PriceTier]>>,
}

/// Anthropic's prices of what is kept for an hour and for five minutes, in prices of the prompt.
const HOUR: (Decimal, Decimal) = (Decimal::TWO, Decimal::from_parts(125, 0, 0, false, 2));

impl Price {
    /// The price of what runs on our own machine.
    pub const FREE: Self = Self {
        input: Some(Decimal::ZERO),
        output: Some(Decimal::ZERO),
        cached_input: Some(Decimal::ZERO),
        cache_write: Some(Decimal::ZERO),
        reasoning: Some(Decimal::ZERO),
        embedding: Some(Decimal::ZERO),
        tiers: None,
    };

    /// The same with these tiers, the lowest of which is the first.
    pub(crate) fn with_tiers(self, tiers: Vec<PriceTier>) -> Self {
        Self { tiers: (!tiers.is_empty()).then(|| tiers.into()), ..self }
    }

    pub(crate) fn tiers(&self) -> &[PriceTier] {
        self.tiers.as_deref().unwrap_or_default()
    }

    /// Whether all has a price that a call of a model of this kind may use.
    pub(crate) fn covers(&self, kind: ModelKind) -> bool {
        match kind {
            ModelKind::Chat => self.input.is_some() && self.output.is_some(),
            ModelKind::Embedding => self.embedding.or(self.input).is_some(),
        }
    }

    /// The cost of a call; unknown as soon as one part that was used has no price.
    pub(crate) fn cost(&self, kind: ModelKind, usage: &Usage) -> Option<Decimal> {
        match self.of_prompt(usage.prompt_tokens) {
            Some(price) => price.cost_of(kind, usage),
            None => self.cost_of(kind, usage),
        }
    }

    /// What a call with a prompt of so many tokens costs; `None` where that reaches no tier.
    fn of_prompt(&self, tokens: u64) -> Option<Self> {
        let reached = self.tiers().iter().take_while(|tier| tokens > u64::from(tier.above));
        reached
            .fold(None, |below: Option<Self>, tier| Some(tier.over(below.as_ref().unwrap_or(self))))
    }

    /// The cost of a call, whatever the tiers.
    fn cost_of(&self, kind: ModelKind, usage: &Usage) -> Option<Decimal> {
        let cached = usage.cached_tokens.min(usage.prompt_tokens);
        let written = usage.cache_write_tokens.min(usage.prompt_tokens - cached);
        let for_an_hour = usage.cache_write_1h_tokens.min(written);
        let fresh = usage.prompt_tokens - cached - written;
        let reasoning = usage.reasoning_tokens.min(usage.completion_tokens);
        let fresh_price = match kind {
            ModelKind::Chat => self.input,
            ModelKind::Embedding => self.embedding.or(self.input),
        };
        let parts = [
            (fresh, fresh_price),
            (cached, self.cached_input.or(self.input)),
            (written - for_an_hour, self.cache_write.or(self.input)),
            (for_an_hour, self.cache_write_for_an_hour()),
            (usage.completion_tokens - reasoning, self.output),
            (reasoning, self.reasoning.or(self.output)),
        ];
        let mut sum = Decimal::ZERO;
        for (tokens, price) in parts.into_iter().filter(|(tokens, _)| *tokens > 0) {
            sum = sum.checked_add(price?.checked_mul(Decimal::from(tokens))?)?;
        }
        Some((sum / Decimal::from(1_000_000)).round_dp(9))
    }

    fn cache_write_for_an_hour(&self) -> Option<Decimal> {
        let Some(price) = self.cache_write else { return self.input };
        price.checked_mul(HOUR.0)?.checked_div(HOUR.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(prompt: u64, cached: u64, completion: u64) -> Usage {
        Usage {
            prompt_tokens: prompt,
            completion_tokens: completion,
            cached_tokens: cached,
            ..Usage::default()
        }
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let price = Price {
            input: Some("2.5".parse().unwrap()),
            output: Some("10".parse().unwrap()),
            cached_input: Some("1.25".parse().unwrap()),
            ..Price::default()
        };
        let cost = price.cost(ModelKind::Chat, &usage(1000, 400, 100));
        assert_eq!(cost, Some("0.003".parse().unwrap()));
        let cost = price.cost(ModelKind::Embedding, &usage(1000, 0, 0));
        assert_eq!(cost, Some("0.0025".parse().unwrap()));
    }

    #[test]
    fn what_has_no_price_of_its_own_costs_as_what_it_is_a_part_of() {
        let usage =
            Usage { cache_write_tokens: 200, reasoning_tokens: 60, ..usage(1000, 400, 100) };
        let plain = Price { input: Some(2.into()), output: Some(10.into()), ..Price::default() };
        assert_eq!(plain.cost(ModelKind::Chat, &usage), Some("0.003".parse().unwrap()));
        let own = Price {
            cached_input: Some(1.into()),
            cache_write: Some(5.into()),
            reasoning: Some(20.into()),
            ..plain
        };
        // 400 × 2 + 400 × 1 + 200 × 5 + 40 × 10 + 60 × 20.
        assert_eq!(own.cost(ModelKind::Chat, &usage), Some("0.0038".parse().unwrap()));
        // More of a part than there is of the whole is a mistake of the provider.
        let usage = Usage { cache_write_tokens: 5000, reasoning_tokens: 5000, ..usage };
        // 400 × 1 + 600 × 5 + 100 × 20.
        assert_eq!(own.cost(ModelKind::Chat, &usage), Some("0.0054".parse().unwrap()));
    }

    #[test]
    fn what_is_cached_for_an_hour_costs_as_much_more_as_at_anthropic() {
        let usage =
            Usage { cache_write_tokens: 500, cache_write_1h_tokens: 200, ..usage(1000, 0, 0) };
        let input = Some(4.into());
        let price = Price { input, cache_write: Some(5.into()), ..Price::default() };
        // 500 × 4 + 300 × 5 + 200 × 8.
        assert_eq!(price.cost(ModelKind::Chat, &usage), Some("0.0051".parse().unwrap()));
        let plain = Price { input, ..Price::default() };
        assert_eq!(plain.cost(ModelKind::Chat, &usage), Some("0.004".parse().unwrap()));
        // More than was written at all is a mistake of the provider.
        let usage = Usage { cache_write_1h_tokens: 9000, ..usage };
        assert_eq!(price.cost(ModelKind::Chat, &usage), Some("0.006".parse().unwrap()));
    }

    #[test]
    fn an_unknown_price_is_not_nothing() {
        let price = Price { input: Some(Decimal::ONE), ..Price::default() };
        assert_eq!(price.cost(ModelKind::Chat, &usage(10, 0, 5)), None);
        assert_eq!(Price::default().cost(ModelKind::Chat, &usage(1, 0, 0)), None);
        assert_eq!(Price::default().cost(ModelKind::Chat, &usage(0, 0, 0)), Some(Decimal::ZERO));
    }

    #[test]
    fn a_price_covers_a_kind_of_model_if_each_token_has_one() {
        let one = Some(Decimal::ONE);
        let input = Price { input: one, ..Price::default() };
        let both = Price { output: one, ..input.clone() };
        let embedding = Price { embedding: one, ..Price::default() };
        for (price, chat, embeds) in [
            (Price::default(), false, false),
            (input, false, true),
            (Price { output: one, ..Price::default() }, false, false),
            (both, true, true),
            (embedding, false, true),
            (Price::FREE, true, true),
        ] {
            let covered = (price.covers(ModelKind::Chat), price.covers(ModelKind::Embedding));
            assert_eq!(covered, (chat, embeds), "{price:?}");
        }
    }

    #[test]
    fn counts_beyond_all_reason_do_not_panic() {
        let price = Price { input: Some(Decimal::MAX), ..Price::FREE };
        assert_eq!(price.cost(ModelKind::Chat, &usage(u64::MAX, 0, u64::MAX)), None);
    }
}

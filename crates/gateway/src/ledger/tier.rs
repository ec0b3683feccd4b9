use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Price;
use crate::fields::money;

/// What a call costs whose prompt is long, in US dollars per 1,000,000 tokens. Of the tiers that a prompt
/// reaches the highest counts, for the whole call.
///
/// A price that is absent stays what it is for shorter prompts. Where those have none of a part, it costs
/// what the price of the whole says here: `input_price` of what a cache read or took, `output_price` of
/// reasoning.
// It is stored so, too: a newer node may have written members that this one does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceTier {
    /// It is for prompts of more tokens than this, those from the provider's cache included.
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub above: u32,
    /// Tokens of the prompt, or embedded.
    #[serde(default, deserialize_with = "money", skip_serializing_if = "Option::is_none")]
    pub input_price: Option<Decimal>,
    /// Tokens generated.
    #[serde(default, deserialize_with = "money", skip_serializing_if = "Option::is_none")]
    pub output_price: Option<Decimal>,
    /// Tokens of the prompt read from the provider's cache.
    #[serde(default, deserialize_with = "money", skip_serializing_if = "Option::is_none")]
    pub cached_input_price: Option<Decimal>,
    /// Tokens of the prompt written to the provider's cache.
    #[serde(default, deserialize_with = "money", skip_serializing_if = "Option::is_none")]
    pub cache_write_price: Option<Decimal>,
    /// Tokens spent on reasoning.
    #[serde(default, deserialize_with = "money", skip_serializing_if = "Option::is_none")]
    pub reasoning_price: Option<Decimal>,
}

impl PriceTier {
    /// Its prices by their names.
    pub(crate) fn prices(&self) -> [(&'static str, Option<Decimal>); 5] {
        [
            ("input_price", self.input_price),
            ("output_price", self.output_price),
            ("cached_input_price", self.cached_input_price),
            ("cache_write_price", self.cache_write_price),
            ("reasoning_price", self.reasoning_price),
        ]
    }

    /// What its prompts cost where shorter ones cost this.
    pub(crate) fn over(&self, below: &Price) -> Price {
        Price {
            input: self.input_price.or(below.input),
            output: self.output_price.or(below.output),
            cached_input: self.cached_input_price.or(below.cached_input),
            cache_write: self.cache_write_price.or(below.cache_write),
            reasoning: self.reasoning_price.or(below.reasoning),
            embedding: self.input_price.or(below.embedding),
            tiers: None,
        }
    }

    /// The prices that it leaves out though it names that of the whole, and shorter prompts have one:
    /// what is missing, and of which the tokens are a part.
    pub(crate) fn missing(&self, below: &Price) -> Vec<(&'static str, &'static str)> {
        let input = ("input_price", self.input_price);
        let output = ("output_price", self.output_price);
        let parts = [
            ("cached_input_price", self.cached_input_price, below.cached_input, input),
            ("cache_write_price", self.cache_write_price, below.cache_write, input),
            ("reasoning_price", self.reasoning_price, below.reasoning, output),
        ];
        let missing = parts.into_iter().filter_map(|(part, own, usual, (whole, its))| {
            (own.is_none() && usual.is_some() && its.is_some()).then_some((part, whole))
        });
        missing.collect()
    }
}

#[cfg(test)]
mod tests {
    use lyceum_llm::ModelKind::{Chat, Embedding};
    use lyceum_llm::Usage;

    use super::*;

    fn some(number: u32) -> Option<Decimal> {
        Some(number.into())
    }

    fn base() -> Price {
        Price { input: some(1), output: some(2), ..Price::default() }
    }

    fn tier(above: u32, input: u32) -> PriceTier {
        PriceTier { above, input_price: some(input), ..PriceTier::default() }
    }

    /// The cost in millionths of a dollar.
    fn cost(price: &Price, usage: Usage) -> Decimal {
        price.cost(Chat, &usage).unwrap() * Decimal::from(1_000_000)
    }

    fn prompt(prompt_tokens: u64) -> Usage {
        Usage { prompt_tokens, ..Usage::default() }
    }

    #[test]
    fn the_highest_tier_that_a_prompt_exceeds_counts_for_the_whole_call() {
        let price = base().with_tiers(vec![tier(100, 3), tier(1000, 5)]);
        for (tokens, each) in [(0, 1), (100, 1), (101, 3), (1000, 3), (1001, 5), (50_000, 5)] {
            let expected = Decimal::from(tokens * each);
            assert_eq!(cost(&price, prompt(tokens)), expected, "{tokens} tokens");
        }
        // The answer does not make the prompt longer.
        let usage = Usage { completion_tokens: 1000, ..prompt(100) };
        assert_eq!(cost(&price, usage), Decimal::from(100 + 1000 * 2));
    }

    #[test]
    fn tokens_from_the_cache_make_a_prompt_long_and_all_parts_cost_what_the_tier_says() {
        let tier = PriceTier {
            output_price: some(7),
            cached_input_price: some(2),
            cache_write_price: some(5),
            reasoning_price: some(11),
            ..tier(100, 4)
        };
        let price = Price { cached_input: some(0), cache_write: some(1), ..base() };
        let price = Price { reasoning: some(3), ..price }.with_tiers(vec![tier]);
        let usage = Usage {
            completion_tokens: 10,
            cached_tokens: 60,
            cache_write_tokens: 30,
            cache_write_1h_tokens: 10,
            reasoning_tokens: 4,
            ..prompt(101)
        };
        // 11 × 4 + 60 × 2 + 20 × 5 + 10 × 8 + 6 × 7 + 4 × 11.
        assert_eq!(cost(&price, usage), Decimal::from(430));
        // 10 × 1 + 60 × 0 + 20 × 1 + 10 × 1.6 + 6 × 2 + 4 × 3.
        let usage = Usage { prompt_tokens: 100, ..usage };
        assert_eq!(cost(&price, usage), Decimal::from(70));
    }

    #[test]
    fn a_part_without_a_price_anywhere_costs_what_the_tier_says_of_the_whole() {
        let tier = PriceTier { output_price: some(7), ..tier(100, 4) };
        let usage = Usage {
            completion_tokens: 10,
            cached_tokens: 60,
            cache_write_tokens: 30,
            reasoning_tokens: 4,
            ..prompt(200)
        };
        assert_eq!(cost(&base().with_tiers(vec![tier]), usage), Decimal::from(200 * 4 + 10 * 7));
    }

    #[test]
    fn what_a_tier_leaves_out_stays_what_it_is_for_shorter_prompts() {
        let answers = PriceTier { above: 100, output_price: some(9), ..PriceTier::default() };
        let price = base().with_tiers(vec![answers, tier(1000, 5)]);
        let usage = |tokens| Usage { completion_tokens: 10, ..prompt(tokens) };
        assert_eq!(cost(&price, usage(200)), Decimal::from(200 + 90));
        assert_eq!(cost(&price, usage(2000)), Decimal::from(2000 * 5 + 90), "of the tier below");
    }

    #[test]
    fn a_tier_that_raises_the_whole_has_to_name_the_parts_that_have_a_price() {
        let price = Price { cache_write: some(1), reasoning: some(3), ..base() };
        let (write, reasoning) =
            (("cache_write_price", "input_price"), ("reasoning_price", "output_price"));
        let whole = tier(100, 4);
        assert!(whole.missing(&base()).is_empty());
        assert_eq!(whole.missing(&price), [write]);
        let answers = PriceTier { output_price: some(9), ..PriceTier::default() };
        assert_eq!(answers.missing(&price), [reasoning]);
        let both = PriceTier { output_price: some(9), ..whole.clone() };
        assert_eq!(both.missing(&price), [write, reasoning]);
        let named = PriceTier { cache_write_price: some(5), ..whole };
        assert!(named.missing(&price).is_empty());
        let cached = PriceTier { cached_input_price: some(1), ..PriceTier::default() };
        assert!(cached.missing(&price).is_empty(), "the price of the whole is the same");
    }

    #[test]
    fn many_texts_to_embed_cost_what_the_tier_says_of_the_prompt() {
        let price = Price { embedding: some(1), ..Price::default() };
        let price = price.with_tiers(vec![tier(100, 4)]);
        let cost = |tokens| price.cost(Embedding, &prompt(tokens)).unwrap();
        assert_eq!(cost(100), Decimal::new(100, 6));
        assert_eq!(cost(101), Decimal::new(404, 6));
    }

    #[test]
    fn a_tier_is_written_and_read_exactly() {
        let text = r#"{"above":200000,"input_price":"2.50","reasoning_price":"0.000000001"}"#;
        let tier: PriceTier = serde_json::from_str(text).unwrap();
        assert_eq!(tier.above, 200_000);
        assert_eq!(serde_json::to_string(&tier).unwrap(), text);
    }

    #[test]
    fn members_that_a_newer_node_stored_leave_a_tier_readable() {
        let text = r#"{"above":100,"input_price":"4","audio_price":"9"}"#;
        assert_eq!(serde_json::from_str::<PriceTier>(text).unwrap(), tier(100, 4));
    }
}

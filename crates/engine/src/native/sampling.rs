//! How the next token is chosen.

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::json_schema_to_grammar;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use super::{NativeError, NativeModel, Token};

/// Only this many of the likeliest tokens are ever considered.
const TOP_K: i32 = 64;
/// How far back a repetition is punished.
const PENALTY_WINDOW: i32 = 64;

/// A caller's wishes, with defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct Sampling {
    /// 0 takes the likeliest token always.
    pub(crate) temperature: f32,
    /// Share of the probability that the candidates make up.
    pub(crate) top_p: f32,
    /// More than 1 makes repetition less likely.
    pub(crate) repeat_penalty: f32,
    /// OpenAI's penalty by frequency.
    pub(crate) frequency_penalty: f32,
    /// OpenAI's penalty by presence.
    pub(crate) presence_penalty: f32,
    /// Repeats an answer.
    pub(crate) seed: u32,
    /// What the answer must look like.
    pub(crate) grammar: Option<Grammar>,
}

/// A form that the answer must have, in llama.cpp's GBNF.
#[derive(Clone, Debug)]
pub(crate) struct Grammar(String);

impl Grammar {
    /// Any answer that is valid by the JSON schema.
    pub(crate) fn of_json_schema(schema: &serde_json::Value) -> Result<Self, NativeError> {
        json_schema_to_grammar(&schema.to_string()).map(Self).map_err(NativeError::new)
    }
}

/// Chooses the tokens of one answer.
pub(crate) struct Sampler {
    /// `None` takes the likeliest.
    chain: Option<LlamaSampler>,
    grammar: Option<LlamaSampler>,
}

impl Sampler {
    pub(crate) fn new(model: &NativeModel, wishes: &Sampling) -> Result<Self, NativeError> {
        let grammar = wishes.grammar.as_ref();
        let grammar =
            grammar.map(|grammar| LlamaSampler::grammar(&model.model, &grammar.0, "root"));
        let grammar = grammar.transpose().map_err(NativeError::new)?;
        let penalised = wishes.frequency_penalty != 0.0 || wishes.presence_penalty != 0.0;
        if wishes.temperature <= 0.0 && !penalised {
            return Ok(Self { chain: None, grammar });
        }
        // The penalties come after top-k: over a whole vocabulary they cost milliseconds a token.
        let penalties = LlamaSampler::penalties(
            model.model.n_vocab(),
            PENALTY_WINDOW,
            wishes.repeat_penalty,
            wishes.frequency_penalty,
            wishes.presence_penalty,
        );
        let mut chain = vec![LlamaSampler::top_k(TOP_K), penalties];
        if wishes.temperature <= 0.0 {
            chain.push(LlamaSampler::greedy());
        } else {
            chain.push(LlamaSampler::top_p(wishes.top_p, 1));
            chain.push(LlamaSampler::temp(wishes.temperature));
            chain.push(LlamaSampler::dist(wishes.seed));
        }
        Ok(Self { chain: Some(LlamaSampler::chain_simple(chain)), grammar })
    }

    /// The next token, from the logits that the last decoding left at `index`.
    pub(crate) fn next(&mut self, context: &LlamaContext<'_>, index: i32) -> Token {
        if self.grammar.is_some() {
            return self.next_by_grammar(context, index);
        }
        match &mut self.chain {
            Some(chain) => chain.sample(context, index).0,
            None => likeliest(context.get_logits_ith(index)),
        }
    }

    /// Chooses freely first and asks the grammar about that one token, since filtering a whole
    /// vocabulary is slow; filters only when the choice is refused.
    fn next_by_grammar(&mut self, context: &LlamaContext<'_>, index: i32) -> Token {
        let mut candidates = context.token_data_array_ith(index);
        let mut token = self.choose(&mut candidates);
        if let Some(grammar) = &mut self.grammar {
            let mut single =
                LlamaTokenDataArray::new(vec![LlamaTokenData::new(token, 1.0, 0.0)], false);
            grammar.apply(&mut single);
            if single.data.first().is_none_or(|data| data.logit() == f32::NEG_INFINITY) {
                let mut candidates = context.token_data_array_ith(index);
                grammar.apply(&mut candidates);
                candidates.data.retain(|data| data.logit() > f32::NEG_INFINITY);
                token = match &mut self.chain {
                    Some(chain) if !candidates.data.is_empty() => {
                        chain.apply(&mut candidates);
                        candidates.selected_token().unwrap_or(token)
                    }
                    _ => candidates.data.iter().max_by(by_logit).map_or(token, LlamaTokenData::id),
                };
            }
        }
        if let Some(grammar) = &mut self.grammar {
            grammar.accept(token);
        }
        if let Some(chain) = &mut self.chain {
            chain.accept(token);
        }
        token.0
    }

    fn choose(&mut self, candidates: &mut LlamaTokenDataArray) -> LlamaToken {
        match &mut self.chain {
            Some(chain) => {
                chain.apply(candidates);
                candidates.selected_token().unwrap_or(LlamaToken(0))
            }
            None => {
                let best = candidates.data.iter().max_by(by_logit);
                best.map_or(LlamaToken(0), LlamaTokenData::id)
            }
        }
    }
}

fn by_logit(left: &&LlamaTokenData, right: &&LlamaTokenData) -> std::cmp::Ordering {
    left.logit().total_cmp(&right.logit())
}

fn likeliest(logits: &[f32]) -> Token {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, logit) in logits.iter().enumerate() {
        if *logit > best.1 {
            best = (token, *logit);
        }
    }
    best.0 as Token
}

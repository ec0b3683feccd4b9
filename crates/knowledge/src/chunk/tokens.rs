use std::sync::Arc;

use lyceum_llm::{LlmError, TokenCounter};

/// Counts tokens as the embedding model does, or estimates them where the model cannot be asked.
#[derive(Clone)]
pub enum Counter {
    /// The local model's own vocabulary.
    Model(Arc<dyn TokenCounter>),
    /// No tokenizer is at hand: a count that is rather too high than too low.
    Estimate,
}

impl Counter {
    /// Tokens of each text.
    pub async fn count(&self, texts: &[String]) -> Result<Vec<usize>, LlmError> {
        match self {
            Counter::Estimate => Ok(texts.iter().map(|text| estimate(text)).collect()),
            Counter::Model(model) => {
                let counts = model.count(texts).await?;
                if counts.len() != texts.len() {
                    return Err(LlmError::Malformed("not one count for each text".to_owned()));
                }
                Ok(counts)
            }
        }
    }
}

/// Tokens that a text has at most with the usual tokenizers: a Chinese character or a mark counts
/// one, a word one for every three and a half letters begun.
pub fn estimate(text: &str) -> usize {
    let mut tokens = 0;
    let mut letters = 0usize;
    for c in text.chars() {
        if c.is_ascii_alphabetic() {
            letters += 1;
            continue;
        }
        tokens += (letters * 2).div_ceil(7);
        letters = 0;
        tokens += usize::from(!c.is_whitespace());
    }
    tokens + (letters * 2).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_on_the_safe_side() {
        assert_eq!(estimate(""), 0);
        assert_eq!(estimate("知识库"), 3);
        assert_eq!(estimate("a knowledge base, 512 tokens"), 1 + 3 + 2 + 1 + 3 + 2);
    }
}

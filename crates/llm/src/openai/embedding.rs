use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::client::OpenAiClient;
use super::wire::{EmbeddingList, EmbeddingVector};
use crate::embedding::Collected;
use crate::endpoint::decode;
use crate::{EmbeddingModel, EmbeddingRequest, EmbeddingResponse, LlmError, Usage};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

#[async_trait]
impl EmbeddingModel for OpenAiClient {
    async fn embed(&self, request: EmbeddingRequest) -> Result<EmbeddingResponse, LlmError> {
        let mut answered = 0;
        self.embed_counted(request, &mut answered).await
    }

    async fn embed_counted(
        &self,
        request: EmbeddingRequest,
        answered: &mut usize,
    ) -> Result<EmbeddingResponse, LlmError> {
        let mut collected = Collected::new(&request);
        for input in request.input.chunks(self.embedding_batch) {
            let body = Body {
                model: &request.model,
                input,
                encoding_format: "float",
                dimensions: request.dimensions,
            };
            let endpoint = self.endpoint.streaming(false);
            let response = endpoint.post_json("embeddings", &[], &body).await?;
            let answer = self.endpoint.read(response).await?;
            *answered += input.len();
            let list: EmbeddingList = decode(&answer)?;
            let tokens = list.usage.as_ref().map(|usage| Usage::from(usage).prompt_tokens);
            let model = list.model.clone();
            collected.add(input.len(), Some(model), vectors(list, input.len())?, tokens)?;
        }
        collected.finish()
    }
}

/// The vectors in the order of the texts.
fn vectors(list: EmbeddingList, texts: usize) -> Result<Vec<Vec<f32>>, LlmError> {
    let mut found = vec![Vec::new(); texts];
    let answered = list.data.len();
    for (position, entry) in list.data.into_iter().enumerate() {
        let vector = floats(entry.embedding)?;
        if let Some(place) = found.get_mut(entry.index.unwrap_or(position)) {
            *place = vector;
        }
    }
    match answered == texts && found.iter().all(|vector| !vector.is_empty()) {
        true => Ok(found),
        false => Err(LlmError::Malformed(format!("{answered} vectors came for {texts} texts"))),
    }
}

fn floats(vector: EmbeddingVector) -> Result<Vec<f32>, LlmError> {
    match vector {
        EmbeddingVector::Float(values) => Ok(values),
        EmbeddingVector::Base64(text) => {
            let bytes = STANDARD
                .decode(text)
                .map_err(|_| LlmError::Malformed("a vector is not base64".to_owned()))?;
            let (values, rest) = bytes.as_chunks::<4>();
            match rest.is_empty() {
                true => Ok(values.iter().map(|value| f32::from_le_bytes(*value)).collect()),
                false => Err(LlmError::Malformed("a vector has a broken number".to_owned())),
            }
        }
    }
}

impl EmbeddingVector {
    /// The vector in the form that a caller asked for.
    pub fn encode(values: Vec<f32>, base64: bool) -> Self {
        if !base64 {
            return Self::Float(values);
        }
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::Base64(STANDARD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, texts: usize) -> Result<Vec<Vec<f32>>, LlmError> {
        vectors(decode(text.as_bytes())?, texts)
    }

    #[test]
    fn both_forms_are_read_and_put_in_order() {
        let encoded = EmbeddingVector::encode(vec![0.5, -2.0], true);
        assert_eq!(floats(encoded.clone()).unwrap(), [0.5, -2.0]);
        let EmbeddingVector::Base64(text) = encoded else { panic!("not base64") };
        let list = format!(
            r#"{{"data":[{{"index":1,"embedding":"{text}"}},{{"index":0,"embedding":[1,2.5]}}]}}"#
        );
        assert_eq!(read(&list, 2).unwrap(), [vec![1.0, 2.5], vec![0.5, -2.0]]);
    }

    #[test]
    fn missing_repeated_and_broken_vectors_are_refused() {
        for (text, texts) in [
            (r#"{"data":[{"index":0,"embedding":[1]}]}"#, 2),
            (r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}"#, 2),
            (r#"{"data":[{"index":0,"embedding":[]}]}"#, 1),
            (r#"{"data":[{"index":0,"embedding":"AAA"}]}"#, 1),
            (r#"{"data":[{"index":0,"embedding":"AAAAAAA="}]}"#, 1),
            (r#"{"data":[{"index":7,"embedding":[1]}]}"#, 1),
            (r#"{"object":"list"}"#, 1),
        ] {
            assert!(matches!(read(text, texts), Err(LlmError::Malformed(_))), "{text}");
        }
    }
}

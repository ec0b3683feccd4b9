use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use lyceum_llm::openai::{EmbeddingList, EmbeddingVector, HttpSend, OpenAiClient, Timeouts};
use lyceum_llm::{
    ChatModel, ChatRequest, ChatStream, EmbeddingModel, EmbeddingRequest, EmbeddingResponse,
    LlmError, TokenCounter, TransportError, Usage,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{EngineError, LocalEngine};
use crate::child::{EmbedRequest, Health, Input, TokenizeRequest, TokenizeResponse, USER_HEADER};

/// A request may wait in the queue, for a model to load and for a long prompt to be read; the
/// process itself ends what it cannot do.
const TIMEOUTS: Timeouts = {
    let limit = Duration::from_secs(900);
    Timeouts { first_byte: limit, idle: limit, answer: limit }
};
/// Texts in one embedding request; others' questions come between two requests.
const EMBEDDING_BATCH: usize = 512;
/// Texts in one request for counts.
const COUNT_BATCH: usize = 2048;
/// Members of a request that the process reads; it leaves all others alone.
const READ: [&str; 16] = [
    "frequency_penalty",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "model",
    "n",
    "presence_penalty",
    "response_format",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "tools",
    "top_p",
    "user",
];

struct SocketSend {
    client: reqwest::Client,
}

impl HttpSend for SocketSend {
    fn send(
        &self,
        request: reqwest::Request,
    ) -> BoxFuture<'_, Result<reqwest::Response, TransportError>> {
        Box::pin(async move { Ok(self.client.execute(request).await?) })
    }
}

/// Clients of `/v1` and of `/` behind the socket.
pub(super) fn connect(socket: &Path) -> Result<(OpenAiClient, OpenAiClient), EngineError> {
    // reqwest wants a provider even where no TLS is spoken; a second installation does no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::disallowed_methods, reason = "goes to the engine's socket only")]
    let builder = reqwest::Client::builder();
    let client = builder.unix_socket(socket).no_proxy().build();
    let client = client.map_err(|error| EngineError::Client(error.into()))?;
    let send: Arc<dyn HttpSend> = Arc::new(SocketSend { client });
    let at = |url| {
        let url = Url::parse(url).map_err(|error| EngineError::Client(error.into()))?;
        Ok(OpenAiClient::new(send.clone(), url, None).with_timeouts(TIMEOUTS))
    };
    Ok((at("http://engine/v1")?, at("http://engine/")?))
}

pub(super) async fn health(engine: &LocalEngine) -> Result<Health, LlmError> {
    engine.ready().await?;
    let root = &engine.inner.root;
    // The client has no plain GET; the route takes both.
    let answer = root.read(root.post("health", bytes::Bytes::from_static(b"{}")).await?).await?;
    parse(&answer)
}

pub(super) async fn count_tokens(
    engine: &LocalEngine,
    model: &str,
    texts: &[String],
) -> Result<Vec<usize>, LlmError> {
    let mut counts = Vec::with_capacity(texts.len());
    for input in texts.chunks(COUNT_BATCH) {
        let input = input.to_vec();
        let request = TokenizeRequest { model: model.to_owned(), input, tokens: false };
        let answer: TokenizeResponse =
            engine.post(&engine.inner.root, "tokenize", &request).await?;
        counts.extend(answer.counts);
    }
    match counts.len() == texts.len() {
        true => Ok(counts),
        false => Err(LlmError::Malformed("a count for each text was expected".to_owned())),
    }
}

impl LocalEngine {
    async fn post<T: DeserializeOwned>(
        &self,
        client: &OpenAiClient,
        path: &'static str,
        request: &impl Serialize,
    ) -> Result<T, LlmError> {
        let body = serde_json::to_vec(request).map_err(|error| LlmError::Internal(error.into()))?;
        let body = bytes::Bytes::from(body);
        let answer = self.with_retry(|| {
            let (client, path, body) = (client.clone(), path, body.clone());
            Box::pin(async move { client.read(client.post(path, body).await?).await })
        });
        parse(&answer.await?)
    }

    async fn embed_batch(
        &self,
        request: &EmbedRequest,
    ) -> Result<(Vec<Vec<f32>>, Usage), LlmError> {
        let list: EmbeddingList = self.post(&self.inner.client, "embeddings", request).await?;
        let usage = list.usage.as_ref().map(Usage::from).unwrap_or_default();
        let vectors = list.data.into_iter().map(|entry| match entry.embedding {
            EmbeddingVector::Float(vector) => Ok(vector),
            EmbeddingVector::Base64(_) => Err(LlmError::Malformed("not asked for".to_owned())),
        });
        Ok((vectors.collect::<Result<_, _>>()?, usage))
    }
}

#[async_trait]
impl ChatModel for LocalEngine {
    /// `user` among the request's other members names whose turn it takes in the queue.
    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, LlmError> {
        let user = request.extra.get("user").and_then(|user| user.as_str());
        let user = user.and_then(|user| HeaderValue::from_str(user).ok());
        let client = self.inner.client.clone();
        let client = match user {
            Some(user) => client.with_header(HeaderName::from_static(USER_HEADER), user),
            None => client,
        };
        let ask = || {
            let (client, request) = (client.clone(), request.clone());
            Box::pin(async move { client.chat(request).await }) as BoxFuture<'static, _>
        };
        self.with_retry(ask).await
    }

    fn takes(&self, member: &str) -> bool {
        READ.contains(&member)
    }
}

#[async_trait]
impl EmbeddingModel for LocalEngine {
    async fn embed(&self, request: EmbeddingRequest) -> Result<EmbeddingResponse, LlmError> {
        let mut embeddings = Vec::with_capacity(request.input.len());
        let mut total = Usage::default();
        for input in request.input.chunks(EMBEDDING_BATCH) {
            let batch = EmbedRequest {
                model: request.model.clone(),
                input: Input::Many(input.to_vec()),
                task: request.task,
                truncate: false,
                encoding_format: None,
                dimensions: request.dimensions,
            };
            let (vectors, usage) = self.embed_batch(&batch).await?;
            embeddings.extend(vectors);
            total.prompt_tokens += usage.prompt_tokens;
        }
        if embeddings.len() != request.input.len() {
            return Err(LlmError::Malformed("a vector for each text was expected".to_owned()));
        }
        Ok(EmbeddingResponse { model: request.model, embeddings, usage: Some(total) })
    }
}

#[async_trait]
impl TokenCounter for LocalEngine {
    async fn count(&self, texts: &[String]) -> Result<Vec<usize>, LlmError> {
        self.count_tokens(self.default_embedding_model()?, texts).await
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, LlmError> {
    serde_json::from_slice(body).map_err(|error| LlmError::Malformed(error.to_string()))
}

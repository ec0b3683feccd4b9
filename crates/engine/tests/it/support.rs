use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::StreamExt;
use lyceum_engine::catalogue::{Catalogue, default_models_dir};
use lyceum_engine::child::LoadedModel;
use lyceum_engine::{EngineConfig, LocalEngine};
use lyceum_llm::{
    ChatEvent, ChatMessage, ChatModel, ChatRequest, ChatStream, FinishReason, LlmError, Role, Usage,
};

pub const CHAT: &str = "smollm2-135m-instruct";
pub const EMBEDDING: &str = "multilingual-e5-small";

/// The engine process: the supervisor runs this test binary again, with this "test" alone.
#[test]
#[ignore = "started by the supervisor under test"]
fn engine_child() {
    lyceum_engine::child::main().unwrap();
}

pub fn models() -> PathBuf {
    let models = default_models_dir();
    for spec in Catalogue::built_in().models.iter().filter(|spec| spec.test) {
        if let Err(error) = spec.check(&models) {
            panic!("{error}; run script/bootstrap --test");
        }
    }
    models
}

pub struct TestEngine {
    pub engine: LocalEngine,
    _folder: tempfile::TempDir,
}

impl std::ops::Deref for TestEngine {
    type Target = LocalEngine;

    fn deref(&self) -> &LocalEngine {
        &self.engine
    }
}

pub async fn start() -> TestEngine {
    start_with(|_| {}).await
}

pub async fn start_with(change: impl FnOnce(&mut EngineConfig)) -> TestEngine {
    let folder = tempfile::tempdir().unwrap();
    let mut config = EngineConfig::new(std::env::current_exe().unwrap(), folder.path());
    let entry = ["--exact", "support::engine_child", "--ignored", "--nocapture"];
    config.args = entry.map(Into::into).to_vec();
    config.models = models();
    config.context_tokens = 4096;
    // Other tests run on the other cores; a second thread that has to wait for its core slows down.
    config.threads = Some(1);
    change(&mut config);
    TestEngine { engine: LocalEngine::start(config).await.unwrap(), _folder: folder }
}

pub fn ask(text: &str, max_tokens: u32) -> ChatRequest {
    let mut request = ChatRequest::new(CHAT, vec![ChatMessage::text(Role::User, text)]);
    request.max_tokens = Some(max_tokens);
    request.temperature = Some(0.0);
    request
}

/// What a stream gave, once it is over.
#[derive(Debug)]
pub struct Answer {
    pub pieces: Vec<String>,
    pub reason: FinishReason,
    pub usage: Usage,
}

impl Answer {
    pub fn text(&self) -> String {
        self.pieces.concat()
    }
}

pub async fn collect(mut stream: ChatStream) -> Result<Answer, LlmError> {
    let mut pieces = Vec::new();
    while let Some(event) = stream.next().await {
        match event? {
            ChatEvent::Text(text) => pieces.push(text),
            ChatEvent::Finished { reason, usage } => {
                assert!(stream.next().await.is_none(), "nothing follows the end");
                return Ok(Answer { pieces, reason, usage: usage.unwrap() });
            }
            _ => {}
        }
    }
    panic!("the stream ended without an end");
}

pub async fn answer(engine: &LocalEngine, request: ChatRequest) -> Answer {
    collect(engine.chat(request).await.unwrap()).await.unwrap()
}

/// Waits until the stream gives its first text.
pub async fn first_text(stream: &mut ChatStream) -> String {
    while let Some(event) = stream.next().await {
        if let ChatEvent::Text(text) = event.unwrap() {
            return text;
        }
    }
    panic!("the stream ended without text");
}

/// Asks the process about itself until `condition` holds.
pub async fn until(engine: &LocalEngine, condition: impl Fn(&[LoadedModel]) -> bool) {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        if condition(&engine.health().await.unwrap().loaded) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came true: {:?}", engine.health().await);
}

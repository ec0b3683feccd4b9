use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt as _;
use lyceum_llm::{
    ChatEvent, ChatModel, ChatRequest, ChatStream, FinishReason, LlmError, Role, Usage,
};
use tokio::sync::Semaphore;

/// What the model does next.
#[derive(Clone)]
pub enum Step {
    Say(&'static str),
    SayOwned(String),
    Reason(&'static str),
    /// Waits until the test opens it.
    Gate,
    Fail(fn() -> LlmError),
    /// The answer ends without an end.
    Cut,
    Panic,
    Finish(FinishReason),
}

/// A script that fails before anything is said.
pub fn fails(error: fn() -> LlmError) -> Vec<Step> {
    vec![Step::Fail(error)]
}

/// A model that follows scripts, one a call; without one it repeats the question.
pub struct ScriptedModel {
    scripts: Mutex<VecDeque<Vec<Step>>>,
    requests: Mutex<Vec<ChatRequest>>,
    gate: Arc<Semaphore>,
}

impl Default for ScriptedModel {
    fn default() -> Self {
        Self {
            scripts: Mutex::default(),
            requests: Mutex::default(),
            gate: Arc::new(Semaphore::new(0)),
        }
    }
}

impl ScriptedModel {
    pub fn will(&self, script: impl Into<Vec<Step>>) {
        self.scripts.lock().unwrap().push_back(script.into());
    }

    pub fn open(&self, gates: usize) {
        self.gate.add_permits(gates);
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<ChatRequest> {
        self.requests.lock().unwrap().clone()
    }

    /// Roles and texts of the last prompt.
    pub fn last_prompt(&self) -> Vec<(Role, String)> {
        let requests = self.requests();
        let messages = requests.last().expect("a request").messages.iter();
        messages.map(|m| (m.role, m.content.as_ref().unwrap().text())).collect()
    }
}

pub const USAGE: Usage = Usage {
    prompt_tokens: 11,
    completion_tokens: 7,
    cached_tokens: 0,
    cache_write_tokens: 0,
    cache_write_1h_tokens: 0,
    reasoning_tokens: 0,
};

#[async_trait]
impl ChatModel for ScriptedModel {
    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, LlmError> {
        let question = request.messages.last().unwrap().content.as_ref().unwrap().text();
        self.requests.lock().unwrap().push(request.clone());
        let script = self.scripts.lock().unwrap().pop_front();
        let mut script = script.unwrap_or_else(|| {
            vec![Step::SayOwned(format!("You said: {question}")), Step::Finish(FinishReason::Stop)]
        });
        if let [Step::Fail(error), ..] = script.as_slice() {
            return Err(error());
        }
        if !matches!(script.last(), Some(Step::Finish(_) | Step::Cut | Step::Fail(_) | Step::Panic))
        {
            script.push(Step::Finish(FinishReason::Stop));
        }
        let gate = self.gate.clone();
        let events = async_stream::stream! {
            yield Ok(ChatEvent::Started { id: "1".to_owned(), model: request.model });
            for step in script {
                match step {
                    Step::Say(text) => yield Ok(ChatEvent::Text(text.to_owned())),
                    Step::SayOwned(text) => yield Ok(ChatEvent::Text(text)),
                    Step::Reason(text) => yield Ok(ChatEvent::Reasoning(text.to_owned())),
                    Step::Gate => gate.acquire().await.unwrap().forget(),
                    Step::Fail(error) => yield Err(error()),
                    Step::Cut => return,
                    Step::Panic => panic!("scripted"),
                    Step::Finish(reason) => {
                        yield Ok(ChatEvent::Finished { reason, usage: Some(USAGE) });
                    }
                }
            }
        };
        Ok(events.boxed())
    }
}

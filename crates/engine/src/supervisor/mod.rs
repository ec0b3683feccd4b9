//! The server's side: keeps the engine process alive and speaks to it.

mod client;
mod process;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use lyceum_core::{BoxError, ErrorKind, Problem};
use lyceum_llm::openai::OpenAiClient;
use lyceum_llm::{LlmError, LocalModel, LocalModels, ModelKind};
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::catalogue::{Catalogue, default_models_dir};
use crate::child::{self, ChildConfig, Health};
use process::State;

/// How long a request waits for the process to be (back) there.
const READY_WAIT: Duration = Duration::from_secs(10);
/// The name of the process's socket in its folder.
pub const SOCKET: &str = "engine.sock";

/// How to run the engine process.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The program, mostly the running one.
    pub program: PathBuf,
    /// What makes it call [`child::main`].
    pub args: Vec<OsString>,
    /// A private folder for the socket; made if it is missing. Its path must be short (a socket's
    /// has at most 107 bytes).
    pub socket_dir: PathBuf,
    /// The models folder.
    pub models: PathBuf,
    /// Threads of one decoding; all physical cores at hand but one, where absent.
    pub threads: Option<usize>,
    /// Answers that one model generates at the same time.
    pub slots: usize,
    /// Tokens that all answers of one model share as cache.
    pub context_tokens: usize,
    /// Requests that may wait for one model.
    pub queue: usize,
    /// Seconds after which an unused model is unloaded; 0 keeps it.
    pub idle_seconds: u64,
}

impl EngineConfig {
    /// The defaults: `program engine`, the default models folder.
    pub fn new(program: impl Into<PathBuf>, socket_dir: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: vec!["engine".into()],
            socket_dir: socket_dir.into(),
            models: default_models_dir(),
            threads: None,
            slots: child::default_slots(),
            context_tokens: child::default_context_tokens(),
            queue: child::default_queue(),
            idle_seconds: child::default_idle_seconds(),
        }
    }

    fn child(&self) -> ChildConfig {
        ChildConfig {
            socket: self.socket_dir.join(SOCKET),
            models: self.models.clone(),
            threads: self.threads,
            slots: self.slots,
            context_tokens: self.context_tokens,
            queue: self.queue,
            idle_seconds: self.idle_seconds,
            watch_stdin: true,
        }
    }
}

/// Why the engine cannot be started at all.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The folder of the socket cannot be used.
    #[error("the engine's folder {} cannot be used", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// The client cannot be made.
    #[error("the engine's client cannot be made")]
    Client(#[source] BoxError),
}

impl Problem for EngineError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }

    fn code(&self) -> &'static str {
        "engine_unavailable"
    }

    fn detail(&self) -> String {
        self.to_string()
    }
}

/// Where the engine process is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EngineStatus {
    /// `starting`, `ready`, `down` or `stopped`.
    pub state: &'static str,
    /// The process, while there is one.
    pub pid: Option<u32>,
    /// How many times it was started again.
    pub restarts: u64,
    /// Why it went down last.
    pub last_error: Option<String>,
}

/// The local engine. Cheap to clone; the process ends with the last clone.
#[derive(Clone)]
pub struct LocalEngine {
    inner: Arc<Inner>,
}

struct Inner {
    client: OpenAiClient,
    root: OpenAiClient,
    state: watch::Receiver<State>,
    catalogue: Arc<Catalogue>,
    models: PathBuf,
    context_tokens: usize,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
    _stop_with_last: DropGuard,
}

impl LocalEngine {
    /// Starts the process and its supervision; returns at once. Needs a Tokio runtime.
    pub async fn start(config: EngineConfig) -> Result<Self, EngineError> {
        let child = config.child();
        make_private(&config.socket_dir)?;
        if child.socket.as_os_str().len() > 107 {
            let source = "the path of a socket has at most 107 bytes".into();
            return Err(EngineError::Folder { path: config.socket_dir, source });
        }
        let (client, root) = client::connect(&child.socket)?;
        let (sender, state) = watch::channel(State::default());
        let stop = CancellationToken::new();
        let (models, context_tokens) = (config.models.clone(), config.context_tokens);
        let task = tokio::spawn(process::supervise(config, child, sender, stop.clone()));
        let inner = Inner {
            client,
            root,
            state,
            catalogue: Catalogue::built_in(),
            models,
            context_tokens,
            stop: stop.clone(),
            task: Mutex::new(Some(task)),
            _stop_with_last: stop.drop_guard(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where the process is in its life.
    pub fn status(&self) -> EngineStatus {
        self.inner.state.borrow().status()
    }

    /// Whether the process is there.
    pub fn is_ready(&self) -> bool {
        self.inner.state.borrow().is_ready()
    }

    /// What the process says of itself: models in memory, requests at work and waiting.
    pub async fn health(&self) -> Result<Health, LlmError> {
        client::health(self).await
    }

    /// All models of the catalogue; `installed` as of now.
    pub fn catalogue(&self) -> Vec<LocalModel> {
        self.inner.catalogue.local_models(&self.inner.models, self.inner.context_tokens)
    }

    /// The ports that the gateway and the knowledge bases use.
    pub fn local_models(&self) -> LocalModels {
        LocalModels {
            chat: Arc::new(self.clone()),
            embedding: Arc::new(self.clone()),
            tokens: Arc::new(self.clone()),
            catalogue: self.catalogue().into(),
        }
    }

    /// Tokens of each text in the vocabulary of `model`, without what a model adds at the ends.
    pub async fn count_tokens(
        &self,
        model: &str,
        texts: &[String],
    ) -> Result<Vec<usize>, LlmError> {
        client::count_tokens(self, model, texts).await
    }

    /// Stops the process and waits until it is gone.
    pub async fn shutdown(&self) {
        self.inner.stop.cancel();
        let task = self.inner.task.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }

    fn default_embedding_model(&self) -> Result<&str, LlmError> {
        let default = self.inner.catalogue.default_of(ModelKind::Embedding);
        let default = default.map(|model| model.id.as_str());
        default
            .ok_or_else(|| LlmError::UnknownModel("no embedding model is the default".to_owned()))
    }

    /// Waits until the process is there; gives the number of its start.
    async fn ready(&self) -> Result<u64, LlmError> {
        let mut state = self.inner.state.clone();
        let settled = state.wait_for(|state| state.is_ready() || state.is_stopped());
        match tokio::time::timeout(READY_WAIT, settled).await {
            Ok(Ok(state)) if state.is_ready() => return Ok(state.starts()),
            Ok(_) => return Err(LlmError::EngineUnavailable("it is stopped".to_owned())),
            Err(_) => {}
        }
        // Why it is down may name places of this machine; the status tells administrators.
        let reason = match self.status().last_error {
            Some(_) => "it is being started again; the platform's status says why",
            None => "it is still starting",
        };
        Err(LlmError::EngineUnavailable(reason.to_owned()))
    }

    /// Waits a moment for the supervision to notice that the process of this start is gone.
    async fn gone(&self, start: u64) {
        let mut state = self.inner.state.clone();
        let gone = state.wait_for(|state| !state.is_ready() || state.starts() != start);
        let _ = tokio::time::timeout(Duration::from_secs(1), gone).await;
    }

    /// Makes a call, once more if the process went away before it was answered.
    async fn with_retry<T>(
        &self,
        call: impl Fn() -> BoxFuture<'static, Result<T, LlmError>> + Send,
    ) -> Result<T, LlmError> {
        let start = self.ready().await?;
        let error = match call().await {
            Err(LlmError::Connect(_) | LlmError::BrokenStream(_)) => {
                self.gone(start).await;
                self.ready().await?;
                call().await
            }
            other => other,
        };
        error.map_err(|error| match error {
            LlmError::Connect(reason) | LlmError::BrokenStream(reason) => {
                LlmError::EngineUnavailable(reason)
            }
            LlmError::Provider { status: 503, message } => LlmError::EngineUnavailable(message),
            // Nobody else was asked.
            LlmError::Rejected(reason) => LlmError::Unfit(reason),
            other => other,
        })
    }
}

fn make_private(folder: &PathBuf) -> Result<(), EngineError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source: std::io::Error| EngineError::Folder {
        path: folder.clone(),
        source: source.into(),
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(failed)
}

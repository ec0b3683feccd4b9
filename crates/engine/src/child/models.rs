//! The models of this process: loaded on first use, unloaded when idle.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use lyceum_llm::ModelKind;
use tokio::sync::OnceCell;

use super::ChildConfig;
use super::failure::Failure;
use super::inbox::Inbox;
use super::template::ChatTemplate;
use crate::catalogue::{Catalogue, ModelSpec};
use crate::cores;
use crate::native::{
    ChatJob, ChatSettings, EmbedJob, EmbedSettings, NativeError, NativeModel, run_chat, run_embed,
};

/// All models that may be asked for.
pub(crate) struct Models {
    pub(crate) catalogue: Arc<Catalogue>,
    folder: PathBuf,
    threads: usize,
    slots: usize,
    context_tokens: usize,
    queue: usize,
    loaded: Mutex<HashMap<String, Arc<OnceCell<Arc<Loaded>>>>>,
}

/// A model in memory.
pub(crate) struct Loaded {
    pub(crate) spec: ModelSpec,
    pub(crate) native: Arc<NativeModel>,
    pub(crate) work: Work,
    used: Mutex<Instant>,
}

/// The model's thread, by what it does. Dropping it ends the thread.
pub(crate) enum Work {
    Chat {
        inbox: Arc<Inbox<ChatJob>>,
        template: Box<ChatTemplate>,
        /// Tokens of prompt and answer together.
        context: usize,
    },
    Embedding {
        inbox: Arc<Inbox<EmbedJob>>,
    },
}

impl Drop for Work {
    fn drop(&mut self) {
        match self {
            Work::Chat { inbox, .. } => inbox.close(),
            Work::Embedding { inbox } => inbox.close(),
        }
    }
}

impl Models {
    pub(crate) fn new(catalogue: Arc<Catalogue>, config: &ChildConfig) -> Self {
        Self {
            catalogue,
            folder: config.models.clone(),
            threads: config.threads.unwrap_or_else(cores::free_physical).max(1),
            slots: config.slots.max(1),
            context_tokens: config.context_tokens.max(512),
            queue: config.queue.max(1),
            loaded: Mutex::new(HashMap::new()),
        }
    }

    /// The folder of the models' files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The model called `id`, which must be of `kind`; loads it if need be.
    pub(crate) async fn get(
        self: &Arc<Self>,
        id: &str,
        kind: ModelKind,
    ) -> Result<Arc<Loaded>, Failure> {
        let loaded = self.get_any(id).await?;
        if loaded.spec.kind != kind {
            let can = match loaded.spec.kind {
                ModelKind::Chat => "chat",
                ModelKind::Embedding => "embeddings",
            };
            return Err(Failure::Invalid(format!("the model '{id}' is for {can} only")));
        }
        Ok(loaded)
    }

    /// The model called `id`, of whatever kind.
    pub(crate) async fn get_any(self: &Arc<Self>, id: &str) -> Result<Arc<Loaded>, Failure> {
        let spec = self.catalogue.find(id).ok_or_else(|| Failure::UnknownModel(id.to_owned()))?;
        let cell = self.lock().entry(id.to_owned()).or_default().clone();
        let load = async || {
            let (models, spec) = (self.clone(), spec.clone());
            let loading = tokio::task::spawn_blocking(move || models.load(spec));
            loading.await.map_err(|error| Failure::Native(error.to_string()))?
        };
        let loaded = cell.get_or_try_init(load).await?.clone();
        loaded.touch();
        Ok(loaded)
    }

    /// What is in memory: id, jobs at work, jobs waiting.
    pub(crate) fn in_memory(&self) -> Vec<(String, usize, usize)> {
        let count = |loaded: &Arc<Loaded>| {
            let (active, waiting) = match &loaded.work {
                Work::Chat { inbox, .. } => (inbox.active(), inbox.waiting()),
                Work::Embedding { inbox } => (inbox.active(), inbox.waiting()),
            };
            (loaded.spec.id.clone(), active, waiting)
        };
        self.lock().values().filter_map(|cell| cell.get().map(count)).collect()
    }

    /// Drops the models that nobody has used for `idle` and nobody is using.
    pub(crate) fn unload_idle(&self, idle: Duration) {
        self.lock().retain(|id, cell| {
            let unused = cell.get().is_some_and(|loaded| {
                Arc::strong_count(loaded) == 1 && loaded.idle_for() >= idle && !loaded.is_busy()
            });
            if unused {
                tracing::info!(model = id, "unloaded");
            }
            !unused
        });
    }

    fn load(&self, spec: ModelSpec) -> Result<Arc<Loaded>, Failure> {
        let path =
            spec.check(&self.folder).map_err(|error| Failure::NotInstalled(error.to_string()))?;
        let begun = Instant::now();
        let native = NativeModel::load(&path).map_err(native_failure)?;
        let native = Arc::new(native);
        let work = match spec.kind {
            ModelKind::Chat => self.start_chat(&spec, &native)?,
            ModelKind::Embedding => self.start_embedding(&spec, &native)?,
        };
        tracing::info!(model = spec.id, milliseconds = begun.elapsed().as_millis(), "loaded");
        Ok(Arc::new(Loaded { spec, native, work, used: Mutex::new(Instant::now()) }))
    }

    fn start_chat(&self, spec: &ModelSpec, native: &Arc<NativeModel>) -> Result<Work, Failure> {
        let source = native
            .chat_template()
            .ok_or_else(|| Failure::Native("the model's file has no chat template".to_owned()))?;
        let template = ChatTemplate::new(source, native.ends(), native.control_texts())?;
        let template = Box::new(template);
        let per_answer = spec.context_length as usize;
        let cells = self.context_tokens.min(per_answer * self.slots);
        let settings = ChatSettings { slots: self.slots, cells, threads: self.threads };
        let inbox = Arc::new(Inbox::new(self.queue));
        let (model, queue) = (native.clone(), inbox.clone());
        start_thread(&spec.id, move |ready| run_chat(&model, &settings, queue, ready))?;
        Ok(Work::Chat { inbox, template, context: cells.min(per_answer) })
    }

    fn start_embedding(
        &self,
        spec: &ModelSpec,
        native: &Arc<NativeModel>,
    ) -> Result<Work, Failure> {
        let settings = EmbedSettings { threads: self.threads };
        let inbox = Arc::new(Inbox::new(self.queue));
        let (model, queue) = (native.clone(), inbox.clone());
        start_thread(&spec.id, move |ready| run_embed(&model, &settings, queue, ready))?;
        Ok(Work::Embedding { inbox })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<OnceCell<Arc<Loaded>>>>> {
        self.loaded.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Loaded {
    fn touch(&self) {
        *self.used.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Instant::now();
    }

    fn idle_for(&self) -> Duration {
        self.used.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).elapsed()
    }

    fn is_busy(&self) -> bool {
        match &self.work {
            Work::Chat { inbox, .. } => inbox.active() + inbox.waiting() > 0,
            Work::Embedding { inbox } => inbox.active() + inbox.waiting() > 0,
        }
    }
}

/// Told once whether the thread's context could be made.
type Ready = Box<dyn FnOnce(Result<(), NativeError>) + Send>;

/// Runs `body` on a thread of its own and waits until it is ready.
fn start_thread(id: &str, body: impl FnOnce(Ready) + Send + 'static) -> Result<(), Failure> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let ready: Ready = Box::new(move |outcome| drop(sender.send(outcome)));
    let thread = thread::Builder::new().name(format!("model {id}"));
    thread.spawn(move || body(ready)).map_err(|error| Failure::Native(error.to_string()))?;
    let outcome = receiver.recv().map_err(|error| Failure::Native(error.to_string()))?;
    outcome.map_err(native_failure)
}

fn native_failure(error: NativeError) -> Failure {
    Failure::Native(error.to_string())
}

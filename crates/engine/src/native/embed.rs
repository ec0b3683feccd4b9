//! The thread that embeds: texts of all requests are packed into decodings of a bounded number of
//! tokens; short, urgent requests (a question that waits for its passages) go first.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use tokio::sync::oneshot;

use super::{NativeError, NativeModel, Token, backend};
use crate::child::inbox::Inbox;

/// Most tokens of one decoding, thus also of one text. Larger ones are slower: attention without a
/// cache is computed among all tokens of the batch, those of other texts masked.
pub(crate) const MAX_BATCH_TOKENS: usize = 512;
/// Most texts in one decoding.
const MAX_SEQUENCES: usize = 64;
/// Requests that take turns, text by text.
const MAX_OPEN: usize = 8;

/// How an embedding model runs.
#[derive(Clone, Debug)]
pub(crate) struct EmbedSettings {
    /// Threads of a decoding.
    pub(crate) threads: usize,
}

/// Texts to embed, each within [`MAX_BATCH_TOKENS`].
pub(crate) struct EmbedJob {
    pub(crate) texts: Vec<Vec<Token>>,
    /// Goes before all that are not.
    pub(crate) urgent: bool,
    pub(crate) reply: oneshot::Sender<Result<Vec<Vec<f32>>, String>>,
}

struct Open {
    job: EmbedJob,
    vectors: Vec<Vec<f32>>,
    /// How many of the texts are in this or an earlier decoding.
    sent: usize,
}

struct Engine<'a> {
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    open: VecDeque<Open>,
    inbox: Arc<Inbox<EmbedJob>>,
}

/// Serves the jobs of `inbox` until it is closed. Tells through `ready` once the context is there.
pub(crate) fn run_embed(
    model: &NativeModel,
    settings: &EmbedSettings,
    inbox: Arc<Inbox<EmbedJob>>,
    ready: impl FnOnce(Result<(), NativeError>),
) {
    let parameters = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(MAX_BATCH_TOKENS as u32))
        .with_n_batch(MAX_BATCH_TOKENS as u32)
        .with_n_ubatch(MAX_BATCH_TOKENS as u32)
        .with_n_seq_max(MAX_SEQUENCES as u32)
        .with_kv_unified(true)
        .with_embeddings(true)
        .with_n_threads(settings.threads as i32)
        .with_n_threads_batch(settings.threads as i32);
    let context = backend()
        .and_then(|backend| model.model.new_context(backend, parameters).map_err(NativeError::new));
    let context = match context {
        Ok(context) => context,
        Err(error) => return ready(Err(error)),
    };
    ready(Ok(()));
    let batch = LlamaBatch::new(MAX_BATCH_TOKENS, 1);
    let mut engine = Engine { context, batch, open: VecDeque::new(), inbox };
    while engine.turn() {}
}

impl Engine<'_> {
    fn turn(&mut self) -> bool {
        self.open.retain(|open| !open.job.reply.is_closed());
        while self.open.len() < MAX_OPEN {
            match self.inbox.take() {
                Some(job) => self.accept(job),
                None => break,
            }
        }
        self.inbox.set_active(self.open.len());
        if self.open.is_empty() {
            let job = self.inbox.wait();
            let alive = job.is_some();
            job.into_iter().for_each(|job| self.accept(job));
            return alive;
        }
        self.embed_some();
        !self.inbox.is_closed()
    }

    fn accept(&mut self, job: EmbedJob) {
        let open = Open { vectors: vec![Vec::new(); job.texts.len()], job, sent: 0 };
        if open.job.urgent {
            self.open.push_front(open);
        } else {
            self.open.push_back(open);
        }
    }

    /// Packs one batch, decodes it and hands out its vectors.
    fn embed_some(&mut self) {
        let members = self.pack();
        let vectors = match self.context.encode(&mut self.batch) {
            Ok(()) => self.vectors(members.len()),
            Err(error) => Err(error.to_string()),
        };
        match vectors {
            Ok(vectors) => {
                for ((job, text), vector) in members.into_iter().zip(vectors) {
                    self.open[job].vectors[text] = vector;
                }
            }
            Err(reason) => {
                tracing::error!(reason, "embedding failed");
                let failed: Vec<usize> = members.into_iter().map(|(job, _)| job).collect();
                for (index, open) in std::mem::take(&mut self.open).into_iter().enumerate() {
                    if failed.contains(&index) {
                        let _ = open.job.reply.send(Err(reason.clone()));
                    } else {
                        self.open.push_back(open);
                    }
                }
            }
        }
        self.hand_out();
    }

    /// Fills the batch: every open request gives a text in turn, as long as they fit. Gives the
    /// place of each text: request, text.
    fn pack(&mut self) -> Vec<(usize, usize)> {
        self.batch.clear();
        let (mut members, mut used) = (Vec::new(), 0);
        let mut progress = true;
        while progress {
            progress = false;
            for (index, open) in self.open.iter_mut().enumerate() {
                // An urgent one gives all it has before the next gives any.
                while let Some(text) = open.job.texts.get(open.sent) {
                    if used + text.len() > MAX_BATCH_TOKENS || members.len() == MAX_SEQUENCES {
                        break;
                    }
                    put(&mut self.batch, text, members.len());
                    used += text.len();
                    members.push((index, open.sent));
                    open.sent += 1;
                    progress = true;
                    if !open.job.urgent {
                        break;
                    }
                }
            }
        }
        members
    }

    fn vectors(&self, count: usize) -> Result<Vec<Vec<f32>>, String> {
        let vector = |index| match self.context.embeddings_seq_ith(index as i32) {
            Ok(vector) => Ok(normalised(vector)),
            Err(error) => Err(error.to_string()),
        };
        (0..count).map(vector).collect()
    }

    fn hand_out(&mut self) {
        for open in std::mem::take(&mut self.open) {
            if open.sent == open.job.texts.len() {
                let _ = open.job.reply.send(Ok(open.vectors));
            } else {
                self.open.push_back(open);
            }
        }
    }
}

fn put(batch: &mut LlamaBatch<'_>, text: &[Token], sequence: usize) {
    for (position, token) in text.iter().enumerate() {
        let added = batch.add(LlamaToken(*token), position as i32, &[sequence as i32], true);
        debug_assert!(added.is_ok(), "the batch holds what pack counts");
    }
}

fn normalised(vector: &[f32]) -> Vec<f32> {
    let length = vector.iter().map(|part| f64::from(*part) * f64::from(*part)).sum::<f64>().sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    vector.iter().map(|part| (f64::from(*part) * scale) as f32).collect()
}

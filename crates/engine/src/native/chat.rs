//! The thread that generates: all requests of a model share one context, each in a slot, and every
//! decoding moves all of them on by a token (continuous batching).

use std::num::NonZeroU32;
use std::sync::Arc;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use tokio::sync::mpsc::UnboundedSender;

use super::sampling::{Sampler, Sampling};
use super::slot::{Cached, Idle, choose, evict};
use super::{NativeError, NativeModel, Token, backend};
use crate::child::inbox::Inbox;
use crate::child::text::Assembler;

/// Most tokens in one decoding.
const BATCH: usize = 512;
/// Most prompt tokens in a decoding that also moves answers on, so that a long prompt does not
/// make the others stutter.
const PREFILL_BESIDE_ANSWERS: usize = 128;

/// How a chat model runs.
#[derive(Clone, Debug)]
pub(crate) struct ChatSettings {
    /// Answers at the same time.
    pub(crate) slots: usize,
    /// Cache cells (tokens) that all slots share.
    pub(crate) cells: usize,
    /// Threads of a decoding.
    pub(crate) threads: usize,
}

/// One answer to generate.
pub(crate) struct ChatJob {
    pub(crate) prompt: Vec<Token>,
    pub(crate) user: String,
    pub(crate) max_tokens: usize,
    pub(crate) sampling: Sampling,
    pub(crate) stops: Vec<String>,
    /// Where the answer goes; the job is dropped as soon as nobody listens.
    pub(crate) output: UnboundedSender<ChatOutput>,
}

/// What happens to a job.
#[derive(Debug)]
pub(crate) enum ChatOutput {
    /// It left the queue.
    Started,
    /// More of the answer.
    Text(String),
    /// The end.
    Finished(EndReason, ChatUsage),
    /// The end, by a fault.
    Failed(String),
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// The model was done, or a stop text came.
    Stop,
    /// The tokens were used up.
    Length,
}

/// Tokens of an answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChatUsage {
    pub(crate) prompt: usize,
    pub(crate) cached: usize,
    pub(crate) completion: usize,
}

struct Active {
    job: ChatJob,
    sampler: Sampler,
    assembler: Assembler,
    usage: ChatUsage,
    /// The token chosen last, not yet decoded.
    next: Option<Token>,
    /// Where the last decoding left this slot's logits.
    logits: Option<i32>,
}

#[derive(Default)]
struct Slot {
    cached: Cached,
    active: Option<Active>,
}

impl Slot {
    /// Cells that the slot may come to need.
    fn reserved(&self) -> usize {
        self.active.as_ref().map_or(0, |active| active.job.prompt.len() + active.job.max_tokens)
    }
}

struct Engine<'a> {
    model: &'a NativeModel,
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    slots: Vec<Slot>,
    cells: usize,
    waiting: Option<ChatJob>,
    inbox: Arc<Inbox<ChatJob>>,
    decodings: u64,
}

/// Serves the jobs of `inbox` until it is closed. Tells through `ready` once the context is there.
pub(crate) fn run_chat(
    model: &NativeModel,
    settings: &ChatSettings,
    inbox: Arc<Inbox<ChatJob>>,
    ready: impl FnOnce(Result<(), NativeError>),
) {
    let parameters = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(settings.cells as u32))
        .with_n_batch(BATCH as u32)
        .with_n_ubatch(BATCH as u32)
        .with_n_seq_max(settings.slots as u32)
        .with_kv_unified(true)
        .with_n_threads(settings.threads as i32)
        .with_n_threads_batch(settings.threads as i32);
    let context = backend()
        .and_then(|backend| model.model.new_context(backend, parameters).map_err(NativeError::new));
    let context = match context {
        Ok(context) => context,
        Err(error) => return ready(Err(error)),
    };
    ready(Ok(()));
    let mut engine = Engine {
        model,
        context,
        batch: LlamaBatch::new(BATCH, 1),
        slots: (0..settings.slots).map(|_| Slot::default()).collect(),
        cells: settings.cells,
        waiting: None,
        inbox,
        decodings: 0,
    };
    while engine.turn() {}
}

impl Engine<'_> {
    /// One decoding, or a wait for work; `false` when the inbox is closed.
    fn turn(&mut self) -> bool {
        self.drop_abandoned();
        while self.admit() {}
        self.inbox.set_active(self.slots.iter().filter(|slot| slot.active.is_some()).count());
        if self.slots.iter().all(|slot| slot.active.is_none()) {
            self.waiting = self.inbox.wait();
            return self.waiting.is_some();
        }
        self.fill_batch();
        match self.context.decode(&mut self.batch) {
            Ok(()) => {
                self.decodings += 1;
                self.choose_tokens();
            }
            Err(error) => self.fail_all(&error.to_string()),
        }
        !self.inbox.is_closed()
    }

    fn drop_abandoned(&mut self) {
        for slot in &mut self.slots {
            if slot.active.as_ref().is_some_and(|active| active.job.output.is_closed()) {
                slot.active = None;
            }
        }
    }

    /// Puts the next job into a slot; `false` when there is none, or no room for it yet.
    fn admit(&mut self) -> bool {
        // A job is taken only for a free slot: until then it keeps its place in the fair queue.
        if self.slots.iter().all(|slot| slot.active.is_some()) {
            return false;
        }
        let Some(job) = self.waiting.take().or_else(|| self.inbox.take()) else { return false };
        if job.output.is_closed() {
            return true;
        }
        let idle: Vec<_> = (self.slots.iter().enumerate())
            .filter(|(_, slot)| slot.active.is_none())
            .map(|(index, slot)| Idle { index, cached: &slot.cached })
            .collect();
        let Some((index, kept)) = choose(&idle, &job.user, &job.prompt) else {
            self.waiting = Some(job);
            return false;
        };
        let occupied: usize = self.slots.iter().map(Slot::reserved).sum();
        let need = job.prompt.len() + job.max_tokens;
        let others: Vec<_> = idle.into_iter().filter(|slot| slot.index != index).collect();
        let Some(victims) = evict(&others, occupied, need, self.cells) else {
            self.waiting = Some(job);
            return false;
        };
        for victim in victims {
            self.trim(victim, 0);
        }
        self.trim(index, kept);
        self.start(index, job);
        true
    }

    fn start(&mut self, index: usize, job: ChatJob) {
        let slot = &mut self.slots[index];
        slot.cached.user.clone_from(&job.user);
        match Sampler::new(self.model, &job.sampling) {
            Err(error) => {
                let _ = job.output.send(ChatOutput::Failed(error.to_string()));
            }
            Ok(sampler) => {
                let _ = job.output.send(ChatOutput::Started);
                let cached = slot.cached.tokens.len();
                let usage = ChatUsage { prompt: job.prompt.len(), cached, completion: 0 };
                let assembler = Assembler::new(job.stops.clone());
                slot.active =
                    Some(Active { job, sampler, assembler, usage, next: None, logits: None });
            }
        }
    }

    /// Keeps only the first `kept` tokens of a slot's cache.
    fn trim(&mut self, index: usize, kept: usize) {
        let cached = &mut self.slots[index].cached;
        if cached.tokens.len() == kept {
            return;
        }
        let removed =
            self.context.kv_cache_seq_rm(index as i32, u32::try_from(kept).ok(), None).is_ok();
        if removed {
            cached.tokens.truncate(kept);
        } else {
            let _ = self.context.kv_cache_seq_rm(index as i32, None, None);
            cached.tokens.clear();
        }
    }

    /// The chosen token of every answer first, then prompts as far as there is room.
    fn fill_batch(&mut self) {
        self.batch.clear();
        let mut used = 0;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(active) = &mut slot.active else { continue };
            active.logits = None;
            if let Some(token) = active.next.take() {
                active.logits = Some(used as i32);
                put(&mut self.batch, slot.cached.tokens.len(), token, index, true);
                slot.cached.tokens.push(token);
                slot.cached.used_at = self.decodings;
                used += 1;
            }
        }
        let limit = if used > 0 { used + PREFILL_BESIDE_ANSWERS } else { BATCH };
        // The prompt that has waited longest goes first, so that none starves.
        let mut order: Vec<usize> = (0..self.slots.len()).collect();
        order.sort_by_key(|index| self.slots[*index].cached.used_at);
        for index in order {
            let slot = &mut self.slots[index];
            let Some(active) = slot.active.as_mut().filter(|active| active.logits.is_none()) else {
                continue;
            };
            let prompt = &active.job.prompt;
            let done = slot.cached.tokens.len();
            let end = prompt.len().min(done + limit.min(BATCH).saturating_sub(used));
            for (position, token) in prompt.iter().enumerate().take(end).skip(done) {
                let last = position + 1 == prompt.len();
                put(&mut self.batch, position, *token, index, last);
                if last {
                    active.logits = Some(used as i32);
                }
                used += 1;
            }
            if end > done {
                slot.cached.tokens.extend(&prompt[done..end]);
                slot.cached.used_at = self.decodings;
            }
        }
    }

    /// Chooses the next token of every slot whose logits are there, and says what it is.
    fn choose_tokens(&mut self) {
        for slot in &mut self.slots {
            let Some(active) = &mut slot.active else { continue };
            let Some(logits) = active.logits else { continue };
            let token = active.sampler.next(&self.context, logits);
            if let Some(reason) = active.take(self.model, token) {
                active.finish(reason);
                slot.active = None;
            }
        }
    }

    /// A decoding failed: nobody's state is known any more.
    fn fail_all(&mut self, reason: &str) {
        tracing::error!(reason, "decoding failed");
        for slot in &mut self.slots {
            if let Some(active) = slot.active.take() {
                let _ = active.job.output.send(ChatOutput::Failed(reason.to_owned()));
            }
            slot.cached = Cached::default();
        }
        self.context.clear_kv_cache();
    }
}

impl Active {
    /// Takes a chosen token; tells whether the answer ends with it.
    fn take(&mut self, model: &NativeModel, token: Token) -> Option<EndReason> {
        if model.is_end(token) {
            return Some(EndReason::Stop);
        }
        self.usage.completion += 1;
        let piece = self.assembler.push(&model.piece(token));
        if !piece.text.is_empty() {
            let _ = self.job.output.send(ChatOutput::Text(piece.text));
        }
        if piece.stopped {
            return Some(EndReason::Stop);
        }
        if self.usage.completion >= self.job.max_tokens {
            return Some(EndReason::Length);
        }
        self.next = Some(token);
        None
    }

    fn finish(&mut self, reason: EndReason) {
        let rest = self.assembler.finish();
        if !rest.is_empty() {
            let _ = self.job.output.send(ChatOutput::Text(rest));
        }
        let _ = self.job.output.send(ChatOutput::Finished(reason, self.usage));
    }
}

fn put(batch: &mut LlamaBatch<'_>, position: usize, token: Token, slot: usize, logits: bool) {
    let added = batch.add(LlamaToken(token), position as i32, &[slot as i32], logits);
    debug_assert!(added.is_ok(), "the batch holds what fill_batch counts");
}

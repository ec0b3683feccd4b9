//! The hand-over of jobs from the web server's tasks to a model's thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

use super::queue::{FairQueue, QueueFull};

/// A fair queue that a thread can wait on. Urgent jobs pass all others.
pub(crate) struct Inbox<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    active: AtomicUsize,
}

struct State<T> {
    urgent: FairQueue<T>,
    normal: FairQueue<T>,
    closed: bool,
}

impl<T> Inbox<T> {
    /// An inbox for at most `limit` jobs of either kind.
    pub(crate) fn new(limit: usize) -> Self {
        let state =
            State { urgent: FairQueue::new(limit), normal: FairQueue::new(limit), closed: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), active: AtomicUsize::new(0) }
    }

    /// Queues a job of `user`; jobs that `wanted` no longer confirms make room.
    pub(crate) fn push(
        &self,
        user: &str,
        urgent: bool,
        job: T,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<(), QueueFull> {
        let mut state = self.lock();
        let queue = if urgent { &mut state.urgent } else { &mut state.normal };
        queue.retain(wanted);
        queue.push(user, job)?;
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// The next job, if one waits.
    pub(crate) fn take(&self) -> Option<T> {
        self.lock().take()
    }

    /// The next job, as soon as there is one; `None` once the inbox is closed.
    pub(crate) fn wait(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.take() {
                return Some(job);
            }
            state = self.filled.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// Lets the thread end; jobs still waiting are dropped with the inbox.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// Whether the thread should end.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// How many jobs wait.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.lock();
        state.urgent.len() + state.normal.len()
    }

    /// How many jobs the thread works on.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Tells how many jobs the thread works on.
    pub(crate) fn set_active(&self, count: usize) {
        self.active.store(count, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<T> State<T> {
    fn take(&mut self) -> Option<T> {
        self.urgent.pop().or_else(|| self.normal.pop())
    }
}

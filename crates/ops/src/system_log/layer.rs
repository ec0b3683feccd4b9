//! From an event of the program to an entry. Runs wherever something is logged, so it never waits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lyceum_core::{Clock, TRACE};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

use super::redact::{is_sensitive, redact};
use super::{Entry, OWN};

/// Entries that wait for the writer at most.
const WAITING_MAX: usize = 1000;
const MESSAGE_MAX: usize = 4000;
const NAME_MAX: usize = 200;
const VALUE_MAX: usize = 1000;
const FIELDS_MAX: usize = 30;

/// What the layer hands over, for [`Ops::keep_system_log`](crate::Ops::keep_system_log).
#[derive(Debug)]
pub struct SystemLogEvents {
    pub(super) entries: mpsc::Receiver<Entry>,
    /// How many found no room.
    pub(super) lost: Arc<AtomicU64>,
    /// The batch that is being gathered; here, so that giving up in the middle loses none.
    pub(super) gathered: Vec<Entry>,
}

/// A layer that hands warnings and errors over, and what it hands over. Install it when the program
/// starts; they wait, up to a thousand, until the database is there.
pub fn system_log<S>(clock: Clock) -> (impl Layer<S>, SystemLogEvents)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let (sender, entries) = mpsc::channel(WAITING_MAX);
    let lost = Arc::new(AtomicU64::new(0));
    let layer = SystemLogLayer { clock, sender, lost: lost.clone() };
    // Spans say what the program was doing.
    let wanted = filter_fn(|metadata| {
        let most = if metadata.is_span() { Level::INFO } else { Level::WARN };
        *metadata.level() <= most && metadata.target() != TRACE
    });
    let wanted = wanted.with_max_level_hint(LevelFilter::INFO);
    (layer.with_filter(wanted), SystemLogEvents { entries, lost, gathered: Vec::new() })
}

struct SystemLogLayer {
    clock: Clock,
    sender: mpsc::Sender<Entry>,
    lost: Arc<AtomicU64>,
}

impl<S> Layer<S> for SystemLogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target().starts_with(OWN) {
            return;
        }
        let mut spans = Vec::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if span.metadata().target() == OWN {
                return;
            }
            spans.push(span.name());
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let entry = Entry {
            at: self.clock.now(),
            level: if *metadata.level() == Level::ERROR { "ERROR" } else { "WARNING" },
            message: cut(fields.message, MESSAGE_MAX),
            module: cut(metadata.target().to_owned(), NAME_MAX),
            function_name: (!spans.is_empty()).then(|| cut(spans.join("/"), NAME_MAX)),
            user_id: fields.user_id,
            ip: lyceum_store::current_client_ip(),
            extra_data: fields.others,
        };
        if self.sender.try_send(entry).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    user_id: Option<Uuid>,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, text: &str) {
        let name = field.name();
        if name == "message" {
            self.message = redact(text);
            return;
        }
        if matches!(name, "user" | "user_id")
            && let Ok(id) = text.parse()
        {
            self.user_id = Some(id);
        }
        if self.others.len() < FIELDS_MAX {
            let value = if is_sensitive(name) { "***".to_owned() } else { redact(text) };
            self.others.insert(name.to_owned(), cut(value, VALUE_MAX).into());
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, &lyceum_core::chain(value));
    }
}

/// At most so many characters, and none that PostgreSQL cannot keep.
fn cut(text: String, most: usize) -> String {
    if text.len() <= most && !text.contains('\0') {
        return text;
    }
    text.chars().filter(|c| *c != '\0').take(most).collect()
}

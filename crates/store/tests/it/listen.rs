//! Listening ends with its pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use lyceum_store::{Db, Heard};
use lyceum_testkit::TestDb;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Counts the warnings of the store.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicUsize>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("lyceum_store")
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_pool_that_is_closed_ends_the_listening_without_a_warning() {
    let test = TestDb::new().await;
    let db = Db::connect(test.app_options(), 2).await.unwrap();
    let warnings = Warnings::default();
    let _counting = tracing::subscriber::set_default(warnings.clone());
    let mut heard = std::pin::pin!(db.listen("lyceum_test"));
    assert_eq!(heard.next().await, Some(Heard::Listening));
    let ending = async { tokio::join!(heard.collect::<Vec<_>>(), db.pool().close()).0 };
    let rest = tokio::time::timeout(Duration::from_secs(10), ending).await;
    assert_eq!(rest.unwrap(), [Heard::Lost]);
    assert_eq!(warnings.0.load(Ordering::Relaxed), 0);
}

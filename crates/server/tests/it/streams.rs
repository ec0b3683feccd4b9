//! Many streams at once; what they cost is measured by `cargo xtask bench streams`.

#[path = "../../benches/support/events.rs"]
mod events;
#[path = "../../benches/support/ledger.rs"]
mod ledger;
#[path = "../../benches/support/streams.rs"]
mod load;
#[path = "../../benches/support/provision.rs"]
mod provision;

use std::time::Duration;

use load::{Load, cancelled, run};
use lyceum_testkit::{MockUpstream, ServerProcess};
use provision::{SETTINGS, Target, provision};

use crate::world::program;

const STREAMS: usize = 64;
const WORDS: usize = 20;
const PACE: Duration = Duration::from_millis(10);

#[tokio::test(flavor = "multi_thread")]
async fn streams_side_by_side_come_in_order_and_whole_and_those_that_are_left_are_cancelled() {
    let upstream = MockUpstream::start_apart();
    let data = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(program(), data.path(), &SETTINGS).await.unwrap();
    let (admin, key) = provision(&server, &upstream, &["paced-10"]).await.unwrap();
    let whole = Load {
        target: Target::new(&format!("{}/v1", server.base_url), &key).unwrap(),
        model: "paced-10".to_owned(),
        streams: STREAMS,
        words: WORDS,
        apart: Duration::from_millis(1),
        leave_after: None,
    };
    let seen = run(&whole).await.unwrap();
    assert_eq!(seen.first.len(), STREAMS);
    assert!(seen.largest_gap >= PACE, "the words came all at once");
    let rows = ledger::calls(&admin, "&status=completed").await.unwrap();
    assert_eq!(rows.len(), STREAMS);
    assert!(rows.iter().all(|row| row["completion_tokens"] == WORDS + 2), "{rows:#?}");

    run(&Load { leave_after: Some(WORDS / 2), ..whole }).await.unwrap();
    upstream.wait_for(|upstream| upstream.open_streams() == 0).await;
    assert_eq!(upstream.abandoned(), STREAMS as u64);
    let rows = cancelled(&admin, STREAMS).await.unwrap();
    assert_eq!(rows.len(), STREAMS);
    for row in &rows {
        let tokens = row["completion_tokens"].as_u64().unwrap();
        assert!(row["estimated"] == true && tokens >= WORDS as u64 / 2, "{row}");
    }
}

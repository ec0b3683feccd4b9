//! The gateway under load: many streams at once, and the ledger after a provider's faults and a
//! `kill -9`. The long runs of the same are `cargo xtask bench streams` and `… faults`.

#[path = "../../benches/support/events.rs"]
mod events;
#[path = "../../benches/support/faults/mod.rs"]
mod faults;
#[path = "../../benches/support/ledger.rs"]
mod ledger;
#[path = "../../benches/support/provision.rs"]
mod provision;
#[path = "../../benches/support/streams.rs"]
mod streams;
#[path = "../../benches/support/target.rs"]
mod target;

use std::time::Duration;

use faults::Plan;
use lyceum_testkit::{MockUpstream, ServerProcess};
use provision::{SETTINGS, provision};
use streams::{Load, cancelled, run};
use target::Target;

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

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_calls_with_faults_and_a_kill_are_in_the_ledger_as_they_were() {
    let plan = Plan { calls: 2_000, callers: 32, kills: 1 };
    let report = faults::run(program(), plan).await.unwrap();
    assert!(report.complaints.is_empty(), "{report:#?}");
    assert_eq!((report.missing, report.wrong, report.doubled), (0, 0, 0), "{report:#?}");
    assert_eq!(report.answered + report.lost, plan.calls);
    // The kill hit the calls under way, and the faults were met.
    assert!(report.lost > 0 && report.failed > 500, "{report:#?}");
    assert!(report.rows >= report.answered && report.upstream_calls >= report.rows as u64);
}

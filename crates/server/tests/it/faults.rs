//! The ledger after a provider's faults and a `kill -9`, call by call; the long run of the same is
//! `cargo xtask bench faults`.

#[path = "../../benches/support/faults/mod.rs"]
mod run;

use run::Plan;

use crate::world::program;

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_calls_with_faults_and_a_kill_are_in_the_ledger_as_they_were() {
    let plan = Plan { calls: 2_000, callers: 32, kills: 1 };
    let report = run::run(program(), plan).await.unwrap();
    assert!(report.complaints.is_empty(), "{report:#?}");
    assert_eq!((report.missing, report.wrong, report.doubled), (0, 0, 0), "{report:#?}");
    assert_eq!(report.answered + report.lost, plan.calls);
    // The kill hit the calls under way, and the faults were met.
    assert!(report.lost > 0 && report.failed > 500, "{report:#?}");
    assert!(report.rows >= report.answered && report.upstream_calls >= report.rows as u64);
}

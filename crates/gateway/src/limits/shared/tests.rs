use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use lyceum_testkit::{Authority, RedisServer};
use proptest::prelude::*;
use uuid::Uuid;

use super::super::bucket::Buckets;
use super::super::taken::Taken;
use super::*;

/// What happens to the buckets, and how long after what was before.
#[derive(Clone, Debug)]
enum Step {
    /// Amounts wanted of some of the buckets, and by which factor their limits differ now.
    Take { pause: u64, wanted: Vec<(usize, u32)>, factor: u32 },
    /// The last call that was let through took so many.
    Settle(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let bucket = (0..4_usize, 0..200_u32);
    let wanted = prop::collection::vec(bucket, 1..4);
    prop_oneof![
        4 => (0..2000_u64, wanted, 1..3_u32).prop_map(|(pause, mut wanted, factor)| {
            wanted.sort_unstable();
            wanted.dedup_by_key(|(bucket, _)| *bucket);
            Step::Take { pause, wanted, factor }
        }),
        1 => (0..400_u32).prop_map(Step::Settle),
    ]
}

/// Spans of 1/64 s and limits that are multiples of 60 make every level exact, in both.
const TICK: u64 = 15_625;

fn demands(subjects: &[Uuid], wanted: &[(usize, u32)], factor: u32) -> Vec<Demand> {
    let demand = |&(bucket, amount): &(usize, u32)| {
        let unit = if bucket % 2 == 0 { Unit::Tokens } else { Unit::Requests };
        let key = (unit, Level::User, subjects[bucket]);
        let per_minute = f64::from(60 * factor * (u32::try_from(bucket).unwrap() + 1));
        Demand { key, per_minute, amount: f64::from(amount) }
    };
    wanted.iter().map(demand).collect()
}

async fn compare(shared: &SharedBuckets, taking: &Script, steps: Vec<Step>) {
    let here = Buckets::default();
    let subjects: Vec<Uuid> = (0..4).map(|_| lyceum_core::new_id()).collect();
    let start = Instant::now();
    let mut micros = 0;
    let mut last: Option<Vec<Demand>> = None;
    for step in steps {
        match step {
            Step::Take { pause, wanted, factor } => {
                micros += pause * TICK;
                let asked = demands(&subjects, &wanted, factor);
                let time = [micros / 1_000_000, micros % 1_000_000];
                let there = shared.take_by(taking, &asked, &time).await.unwrap();
                let here = here.take(&asked, start + Duration::from_micros(micros));
                assert_eq!(there, here);
                last = there.is_ok().then_some(asked).or(last);
            }
            Step::Settle(used) => {
                let Some(taken) = last.take() else { continue };
                here.settle(&taken, |_| f64::from(used));
                let change = |demand: &Demand| (key(demand.key), demand.amount - f64::from(used));
                put_back(&shared.redis, &taken.iter().map(change).collect::<Vec<_>>()).await;
            }
        }
    }
}

#[test]
fn redis_and_the_process_decide_alike() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(RedisServer::start());
    let shared = runtime.block_on(async { SharedBuckets::new(server.connect().await) });
    let told = TAKE.replace("redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}");
    assert_ne!(told, TAKE, "the test tells what time it is");
    let taking = Script::new(&told);
    let sequences = prop::collection::vec(step(), 1..60);
    proptest!(|(steps in sequences)| runtime.block_on(compare(&shared, &taking, steps)));
}

fn one_of(subject: Uuid, per_minute: f64) -> Vec<Demand> {
    vec![Demand { key: (Unit::Requests, Level::User, subject), per_minute, amount: 1.0 }]
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_on_two_nodes_get_exactly_what_there_is() {
    get_exactly_what_there_is(&RedisServer::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_on_two_nodes_get_exactly_what_there_is_over_tls() {
    let authority = Authority::create();
    let server = RedisServer::with_tls(&authority.issue(&["127.0.0.1"]), "sesame").await;
    get_exactly_what_there_is(&server).await;
}

async fn get_exactly_what_there_is(server: &RedisServer) {
    let limit = 40.0;
    let subject = lyceum_core::new_id();
    let start = Instant::now();
    let nodes = [server.connect().await, server.connect().await]
        .map(|redis| (Arc::new(Buckets::default()), SharedBuckets::new(redis)));
    let calls = (0..64).map(|caller| {
        let (buckets, shared) = nodes[caller % 2].clone();
        tokio::spawn(async move {
            let mut let_through = 0_u32;
            for _ in 0..4 {
                let demands = one_of(subject, limit);
                let taken = Taken::take(&buckets, Some(&shared), demands, Instant::now()).await;
                if let Ok(taken) = taken {
                    taken.settle(0.0);
                    let_through += 1;
                }
            }
            let_through
        })
    });
    let passed: u32 = join_all(calls).await.into_iter().map(Result::unwrap).sum();
    let filled = start.elapsed().as_secs_f64() * limit / 60.0;
    let (passed, most) = (f64::from(passed), limit + filled);
    assert!((limit..=most).contains(&passed), "{passed} passed of {limit} and {filled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_not_made_gives_back_what_it_took() {
    let server = RedisServer::start().await;
    let (buckets, shared) = (Arc::default(), SharedBuckets::new(server.connect().await));
    let subject = lyceum_core::new_id();
    let take =
        async || Taken::take(&buckets, Some(&shared), one_of(subject, 1.0), Instant::now()).await;
    drop(take().await.unwrap());
    // Told without waiting: it is there soon, and long before a minute has passed.
    let again = async {
        loop {
            if let Ok(taken) = take().await {
                break taken;
            }
        }
    };
    let taken = tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
    taken.settle(0.0);
    assert!(take().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_by_itself_knows_what_it_let_through() {
    let mut server = RedisServer::start().await;
    let (buckets, shared) = (Arc::default(), SharedBuckets::new(server.connect().await));
    let subject = lyceum_core::new_id();
    let take =
        async || Taken::take(&buckets, Some(&shared), one_of(subject, 3.0), Instant::now()).await;
    for _ in 0..2 {
        take().await.unwrap().settle(0.0);
    }
    server.kill();
    take().await.unwrap().settle(0.0);
    let denied = take().await.err().unwrap();
    assert!(denied.wait > Duration::ZERO, "one bucket, with and without Redis");
    assert!(!shared.redis.is_up());
}

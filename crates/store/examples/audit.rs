//! Measures linking and verifying an audit log of 1,000,000 entries, and audited transactions while
//! the log is linked, beside the same with nobody linking. Run: `cargo xtask bench audit`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use lyceum_core::{BoxError, Clock};
use lyceum_store::Db;
use lyceum_store::audit::{self, Range};
use lyceum_testkit::TestDb;
use sqlx::{ConnectOptions as _, PgConnection};
use uuid::Uuid;

const ENTRIES: i64 = 1_000_000;
const REPETITIONS: usize = 5;
const WRITERS: usize = 8;
const TRANSACTIONS: usize = 250;

type Result<T> = std::result::Result<T, BoxError>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn main() -> Result<()> {
    let test = TestDb::new().await;
    let (db, clock) = (&test.db, Clock::system());
    let mut connection = test.owner.connect().await?;
    fill(&mut connection).await?;
    let began = Instant::now();
    let linked = audit::link_all(db, &clock).await?;
    println!("link\t{:.0}\t-\tentries/s\t-", linked as f64 / began.elapsed().as_secs_f64());
    for statement in ["VACUUM ANALYZE ops.audit_logs", "VACUUM ANALYZE ops.audit_chain"] {
        sqlx::raw_sql(statement).execute(&mut connection).await?;
    }
    for _ in 0..REPETITIONS {
        let began = Instant::now();
        let found = audit::verify(db, Range::default(), |_| {}).await?;
        let seconds = began.elapsed().as_secs_f64();
        if found.broken > 0 {
            return Err(format!("{} faults", found.broken).into());
        }
        println!("verify\t{:.0}\t-\tentries/s\t-", found.links as f64 / seconds);
        println!("verify all\t{seconds:.2}\t-\ts\t-");
    }
    let root = lyceum_testkit::admin(db, "bench").await;
    for _ in 0..REPETITIONS {
        let alone = writing(db, root).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let linker = tokio::spawn(keep_linking(db.clone(), clock.clone(), Arc::clone(&stop)));
        let beside = writing(db, root).await?;
        stop.store(true, Ordering::Relaxed);
        linker.await??;
        println!("audited transactions, linked beside\t{beside:.0}\t{alone:.0}\t1/s\t>=0.7");
    }
    Ok(())
}

async fn fill(connection: &mut PgConnection) -> Result<()> {
    sqlx::query(
        "INSERT INTO ops.audit_logs (id, created_at, user_id, action, resource_type, resource_id,
                                     old_values, new_values, ip_address, user_agent)
         SELECT app.new_id(), now() - ($1 - n) * interval '1 millisecond', gen_random_uuid(),
                'update', 'user', gen_random_uuid(),
                jsonb_build_object('n', n, 'display_name', 'Ann', 'status', 'active',
                                   'settings', jsonb_build_object('language', 'zh')),
                jsonb_build_object('n', n, 'display_name', 'Ann B', 'status', 'active',
                                   'settings', jsonb_build_object('language', 'en')),
                '192.0.2.1', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36'
         FROM generate_series(1, $1) n",
    )
    .bind(ENTRIES)
    .execute(connection)
    .await?;
    Ok(())
}

async fn keep_linking(db: Db, clock: Clock, stop: Arc<AtomicBool>) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        audit::link(&db, &clock).await?;
    }
    Ok(())
}

/// Audited transactions a second, of several writers at once.
async fn writing(db: &Db, root: Uuid) -> Result<f64> {
    let began = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                for _ in 0..TRANSACTIONS {
                    let mut tx = db.begin_as(root).await?;
                    sqlx::query(
                        "INSERT INTO identity.groups (id, name)
                         VALUES (app.new_id(), gen_random_uuid()::text)",
                    )
                    .execute(&mut *tx)
                    .await?;
                    tx.commit().await?;
                }
                Ok::<(), BoxError>(())
            })
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    Ok((WRITERS * TRANSACTIONS) as f64 / began.elapsed().as_secs_f64())
}

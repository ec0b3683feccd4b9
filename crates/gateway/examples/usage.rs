//! Measures sums over a month of 10,000,000 calls, through the API. The calls are made as the sums
//! that they leave, for only these are read. Run: `cargo xtask bench usage`.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::request::Parts;
use axum::{Extension, Router};
use lyceum_core::{BoxError, Clock};
use lyceum_gateway::Gateway;
use lyceum_http::{ApiError, Authenticator, Caller, Outgoing, OutgoingPolicy};
use lyceum_llm::LocalModels;
use lyceum_store::Keyring;
use lyceum_testkit::{TestDb, caller_with};
use serde_json::Value;
use sqlx::{ConnectOptions as _, PgConnection};
use tower::ServiceExt as _;
use utoipa_axum::router::OpenApiRouter;

const REPETITIONS: usize = 5;

type Result<T> = std::result::Result<T, BoxError>;

struct Everybody(Caller);

#[async_trait]
impl Authenticator for Everybody {
    async fn authenticate(&self, _: &Parts) -> std::result::Result<Caller, ApiError> {
        Ok(self.0.clone())
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn main() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let test = TestDb::new().await;
    let outgoing = Outgoing::new(OutgoingPolicy::default())?;
    let (keyring, local) = (Keyring::generate()?, LocalModels::absent());
    let gateway = Gateway::new(test.db.clone(), keyring, outgoing, local, Clock::system()).await?;
    let root = lyceum_testkit::admin(&test.db, "root").await;
    let mut owner = test.owner.connect().await?;
    fill(&mut owner).await?;
    let began = Instant::now();
    let folded = gateway.fold_usage(i64::MAX).await?;
    println!("fold\t{:.0}\t-\tsums/s\t-", folded as f64 / began.elapsed().as_secs_f64());
    for statement in ["VACUUM ANALYZE gateway.usage_rollups", "VACUUM ANALYZE gateway.usage_deltas"]
    {
        sqlx::raw_sql(statement).execute(&mut owner).await?;
    }
    let authenticator: Arc<dyn Authenticator> = Arc::new(Everybody(caller_with(root, &["*:*"])));
    let (app, _) = OpenApiRouter::new().merge(lyceum_gateway::router(gateway)).split_for_parts();
    let app = app.layer(Extension(authenticator));
    let span = "from=2026-10-01T00:00:00Z&to=2026-10-31T00:00:00Z&timezone=Asia/Kolkata";
    let days = "from=2026-10-01&to=2026-10-30&timezone=Asia/Kolkata";
    for _ in 0..REPETITIONS {
        for (name, path) in [
            ("by day", format!("/usage/summary?{span}")),
            ("by model", format!("/usage/summary?{span}&group_by=model")),
            ("by person", format!("/usage/summary?{span}&group_by=user")),
            ("by day and model", format!("/usage/daily?{days}&group_by=model")),
            ("by day and person", format!("/usage/daily?{days}&group_by=user")),
        ] {
            let began = Instant::now();
            let calls = ask(&app, &path).await?;
            let milliseconds = began.elapsed().as_secs_f64() * 1000.0;
            if calls < 9_000_000 {
                return Err(format!("{path} answers only {calls} calls").into());
            }
            println!("{name}\t{milliseconds:.0}\t-\tms\t<=500");
        }
    }
    Ok(())
}

/// How many calls the items of an answer are about.
async fn ask(app: &Router, path: &str) -> Result<i64> {
    let request = Request::get(path).body(Body::empty())?;
    let body = app.clone().oneshot(request).await?.into_body();
    let answer: Value = serde_json::from_slice(&to_bytes(body, usize::MAX).await?)?;
    let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(items.iter().filter_map(|item| item["calls"].as_i64()).sum())
}

/// A month in which 300 people call two models each, for ten hours a day.
async fn fill(connection: &mut PgConnection) -> Result<()> {
    sqlx::query(
        "INSERT INTO gateway.usage_deltas
           (id, starts_at, user_id, group_ids, provider_config_id, provider, model, purpose,
            cache_hit, calls, failed_calls, cancelled_calls, unpriced_calls, estimated_calls,
            prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, costs, latency_ms,
            first_at, last_at)
         SELECT gen_random_uuid(), at, md5(person::text)::uuid,
                ARRAY[md5((person % 10)::text)::uuid], md5('c' || (person + model) % 4)::uuid,
                'custom', 'model-' || (person + model) % 4,
                CASE WHEN person % 3 = 0 THEN 'chat' ELSE 'api' END, false, 14, 0, 0, 0, 0, 14000,
                1400, 0, 0, 0.1722, 12600, at, at
         FROM generate_series(0, 29) AS day, generate_series(24, 63) AS quarter,
              generate_series(1, 300) AS person, generate_series(0, 1) AS model,
              LATERAL (SELECT '2026-10-01T00:00:00Z'::timestamptz
                              + make_interval(days => day, mins => 15 * quarter) AS at) t",
    )
    .execute(connection)
    .await?;
    Ok(())
}

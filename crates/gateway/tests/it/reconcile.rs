//! The ledger beside what providers say.

use axum::http::{Request, StatusCode};
use lyceum_gateway::reconcile::{DifferenceKind, Options, ReconcileError, csv, reconcile, table};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::world::World;

/// Calls at openai on two days of November, one of them an hour before midnight, and one elsewhere.
async fn world() -> World {
    let world = World::new().await;
    let ada = world.user("ada").await;
    world.admin("root").await;
    let rows = json!([
        {"at": "2026-11-01T10:00:00Z", "provider": "openai", "model": "gpt-4o-2024-08-06",
         "prompt": 1000, "answer": 200, "cached": 400, "cost": "0.0045"},
        {"at": "2026-11-01T23:00:00Z", "provider": "openai", "model": "gpt-4o-2024-08-06",
         "prompt": 500, "answer": 50, "cached": 0, "cost": "0.00175"},
        {"at": "2026-11-02T08:00:00Z", "provider": "openai", "model": "o3-2025-04-16",
         "prompt": 70, "answer": 7, "cached": 0, "cost": null},
        {"at": "2026-11-01T10:00:00Z", "provider": "anthropic", "model": "claude-haiku-4-5-20251001",
         "prompt": 6028, "answer": 73, "cached": 5089, "cost": "0.01"},
        {"at": "2026-11-01T10:00:00Z", "provider": "local", "model": "local-chat",
         "prompt": 5, "answer": 5, "cached": 0, "cost": "0"},
        {"at": "2026-11-01T11:00:00Z", "provider": "openai", "model": "refused",
         "prompt": 0, "answer": 0, "cached": 0, "cost": "0"},
    ]);
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    sqlx::query(
        "INSERT INTO gateway.usage_statistics
           (id, created_at, user_id, provider, requested_model, served_model, purpose,
            prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost, estimated,
            status, latency_ms, request_id)
         SELECT gen_random_uuid(), at, $1, provider, 'ours', model, 'api', prompt, answer, cached, 0,
                cost, false, 'completed', 1, gen_random_uuid()
         FROM jsonb_to_recordset($2) AS row (at timestamptz, provider text, model text,
            prompt bigint, answer bigint, cached bigint, cost numeric)",
    )
    .bind(ada)
    .bind(rows)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    // One half is in the roll-ups, the other is not.
    world.gateway.fold_usage(3).await.unwrap();
    world
}

fn options(provider: &str) -> Options {
    Options { provider: Some(provider.to_owned()), ..Options::default() }
}

const OPENAI: &str = "start_time,end_time,start_time_iso,end_time_iso,project_id,\
    num_model_requests,user_id,api_key_id,model,batch,service_tier,input_tokens,output_tokens,\
    input_cached_tokens,input_uncached_tokens\n\
    1793491200,1793577600,2026-11-01T00:00:00+00:00,2026-11-02T00:00:00+00:00,proj_1,2,u,k,\
    gpt-4o-2024-08-06,False,default,1500,250,400,1100\n\
    1793577600,1793664000,2026-11-02T00:00:00+00:00,2026-11-03T00:00:00+00:00,proj_1,1,u,k,\
    o3-2025-04-16,False,default,70,7,0,70\n\
    1793664000,1793750400,2026-11-03T00:00:00+00:00,2026-11-04T00:00:00+00:00,,,,,,,,,,,\n";

#[tokio::test]
async fn exports_that_agree_have_no_difference() {
    let world = world().await;
    let found = reconcile(&world.test.db, OPENAI.as_bytes(), &options("openai")).await.unwrap();
    assert_eq!(found.differences, [], "{}", table(&found));
    assert_eq!((found.compared, found.ledger.unpriced_calls), (2, 1));
    let anthropic = "\u{feff}usage_date_utc,model_version,api_key,workspace,usage_type,\
        context_window,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,\
        usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens\r\n\
        2026-11-01 10:00,claude-haiku-4-5-20251001,k,Default,message,≤ 200k,358,581,0,5089,73\r\n";
    let file = anthropic.as_bytes();
    let found = reconcile(&world.test.db, file, &options("anthropic")).await.unwrap();
    assert_eq!(found.differences, [], "{}", table(&found));
    // The same twice over is too much.
    let twice = [anthropic, &anthropic[anthropic.find("2026").unwrap()..]].concat();
    let found = reconcile(&world.test.db, twice.as_bytes(), &options("anthropic")).await.unwrap();
    assert_eq!(found.differences[0].figures.len(), 3);
}

#[tokio::test]
async fn differences_are_listed_by_day_and_model() {
    let world = world().await;
    let invoice = "Date;Model;Input tokens;Output tokens;Cost (USD)\r\n\
        2026-11-01;gpt-4o;1.600;250;\"0,00\"\r\n\
        2026-11-01;=cmd|' /C calc'!A0;5;5;1,5\r\n\
        2026-11-02;gpt-4o;0;0;0\r\n";
    let options = Options { undated: true, ..options("openai") };
    let found = reconcile(&world.test.db, invoice.as_bytes(), &options).await.unwrap();
    let kinds: Vec<_> = found.differences.iter().map(|d| (&*d.model, d.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("=cmd|' /c calc'!a0", DifferenceKind::MissingInLedger),
            ("gpt-4o", DifferenceKind::Different),
            ("o3", DifferenceKind::MissingAtProvider),
        ]
    );
    let figures = &found.differences[1].figures;
    assert_eq!(figures.len(), 1, "a cost of half a cent is within the tolerance");
    assert_eq!((figures[0].ledger, figures[0].provider), (1500.into(), 1600.into()));
    assert_eq!(figures[0].percent.unwrap().to_string(), "6.67");
    let text = table(&found);
    assert!(text.contains("gpt-4o") && text.contains("missing at the provider"), "{text}");
    assert!(text.ends_with("3 of them different. 1 calls of the ledger have no price."), "{text}");
    let rows = csv(&found).unwrap();
    assert!(rows.contains("2026-11-01,'=cmd|"), "a formula stays text: {rows}");
    // Below 10 % nothing matters; what is missing still does.
    let mut loose = options.clone();
    loose.tolerance.percent = 10.into();
    let found = reconcile(&world.test.db, invoice.as_bytes(), &loose).await.unwrap();
    assert_eq!(found.differences.len(), 2);
    // In Berlin the call of an hour before midnight was one of the next day.
    let berlin = Options { timezone: "Europe/Berlin".to_owned(), undated: true, ..options };
    let day = "date,model,input_tokens\n2026-11-01,gpt-4o,1000\n2026-11-02,gpt-4o,500\n\
        2026-11-02,o3,70\n";
    let found = reconcile(&world.test.db, day.as_bytes(), &berlin).await.unwrap();
    assert_eq!(found.differences, [], "{}", table(&found));
}

#[tokio::test]
async fn what_cannot_be_compared_is_said() {
    let world = world().await;
    let file = b"date,model,input_tokens\n2026-11-01,m,1,5\n";
    let error = reconcile(&world.test.db, file, &options("openai")).await.unwrap_err();
    assert_eq!(error.to_string(), "line 2: 4 columns instead of 3");
    for (zone, provider) in [("Mars/Olympus", "openai"), ("UTC", "nobody"), ("UTC", "a\0")] {
        let file = b"date,model,input_tokens\n2026-11-01,m,1\n";
        let options = Options { timezone: zone.to_owned(), ..options(provider) };
        let error = reconcile(&world.test.db, file, &options).await.unwrap_err();
        assert!(!matches!(error, ReconcileError::Store(_)), "{error}");
    }
    let nothing = reconcile(&world.test.db, b"date,model,cost\n", &options("openai")).await;
    assert!(matches!(nothing, Err(ReconcileError::File(_))));
}

async fn upload(world: &World, who: &str, query: &str, file: &str) -> (StatusCode, Value) {
    let request = Request::post(format!("/api/v1/usage/reconcile?{query}"))
        .header("authorization", format!("Bearer {who}"))
        .header("content-type", "text/csv")
        .body(axum::body::Body::from(file.to_owned()))
        .unwrap();
    let response = world.app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn a_file_is_compared_through_the_api() {
    let world = world().await;
    let (status, found) = upload(&world, "root", "provider=openai", OPENAI).await;
    assert_eq!(status, StatusCode::OK, "{found}");
    assert_eq!((&found["differences"], &found["compared"]), (&json!([]), &json!(2)));
    let (status, _) = upload(&world, "ada", "provider=openai", OPENAI).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let file = "When,Engine,In\n2026-11-01,gpt-4o-2024-08-06,1e9x\n";
    let map = "map=date=When;model=Engine;prompt_tokens=In";
    let (status, problem) = upload(&world, "root", map, file).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert_eq!(problem["code"], "unreadable_file");
    assert_eq!((&problem["line"], &problem["column"]), (&json!(2), &json!("In")));
    let (status, problem) = upload(&world, "root", "map=x", file).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_query")));
}

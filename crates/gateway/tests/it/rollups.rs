//! The roll-ups are the ledger's sums, whatever is asked and whenever.

use axum::http::StatusCode;
use futures::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::made::{Call, Ledger, calls, moments};
use crate::world::World;

/// Calls of the roll-ups and the deltas, by grain, less those of the ledger: in one snapshot.
const SURPLUS: &str = "SELECT coalesce(max(abs(g.calls + d.calls - l.calls)), 0)::bigint
    FROM (SELECT grain, coalesce(sum(r.calls), 0) AS calls
          FROM (VALUES ('quarter'), ('overall'), ('day')) AS grains (grain)
          LEFT JOIN gateway.usage_rollups r USING (grain) GROUP BY 1) g,
         (SELECT coalesce(sum(calls), 0) AS calls FROM gateway.usage_deltas) d,
         (SELECT count(*) AS calls FROM gateway.usage_statistics) l";

#[tokio::test(flavor = "multi_thread")]
async fn while_calls_are_made_and_folded_nothing_is_lost_for_a_moment() {
    let world = World::new().await;
    world.user("ada").await;
    let caller = async |number: usize| {
        for round in 0..10 {
            let words = vec!["word"; 1 + (number + round) % 7].join(" ");
            let body = json!({"model": "local-chat",
                "messages": [{"role": "user", "content": words}]});
            let (status, _) = world.send("ada", "POST", "/v1/chat/completions", body).await;
            assert_eq!(status, StatusCode::OK);
        }
    };
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let folding = async {
        let mut folds = 0;
        while !*stopped.borrow() {
            // Two at once do no harm.
            let (one, two) = tokio::join!(world.gateway.fold_usage(3), world.gateway.fold_usage(3));
            folds += one.unwrap() + two.unwrap();
            assert_eq!(world.number(SURPLUS).await, 0);
        }
        folds
    };
    let calling = async {
        join_all((0..16).map(caller)).await;
        stop.send(true).unwrap();
    };
    let (folds, ()) = tokio::join!(folding, calling);
    assert!(folds > 0, "nothing was folded meanwhile");
    while world.gateway.fold_usage(1000).await.unwrap() > 0 {}
    assert_eq!(world.number(SURPLUS).await, 0);
    assert_eq!(world.number("SELECT count(*) FROM gateway.usage_deltas").await, 0);
    let (_, sums) = world.send("ada", "GET", "/api/v1/usage/summary", Value::Null).await;
    assert_eq!(sums["total"]["calls"], 160);
    let rows = world.ledger().await;
    let prompt: i64 = rows.iter().map(|row| row.prompt_tokens).sum();
    assert_eq!(sums["total"]["prompt_tokens"], prompt);
}

const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Pacific/Kiritimati",
];

#[tokio::test]
async fn sums_are_those_of_the_ledger_in_every_zone_and_span() {
    let ledger = Ledger::new().await;
    let mut runner = TestRunner::deterministic();
    let batches = prop::collection::vec(calls(), 1..60);
    let spans = (moments(), moments());
    for round in 0..24 {
        let batch = batches.new_tree(&mut runner).unwrap().current();
        ledger.add(&batch).await;
        // Some of it is rolled up, some is not, and what comes later is late for both.
        ledger.world.gateway.fold_usage(i64::try_from(round % 4).unwrap() * 12).await.unwrap();
        let zone = ZONES[round % ZONES.len()];
        let (one, two) = spans.new_tree(&mut runner).unwrap().current();
        let (from, to) = (one.min(two), one.max(two));
        let filter = [
            ("", "true".to_owned()),
            ("&model=served-1", "coalesce(served_model, requested_model) = 'served-1'".to_owned()),
            ("&purpose=api&provider=custom", "purpose = 'api' AND provider = 'custom'".to_owned()),
            (
                &*format!("&user_id={}", ledger.people[0]),
                format!("user_id = '{}'", ledger.people[0]),
            ),
            (
                &*format!("&group_id={}", ledger.groups[1]),
                format!("'{}' = ANY (group_ids)", ledger.groups[1]),
            ),
            (&*format!("&api_key_id={}", ledger.key), format!("api_key_id = '{}'", ledger.key)),
            ("&end_user=customer-1", "end_user = 'customer-1'".to_owned()),
        ];
        let (query, condition) = &filter[round % filter.len()];
        let span = format!("created_at >= '{from}' AND created_at < '{to}' AND {condition}");
        let day = format!("to_char(s.created_at AT TIME ZONE '{zone}', 'YYYY-MM-DD')");
        let member = "LEFT JOIN LATERAL unnest(s.group_ids) AS g (id) ON true";
        for (group, key, join) in [
            ("day", &*day, ""),
            ("model", "coalesce(s.served_model, s.requested_model)", ""),
            ("provider", "s.provider", ""),
            ("provider_config", "coalesce(s.provider_config_id::text, 'none')", ""),
            ("user", "s.user_id::text", ""),
            ("group", "coalesce(g.id::text, 'none')", member),
            ("api_key", "coalesce(s.api_key_id::text, 'none')", ""),
            ("purpose", "s.purpose", ""),
            ("end_user", "coalesce(s.end_user, '')", ""),
        ] {
            let times = [from, to].map(|at| at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
            let path = format!(
                "/api/v1/usage/summary?group_by={group}&timezone={zone}&from={}&to={}{query}",
                times[0], times[1]
            );
            let items = ledger.items(&path).await;
            let expected = ledger.expected(key, join, &span).await;
            assert_eq!(items, expected, "round {round}: {path}");
        }
    }
    assert_eq!(ledger.world.number(SURPLUS).await, 0);
}

#[tokio::test]
async fn days_are_those_of_the_zone_and_split_by_the_biggest_groups() {
    let ledger = Ledger::new().await;
    let call = |at: &str, model, user| Call {
        at: at.parse().unwrap(),
        user,
        key: false,
        groups: 0,
        config: true,
        model,
        served: false,
        purpose: "api",
        status: "completed",
        tokens: 10,
        cost: Some(1_500_000),
    };
    let mut batch = vec![
        // The last moment of October and the first of November in Berlin.
        call("2026-10-31T22:59:59.999Z", 1, 0),
        call("2026-10-31T23:00:00Z", 1, 1),
        call("2026-11-30T22:59:59Z", 2, 0),
        call("2026-11-30T23:00:00Z", 2, 0),
    ];
    // More models than are named.
    batch.extend((10..30).map(|model| call("2026-11-15T12:00:00Z", model, 0)));
    batch.extend((10..21).map(|model| call("2026-11-16T12:00:00Z", model, 0)));
    ledger.add(&batch).await;
    let path = "/api/v1/usage/daily?from=2026-11-01&to=2026-11-30&timezone=Europe/Berlin";
    let (status, days) = ledger.world.send("root", "GET", path, Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{days}");
    let day = |item: &Value| (item["day"].as_str().unwrap().to_owned(), item["calls"].clone());
    let found: Vec<_> = days["items"].as_array().unwrap().iter().map(day).collect();
    let expected = [("2026-11-01", 1), ("2026-11-15", 20), ("2026-11-16", 11), ("2026-11-30", 1)];
    assert_eq!(found, expected.map(|(day, calls)| (day.to_owned(), json!(calls))));
    assert_eq!(days["items"][0]["cost"], "1.5");

    let path = format!("{path}&group_by=model");
    let (_, days) = ledger.world.send("root", "GET", &path, Value::Null).await;
    let items = days["items"].as_array().unwrap();
    let total: i64 = items.iter().map(|item| item["calls"].as_i64().unwrap()).sum();
    assert_eq!(total, 33);
    let names: std::collections::BTreeSet<_> =
        items.iter().filter_map(|item| item["key"].as_str()).collect();
    assert_eq!(names.len(), 12);
    let others = items.iter().filter(|item| item.get("key").is_none());
    assert!(others.count() >= 1);

    // The same by person, who are few here and many below.
    let path = "/api/v1/usage/daily?from=2026-10-31&to=2026-11-30&timezone=Europe/Berlin\
                &group_by=user";
    let (_, days) = ledger.world.send("root", "GET", path, Value::Null).await;
    let of = |item: &Value| {
        (item["day"].as_str().unwrap().to_owned(), item["label"].clone(), item["calls"].clone())
    };
    let found: Vec<_> = days["items"].as_array().unwrap().iter().map(of).collect();
    let expected = [
        ("2026-10-31", "ada", 1),
        ("2026-11-01", "bob", 1),
        ("2026-11-15", "ada", 20),
        ("2026-11-16", "ada", 11),
        ("2026-11-30", "ada", 1),
    ];
    let expected = expected.map(|(day, who, n)| (day.to_owned(), json!(who), json!(n)));
    assert_eq!(found, expected);

    // A person's own zone where none is named, and only what is theirs.
    let mut tx = ledger.world.test.db.begin_maintenance().await.unwrap();
    sqlx::query("UPDATE identity.users SET timezone = 'Asia/Tokyo' WHERE id = $1")
        .bind(ledger.people[1])
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let path = "/api/v1/usage/daily?from=2026-10-01&to=2026-11-30";
    let (_, days) = ledger.world.send("bob", "GET", path, Value::Null).await;
    assert_eq!(days["timezone"], "Asia/Tokyo");
    assert_eq!(days["items"].as_array().unwrap().len(), 1);
    assert_eq!(days["items"][0]["day"], "2026-11-01");

    for (query, code) in [
        ("timezone=Mars/Olympus", "invalid_query"),
        ("timezone=X%2B0:07", "invalid_query"),
        ("from=2026-11-02&to=2026-11-01", "invalid_span"),
        ("from=yesterday", "invalid_query"),
    ] {
        let path = format!("/api/v1/usage/daily?{query}");
        let (status, problem) = ledger.world.send("ada", "GET", &path, Value::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {problem}");
        assert_eq!(problem["code"], code, "{query}: {problem}");
    }
    let path = "/api/v1/usage/summary?timezone=Mars/Olympus";
    let (status, _) = ledger.world.send("ada", "GET", path, Value::Null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_many_people_did_is_named_for_a_dozen_and_whole() {
    let mut ledger = Ledger::new().await;
    ledger.people = Vec::new();
    for number in 0..15 {
        ledger.people.push(ledger.world.user(&format!("person{number}")).await);
    }
    let mut runner = TestRunner::deterministic();
    let batch = prop::collection::vec((calls(), 0..15_usize), 300);
    let batch = batch.new_tree(&mut runner).unwrap().current();
    let batch: Vec<Call> = batch.into_iter().map(|(call, user)| Call { user, ..call }).collect();
    ledger.add(&batch).await;
    ledger.world.gateway.fold_usage(150).await.unwrap();
    let path = "/api/v1/usage/daily?from=2026-01-01&to=2026-12-31&timezone=Asia/Kathmandu";
    let split = format!("{path}&group_by=user");
    let (_, whole) = ledger.world.send("root", "GET", path, Value::Null).await;
    let (_, split) = ledger.world.send("root", "GET", &split, Value::Null).await;
    let people: std::collections::BTreeSet<_> =
        split["items"].as_array().unwrap().iter().filter_map(|i| i["key"].as_str()).collect();
    assert_eq!(people.len(), 12);
    for figure in ["calls", "errors", "unpriced_calls", "prompt_tokens", "reasoning_tokens", "cost"]
    {
        let sums = |days: &Value| {
            let mut sums = std::collections::BTreeMap::<String, i64>::new();
            for item in days["items"].as_array().unwrap() {
                let millionths = match &item[figure] {
                    Value::String(cost) => (cost.parse::<f64>().unwrap() * 1e6).round() as i64,
                    number => number.as_i64().unwrap_or(0),
                };
                *sums.entry(item["day"].as_str().unwrap().to_owned()).or_default() += millionths;
            }
            sums
        };
        assert_eq!(sums(&split), sums(&whole), "{figure}");
    }
}

#[tokio::test]
async fn the_views_by_provider_are_those_of_the_ledger() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    let bob = world.user("bob").await;
    world.provider("ada", "mock").await;
    world.provider("ada", "unused").await;
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    sqlx::query(
        "INSERT INTO gateway.usage_statistics
           (id, created_at, user_id, provider_config_id, provider, requested_model, purpose,
            prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost, estimated,
            status, latency_ms, request_id)
         SELECT gen_random_uuid(), '2026-11-01T23:00:00Z'::timestamptz + n * interval '1 hour', $1,
                pc.id, 'custom', 'm', 'api', 10, 5, 0, 0, CASE WHEN n > 0 THEN 0.5 END, false,
                'completed', 1, gen_random_uuid()
         FROM gateway.provider_configs pc, generate_series(0, 3) AS n WHERE pc.name = 'mock'",
    )
    .bind(ada)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    for _ in 0..2 {
        let mut tx = world.test.db.begin_as(ada).await.unwrap();
        let daily: Vec<(String, i64, Option<f64>, i64)> = sqlx::query_as(
            "SELECT usage_date::text, daily_tokens, daily_cost::float8, daily_requests
             FROM gateway.mv_provider_usage_daily ORDER BY 1",
        )
        .fetch_all(&mut *tx)
        .await
        .unwrap();
        let day = |day: &str, tokens, cost, calls| (day.to_owned(), tokens, cost, calls);
        let expected = [day("2026-11-01", 15, None, 1), day("2026-11-02", 45, Some(1.5), 3)];
        assert_eq!(daily, expected);
        type Summary = (String, i64, i64, Option<f64>, Option<String>);
        let all: Vec<Summary> = sqlx::query_as(
            "SELECT provider_name, unique_users, total_tokens, avg_cost_per_request::float8,
                    (last_used_at AT TIME ZONE 'UTC')::text
             FROM gateway.provider_usage_summary ORDER BY 1",
        )
        .fetch_all(&mut *tx)
        .await
        .unwrap();
        let last = Some("2026-11-02 02:00:00".to_owned());
        let mock = ("mock".to_owned(), 1, 60, Some(0.5), last);
        assert_eq!(all, [mock, ("unused".to_owned(), 0, 0, None, None)]);
        // Again from the roll-ups.
        world.gateway.fold_usage(100).await.unwrap();
    }
    // Another's providers and their use are nobody else's.
    let mut tx = world.test.db.begin_as(bob).await.unwrap();
    for view in ["mv_provider_usage_daily", "provider_usage_summary"] {
        let query = format!("SELECT count(*) FROM gateway.{view}");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut *tx).await.unwrap();
        assert_eq!(rows, 0, "{view}");
    }
}

#[tokio::test]
async fn nobody_adds_to_the_roll_ups_by_hand() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    for sql in [
        "DELETE FROM gateway.usage_rollups",
        "UPDATE gateway.usage_deltas SET calls = 0",
        "SELECT gateway.fold_usage(10)",
    ] {
        let mut tx = world.test.db.begin_as(ada).await.unwrap();
        let error = sqlx::query(sql).execute(&mut *tx).await.unwrap_err();
        let code = error.as_database_error().unwrap().code();
        assert_eq!(code.as_deref(), Some("42501"), "{sql}");
    }
}

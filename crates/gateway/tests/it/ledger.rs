use axum::http::StatusCode;
use futures::future::join_all;
use serde_json::json;
use sqlx::ConnectOptions as _;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn with_64_callers_at_once_every_call_is_counted_exactly() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    for (model, kind) in [("ok", "chat"), ("embedder", "embedding"), ("status-500", "chat")] {
        world.model("ada", &provider, model, kind).await;
    }
    let caller = async |number: usize| {
        for round in 0..5 {
            let words = vec!["word"; 1 + (number + round) % 7].join(" ");
            let messages = json!([{"role": "user", "content": words}]);
            let (path, body, expected) = match (number + round) % 4 {
                0 => ("/v1/embeddings", json!({"model": "embedder", "input": words}), 200),
                1 => ("/v1/chat/completions", json!({"model": "ok", "messages": messages}), 200),
                2 => {
                    let body = json!({"model": "ok", "messages": messages, "stream": true});
                    ("/v1/chat/completions", body, 200)
                }
                _ => {
                    let body = json!({"model": "status-500", "messages": messages});
                    ("/v1/chat/completions", body, 502)
                }
            };
            let (status, answer) = world.send("ada", "POST", path, body).await;
            assert_eq!(status.as_u16(), expected, "{answer}");
        }
    };
    join_all((0..64).map(caller)).await;
    let rows = world.ledger().await;
    assert_eq!(rows.len(), 64 * 5);
    let (prompt, completion) = world.upstream.tokens();
    let sum = |pick: fn(&crate::world::LedgerRow) -> i64| rows.iter().map(pick).sum::<i64>();
    assert_eq!(sum(|row| row.prompt_tokens), i64::try_from(prompt).unwrap());
    assert_eq!(sum(|row| row.completion_tokens), i64::try_from(completion).unwrap());
    assert_eq!(rows.iter().filter(|row| row.status == "failed").count(), 80);
    assert!(rows.iter().all(|row| !row.estimated));
    assert_eq!(world.upstream.calls(), 64 * 5);
}

#[tokio::test]
async fn without_a_ledger_there_is_no_answer_and_the_row_comes_later() {
    let world = World::new().await;
    world.user("ada").await;
    let mut owner = world.test.owner.connect().await.unwrap();
    let rename = |from: &str, to: &str| format!("ALTER TABLE gateway.{from} RENAME TO {to}");
    let away = sqlx::AssertSqlSafe(rename("usage_statistics", "elsewhere"));
    sqlx::query(away).execute(&mut owner).await.unwrap();

    let messages = json!([{"role": "user", "content": "one two"}]);
    let body = json!({"model": "local-chat", "messages": messages});
    let (status, answer) = world.send("ada", "POST", "/v1/chat/completions", body).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer["error"]["code"], "ledger_unavailable");

    let body = json!({"model": "local-chat", "messages": messages, "stream": true});
    let (status, stream) = world.send("ada", "POST", "/v1/chat/completions", body).await;
    assert_eq!(status, StatusCode::OK);
    let stream = stream.as_str().unwrap();
    assert!(stream.contains("ledger_unavailable") && !stream.contains("[DONE]"), "{stream}");

    let back = sqlx::AssertSqlSafe(rename("elsewhere", "usage_statistics"));
    sqlx::query(back).execute(&mut owner).await.unwrap();
    let rows = world.ledger().await;
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!(row.status, "failed");
        assert_eq!(row.error_code.as_deref(), Some("ledger_unavailable"));
        assert_eq!((row.prompt_tokens, row.completion_tokens), (2, 4));
    }
}

#[tokio::test]
async fn the_writer_survives_the_loss_of_its_connection() {
    let world = World::new().await;
    world.user("ada").await;
    let body = json!({"model": "local-embedding", "input": "one"});
    let (status, _) = world.send("ada", "POST", "/v1/embeddings", body.clone()).await;
    assert_eq!(status, StatusCode::OK);
    let mut owner = world.test.owner.connect().await.unwrap();
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    let (status, answer) = world.send("ada", "POST", "/v1/embeddings", body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(world.ledger().await.len(), 2);
}

#[tokio::test]
async fn only_rows_that_the_table_refuses_are_given_up() {
    let world = World::new().await;
    world.user("ada").await;
    let mut owner = world.test.owner.connect().await.unwrap();
    let away = "ALTER TABLE gateway.usage_statistics RENAME TO elsewhere";
    sqlx::raw_sql(away).execute(&mut owner).await.unwrap();
    let messages = json!([{"role": "user", "content": "one"}]);
    let refused = json!({"model": "local-chat", "messages": messages});
    let delayed = json!({"model": "local-embedding", "input": "one"});
    for (path, body) in [("/v1/chat/completions", refused), ("/v1/embeddings", delayed)] {
        let (status, _) = world.send("ada", "POST", path, body).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    // The first row is refused for good, the second for want of space.
    sqlx::raw_sql(
        "BEGIN;
         CREATE FUNCTION gateway.hinder() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF NEW.requested_model = 'local-chat' THEN
                 RAISE EXCEPTION 'refused' USING ERRCODE = '23514';
             END IF;
             RAISE EXCEPTION 'full' USING ERRCODE = '53100';
         END $$;
         CREATE TRIGGER hinder BEFORE INSERT ON gateway.elsewhere
             FOR EACH ROW EXECUTE FUNCTION gateway.hinder();
         ALTER TABLE gateway.elsewhere RENAME TO usage_statistics;
         COMMIT;",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    assert_eq!(world.ledger().await.len(), 0);
    let free = "DROP TRIGGER hinder ON gateway.usage_statistics";
    sqlx::raw_sql(free).execute(&mut owner).await.unwrap();
    let rows = world.ledger().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].model, "local-embedding");
}

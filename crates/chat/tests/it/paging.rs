use lyceum_core::{Clock, new_id};
use lyceum_store::Db;
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, PgConnection};
use uuid::Uuid;

use crate::support::{App, Node, settings};

const MESSAGES: i64 = 100_000;

/// A conversation of one long branch, written directly.
async fn long_conversation(app: &App) -> Uuid {
    let id = new_id();
    let mut connection = app.database.owner.connect().await.unwrap();
    let statements = [
        "INSERT INTO chat.conversations
           (id, user_id, last_message_at, created_at, updated_at, last_sequence, message_count)
         VALUES ($1, $2, now(), now(), now(), $3, $3)",
        "INSERT INTO chat.messages
           (id, conversation_id, user_id, parent_id, sequence_number, role, content, status,
            created_at, updated_at)
         SELECT md5($1::text || n)::uuid, $1, $2,
                CASE WHEN n > 1 THEN md5($1::text || n - 1)::uuid END, n,
                CASE n % 2 WHEN 1 THEN 'user' ELSE 'assistant' END, 'message ' || n, 'completed',
                now(), now()
         FROM generate_series(1, $3) AS n",
        "UPDATE chat.conversations SET active_leaf_id = md5($1::text || $3)::uuid
         WHERE id = $1 AND user_id = $2",
    ];
    for statement in statements {
        sqlx::query(statement)
            .bind(id)
            .bind(app.user)
            .bind(MESSAGES)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    sqlx::query("ANALYZE chat.messages, chat.conversations")
        .execute(&mut connection)
        .await
        .unwrap();
    id
}

fn numbers(page: &Value) -> Vec<i64> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["sequence_number"].as_i64().unwrap()).collect()
}

/// Rows read so far: by whole scans, and through indexes.
async fn rows_read(owner: &mut PgConnection) -> (i64, i64) {
    let read: (i64, i64) = sqlx::query_as(
        "SELECT seq_tup_read, coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables
         WHERE schemaname = 'chat' AND relname = 'messages'",
    )
    .fetch_one(owner)
    .await
    .unwrap();
    read
}

#[tokio::test]
async fn a_page_of_a_long_conversation_reads_only_its_own_rows() {
    let app = App::new().await;
    let id = long_conversation(&app).await;
    // One connection beside the one that listens for changes of limits, so that its statistics can
    // be written out before they are looked at.
    let db = Db::connect(app.database.app_options(), 2).await.unwrap();
    let node = Node::new(db.clone(), settings("one"), Clock::system()).await;
    let client = node.client(app.user);
    let mut owner = app.database.owner.connect().await.unwrap();
    let path = format!("/conversations/{id}/messages");

    let mut previous = String::new();
    let mut expected: Vec<i64> = (MESSAGES - 49..=MESSAGES).collect();
    for _ in 0..8 {
        let before = rows_read(&mut owner).await;
        let page = client.get(&format!("{path}?limit=50{previous}")).await;
        sqlx::query("SELECT pg_stat_force_next_flush()").execute(db.pool()).await.unwrap();
        sqlx::query("SELECT 1").execute(db.pool()).await.unwrap();
        let after = rows_read(&mut owner).await;
        assert_eq!(numbers(&page), expected);
        assert_eq!(after.0 - before.0, 0, "no scan of the table");
        let fetched = after.1 - before.1;
        assert!((50..=400).contains(&fetched), "{fetched} rows for a page of 50");
        previous = format!("&before={}", page["previous"]);
        expected.iter_mut().for_each(|number| *number -= 50);
    }

    // So does writing: the history that fits the prompt is all that is read.
    let before = rows_read(&mut owner).await;
    let answer = client.answer(&id.to_string(), "one more").await;
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(db.pool()).await.unwrap();
    sqlx::query("SELECT 1").execute(db.pool()).await.unwrap();
    let after = rows_read(&mut owner).await;
    assert_eq!(answer["sequence_number"], MESSAGES + 2);
    assert_eq!(after.0 - before.0, 0, "no scan of the table");
    assert!(after.1 - before.1 < 5_000, "{} rows to send a message", after.1 - before.1);

    let gone = client.call("GET", &format!("{path}?before=999999"), None).await;
    gone.expect_problem(422, "unknown_sequence_number");
    let first = client.get(&format!("{path}?before=3")).await;
    assert_eq!(numbers(&first), [1, 2]);
    assert!(first.get("previous").is_none());
}

#[tokio::test]
async fn an_empty_conversation_has_an_empty_page() {
    let App { client, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    assert_eq!(client.get(&format!("/conversations/{id}/messages")).await, json!({ "items": [] }));
}

//! What triggers write, and that nobody rewrites it.

use lyceum_testkit::{TestDb, admin, user};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::support::owner;

async fn entries(
    connection: &mut PgConnection,
    id: Uuid,
) -> Vec<(String, Option<Value>, Option<Value>)> {
    sqlx::query_as(
        "SELECT action, old_values, new_values FROM ops.audit_logs
         WHERE resource_type = 'user' AND resource_id = $1 ORDER BY created_at, id",
    )
    .bind(id)
    .fetch_all(connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_trigger_writes_before_and_after_without_secrets() {
    let db = TestDb::new().await;
    let ann = user(&db.db, "ann").await;
    let mut tx = db.db.begin_maintenance().await.unwrap();
    for statement in [
        "UPDATE identity.users SET display_name = 'Ann B', password_hash = 'hidden-1' WHERE id = $1",
        // Only a secret changes: nothing to show, so no entry.
        "UPDATE identity.users SET password_hash = 'hidden-2' WHERE id = $1",
    ] {
        sqlx::query(statement).bind(ann).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();

    let entries = entries(&mut owner(&db).await, ann).await;
    let actions: Vec<&str> = entries.iter().map(|(action, ..)| &**action).collect();
    assert_eq!(actions, ["create", "update"]);
    let (_, before, after) = &entries[1];
    assert_eq!(before.as_ref().unwrap()["display_name"], "ann");
    assert_eq!(after.as_ref().unwrap()["display_name"], "Ann B");
    let text = format!("{entries:?}");
    assert!(!text.contains("hidden") && !text.contains("password_hash"), "{text}");
}

/// Every column of an audited table that holds bytes, or whose name says that it holds a secret, is
/// left out.
#[tokio::test]
async fn no_audit_trigger_shows_a_column_that_looks_secret() {
    let db = TestDb::new().await;
    let shown: Vec<String> = sqlx::query_scalar(
        r"SELECT format('%s.%s', t.tgrelid::regclass, a.attname)
          FROM pg_trigger t
          JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum > 0 AND NOT a.attisdropped
          WHERE t.tgfoid = 'ops.audit_row'::regproc AND a.atttypid <> 'bool'::regtype
            AND (a.atttypid = 'bytea'::regtype
                 OR a.attname ~ '(hash|secret|password|token|api_key|ciphertext|nonce|sealed|encrypted|wrapped|private)'
                    AND a.attname !~ '(_hint|_id|_tokens|_name|_per_minute|_ms|content_hash)$|^(max|used|total)_')
            AND position(convert_to(a.attname, 'UTF8') || '\x00'::bytea IN t.tgargs) = 0",
    )
    .fetch_all(&mut owner(&db).await)
    .await
    .unwrap();
    assert!(shown.is_empty(), "{shown:#?}");
}

#[tokio::test]
async fn nobody_changes_or_deletes_an_entry() {
    let db = TestDb::new().await;
    let root = admin(&db.db, "root").await;
    let partition: String =
        sqlx::query_scalar("SELECT tableoid::regclass::text FROM ops.audit_logs LIMIT 1")
            .fetch_one(&mut owner(&db).await)
            .await
            .unwrap();
    let statements = [
        "UPDATE ops.audit_logs SET action = 'nothing'".to_owned(),
        "DELETE FROM ops.audit_logs".to_owned(),
        "TRUNCATE ops.audit_logs".to_owned(),
        ["UPDATE ", &partition, " SET action = 'nothing'"].concat(),
        ["DELETE FROM ", &partition].concat(),
        ["SELECT FROM ", &partition].concat(),
    ];
    for statement in statements {
        let mut tx = db.db.begin_as(root).await.unwrap();
        let error = sqlx::QueryBuilder::<sqlx::Postgres>::new(&*statement)
            .build()
            .execute(&mut *tx)
            .await
            .unwrap_err();
        let code = error.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "42501", "{statement}");
    }
    // The platform's own role forgets by age, but rewrites nothing either.
    let mut tx = db.db.begin_maintenance().await.unwrap();
    let update =
        sqlx::query("UPDATE ops.audit_logs SET action = 'nothing'").execute(&mut *tx).await;
    assert!(update.is_err());
}

//! Every table under row-level security, asked and changed by direct SQL as somebody else. The list
//! of tables comes from the catalogue: one without a case here fails the test.

use lyceum_testkit::{TestDb, admin, user};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

/// A table, and how one row of Ada's gets into it; her own id is the row's, too.
struct Case {
    table: &'static str,
    /// Finds the row; `$1` is Ada's id.
    condition: &'static str,
    /// Writes the row; `$1` is Ada's id. Empty where the row is there already.
    insert: &'static str,
    seen_by: SeenBy,
}

/// Who sees the row, apart from the platform itself. Only its owner may ever change it.
#[derive(Clone, Copy, PartialEq)]
enum SeenBy {
    /// Nobody.
    Platform,
    /// Administrators.
    Administrators,
    /// Ada.
    Owner,
    /// Ada and administrators.
    OwnerAndAdministrators,
    /// Everybody who acts.
    Everybody,
}

use SeenBy::{Administrators, Everybody, Owner, OwnerAndAdministrators, Platform};

const fn case(
    table: &'static str,
    condition: &'static str,
    seen_by: SeenBy,
    insert: &'static str,
) -> Case {
    Case { table, condition, insert, seen_by }
}

/// In an order that foreign keys allow.
const CASES: &[Case] = &[
    case("identity.users", "id = $1", OwnerAndAdministrators, ""),
    case("identity.user_roles", "user_id = $1", OwnerAndAdministrators, ""),
    case(
        "identity.roles",
        "id = $1",
        Everybody,
        "INSERT INTO identity.roles (id, name, permissions) VALUES ($1, 'made', '[]')",
    ),
    case(
        "identity.groups",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO identity.groups (id, name) VALUES ($1, 'Ours')",
    ),
    case(
        "identity.group_members",
        "user_id = $1",
        OwnerAndAdministrators,
        "INSERT INTO identity.group_members (group_id, user_id) VALUES ($1, $1)",
    ),
    case(
        "identity.user_sessions",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO identity.user_sessions
           (id, user_id, refresh_hash, rotated_at, expires_at, last_used_at)
         VALUES ($1, $1, sha256('x'), now(), now() + interval '1 day', now())",
    ),
    case(
        "identity.api_keys",
        "id = $1",
        Owner,
        "INSERT INTO identity.api_keys (id, user_id, name, key_hash, hint, permissions)
         VALUES ($1, $1, 'k', sha256('x'), '…', '[]')",
    ),
    case(
        "identity.user_quotas",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO identity.user_quotas (id, user_id, period_start) VALUES ($1, $1, now())",
    ),
    case(
        "identity.user_preferences",
        "id = $1",
        Owner,
        "INSERT INTO identity.user_preferences (id, user_id, key, value)
         VALUES ($1, $1, 'k', '1')",
    ),
    case(
        "identity.setup_tokens",
        "id = $1",
        Platform,
        "INSERT INTO identity.setup_tokens (id, token_hash, expires_at)
         VALUES ($1, sha256('x'), now())",
    ),
    case(
        "identity.login_attempts",
        "substring(subject_hash FOR 16) = uuid_send($1)",
        Platform,
        "INSERT INTO identity.login_attempts (subject_hash, failures, last_failed_at)
         VALUES (uuid_send($1) || uuid_send($1), 1, now())",
    ),
    case(
        "gateway.ai_providers",
        "id = $1",
        Everybody,
        "INSERT INTO gateway.ai_providers
           (id, name, display_name, requires_api_key, config_schema, is_active)
         VALUES ($1, 'made', 'Made', false, '{}', true)",
    ),
    case(
        "gateway.provider_configs",
        "id = $1",
        Owner,
        "INSERT INTO gateway.provider_configs
           (id, provider, scope, owner_id, name, base_url, created_at, updated_at)
         VALUES ($1, 'made', 'personal', $1, 'mine', 'http://x', now(), now()),
                (md5($1::text)::uuid, 'made', 'organization', NULL, 'ours', 'http://x', now(),
                 now())",
    ),
    case(
        "gateway.provider_distributions",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO gateway.provider_distributions
           (id, provider_config_id, user_id, created_at, updated_at)
         VALUES ($1, md5($1::text)::uuid, $1, now(), now())",
    ),
    case(
        "gateway.ai_model_configs",
        "id = $1",
        Owner,
        "INSERT INTO gateway.ai_model_configs (id, provider, provider_config_id, owner_id, name,
           model, kind, created_at, updated_at)
         VALUES ($1, 'made', $1, $1, 'm', 'm', 'chat', now(), now())",
    ),
    case(
        "gateway.user_default_models",
        "user_id = $1",
        Owner,
        "INSERT INTO gateway.user_default_models
           (user_id, kind, model_config_id, created_at, updated_at)
         VALUES ($1, 'chat', $1, now(), now())",
    ),
    case(
        "gateway.model_prices",
        "id = $1",
        Owner,
        "INSERT INTO gateway.model_prices
           (id, provider, provider_config_id, model, valid_from, created_at, updated_at)
         VALUES ($1, 'made', $1, 'm', now(), now(), now())",
    ),
    case(
        "gateway.usage_statistics",
        "id = $1",
        OwnerAndAdministrators,
        "INSERT INTO gateway.usage_statistics
           (id, created_at, user_id, provider, requested_model, purpose, prompt_tokens,
            completion_tokens, cached_tokens, reasoning_tokens, estimated, status, latency_ms,
            request_id)
         VALUES ($1, now(), $1, 'made', 'm', 'chat', 1, 1, 0, 0, false, 'completed', 1, $1)",
    ),
    case(
        "chat.conversations",
        "id = $1",
        Owner,
        "INSERT INTO chat.conversations (id, user_id, last_message_at, created_at, updated_at)
         VALUES ($1, $1, now(), now(), now())",
    ),
    case(
        "chat.messages",
        "id = $1",
        Owner,
        "INSERT INTO chat.messages (id, conversation_id, user_id, sequence_number, role, status,
           created_at, updated_at)
         VALUES ($1, $1, $1, 1, 'user', 'completed', now(), now())",
    ),
    case(
        "chat.conversation_configs",
        "id = $1",
        Owner,
        "INSERT INTO chat.conversation_configs
           (id, conversation_id, user_id, key, value, created_at, updated_at)
         VALUES ($1, $1, $1, 'k', '1', now(), now())",
    ),
    case(
        "knowledge.knowledge_bases",
        "id = $1",
        Owner,
        "INSERT INTO knowledge.knowledge_bases
           (id, owner_id, name, collection_name, embedding_model, vector_dimension)
         VALUES ($1, $1, 'b', 'kb_' || replace($1::text, '-', ''), 'm', 2)",
    ),
    case(
        "knowledge.knowledge_base_grants",
        "id = $1",
        Owner,
        "INSERT INTO knowledge.knowledge_base_grants
           (id, knowledge_base_id, group_id, permission) VALUES ($1, $1, $1, 'view')",
    ),
    case(
        "knowledge.documents",
        "id = $1",
        Owner,
        "INSERT INTO knowledge.documents (id, knowledge_base_id, title, filename, file_path,
           file_size, mime_type, content_hash)
         VALUES ($1, $1, 't', 'f', 'p', 1, 'text/plain', sha256('x'))",
    ),
    case(
        "knowledge.document_texts",
        "document_id = $1",
        Owner,
        "INSERT INTO knowledge.document_texts (document_id, page, knowledge_base_id, content)
         VALUES ($1, 1, $1, 'text')",
    ),
    case(
        "knowledge.document_chunks",
        "id = $1",
        Owner,
        "INSERT INTO knowledge.document_chunks (id, knowledge_base_id, document_id, chunk_index,
           content, token_count, word_count, page, start_offset, end_offset, words, dimension,
           embedding)
         VALUES ($1, $1, $1, 0, 'text', 1, 1, 1, 0, 4, 'text', 2, '[1,0]')",
    ),
    case(
        "knowledge.word_counts",
        "knowledge_base_id = $1",
        Owner,
        "INSERT INTO knowledge.word_counts (knowledge_base_id, word, chunks)
         VALUES ($1, 'text', 1)",
    ),
    case(
        "ops.system_configs",
        "id = $1",
        Administrators,
        "INSERT INTO ops.system_configs (id, key, value, value_schema, category, description)
         VALUES ($1, 'test.made', '1', '{}', 'test', 'Made.')",
    ),
    case(
        "ops.audit_logs",
        "id = $1",
        Administrators,
        "INSERT INTO ops.audit_logs (id, user_id, action, resource_type)
         VALUES ($1, $1, 'made', 'test')",
    ),
];

#[tokio::test]
async fn every_table_under_row_level_security_has_a_case() {
    let test = TestDb::new().await;
    let mut tx = test.db.begin_maintenance().await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', n.nspname, c.relname)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND n.nspname IN ('app', 'identity', 'gateway', 'chat', 'knowledge', 'ops')
           AND (EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
                OR EXISTS (SELECT FROM pg_attribute a
                           WHERE a.attrelid = c.oid AND NOT a.attisdropped
                             AND a.attname IN ('user_id', 'owner_id', 'created_by')))
         ORDER BY 1",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    let missing: Vec<_> =
        tables.iter().filter(|table| !CASES.iter().any(|case| case.table == **table)).collect();
    assert!(missing.is_empty(), "tables without a case: {missing:#?}");
    let gone: Vec<_> = CASES
        .iter()
        .map(|case| case.table)
        .filter(|table| !tables.iter().any(|found| found == table))
        .collect();
    assert!(gone.is_empty(), "cases of no table: {gone:?}");
}

/// How many rows the statement sees or changes; what it changed is taken back. What the program may
/// not do at all, it does to no row.
async fn rows(connection: &mut PgConnection, sql: String, ada: Uuid) -> u64 {
    sqlx::query("SAVEPOINT attempt").execute(&mut *connection).await.unwrap();
    let done = sqlx::query(AssertSqlSafe(sql.clone())).bind(ada).execute(&mut *connection).await;
    sqlx::query("ROLLBACK TO attempt").execute(&mut *connection).await.unwrap();
    match done {
        Ok(done) => done.rows_affected(),
        Err(error) => {
            let code = error.as_database_error().and_then(|error| error.code());
            assert_eq!(code.as_deref(), Some("42501"), "{sql}: {error}");
            0
        }
    }
}

#[tokio::test]
async fn nobody_reads_or_changes_the_rows_of_another() {
    let test = TestDb::new().await;
    let (ada, bob) = (user(&test.db, "ada").await, user(&test.db, "bob").await);
    let root = admin(&test.db, "root").await;
    let mut tx = test.db.begin_maintenance().await.unwrap();
    for case in CASES.iter().filter(|case| !case.insert.is_empty()) {
        let made = sqlx::query(case.insert).bind(ada).execute(&mut *tx).await;
        assert!(made.is_ok(), "{}: {made:?}", case.table);
    }
    tx.commit().await.unwrap();
    for case in CASES {
        let (table, condition) = (case.table, case.condition);
        let select = format!("SELECT FROM {table} WHERE {condition}");
        let seen_by = case.seen_by;
        let owner = matches!(seen_by, Owner | OwnerAndAdministrators | Everybody);
        let administrator = matches!(seen_by, Administrators | OwnerAndAdministrators | Everybody);
        for (person, name, sees) in
            [(ada, "ada", owner), (root, "root", administrator), (bob, "bob", seen_by == Everybody)]
        {
            let mut tx = test.db.begin_as(person).await.unwrap();
            let seen = rows(&mut tx, select.clone(), ada).await;
            assert_eq!(seen > 0, sees, "{name}: {table}");
        }
        let mut tx = test.db.begin_as(bob).await.unwrap();
        let first = format!(
            "(SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum = 1)"
        );
        let column: String =
            sqlx::query_scalar(AssertSqlSafe(first)).fetch_one(&mut *tx).await.unwrap();
        let update = format!("UPDATE {table} SET {column} = {column} WHERE {condition}");
        assert_eq!(rows(&mut tx, update, ada).await, 0, "bob changes {table}");
        let delete = format!("DELETE FROM {table} WHERE {condition}");
        assert_eq!(rows(&mut tx, delete, ada).await, 0, "bob deletes from {table}");
        // Nobody at all sees nothing but what is everybody's.
        let mut nobody = test.db.pool().begin().await.unwrap();
        let seen = rows(&mut nobody, select, ada).await;
        assert_eq!(seen > 0, seen_by == Everybody, "nobody: {table}");
    }
}

//! An organisation of 10,000 people as rows: written past triggers and checks, with ids made from
//! numbers, so that the statements can name each other's rows.

use lyceum_testkit::TestDb;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};
use uuid::Uuid;

/// With the two who ask.
pub const PEOPLE: usize = 10_000;
/// People who do not ask.
const OTHERS: usize = PEOPLE - 2;
const GROUPS: usize = 500;
const BASES: usize = 5_000;
const PROVIDERS: usize = 200;
/// Of one person who asks.
const CONVERSATIONS: usize = 10_000;

/// The id of the row of this number, as SQL.
fn id(kind: u8, number: &str) -> String {
    format!("('01980000-{kind:04x}-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid")
}

/// Fills the database around the person who asks; answers the number of grants.
pub async fn fill(test: &TestDb, asker: Uuid) -> anyhow::Result<i64> {
    let mut owner = test.owner.connect().await?;
    run(&mut owner, "SET session_replication_role = replica".to_owned()).await?;
    let asker = format!("'{asker}'::uuid");
    for statements in [people(&asker), bases(), providers(), history(&asker), limits()] {
        for statement in statements {
            run(&mut owner, statement).await?;
        }
    }
    // What the program's own PostgreSQL does by itself.
    run(&mut owner, "VACUUM (ANALYZE)".to_owned()).await?;
    let grants = "SELECT (SELECT count(*) FROM knowledge.knowledge_base_grants)
                       + (SELECT count(*) FROM gateway.provider_distributions)";
    Ok(sqlx::query_scalar(grants).fetch_one(&mut owner).await?)
}

async fn run(owner: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(owner).await.map(drop)
}

/// People with a role of their own kind, a key and a session each, in three groups each.
fn people(asker: &str) -> Vec<String> {
    let (person, role, group) = (id(1, "n"), id(4, "n"), id(2, "n"));
    let (of_role, of_group) =
        (id(4, "n % 46 + 1"), id(2, &format!("(n * 7 + k * 131) % {GROUPS}")));
    let others = format!("generate_series(1, {OTHERS}) n");
    vec![
        format!(
            "INSERT INTO identity.users (id, username, email, display_name, created_at)
             SELECT {person}, 'p' || n, 'p' || n || '@example.org', 'Person ' || n,
                    now() - n * interval '1 minute' FROM {others}"
        ),
        // With the preset ones 50.
        format!(
            "INSERT INTO identity.roles (id, name, permissions)
             SELECT {role}, 'role_' || n, '[\"model:read\"]' FROM generate_series(1, 46) n"
        ),
        format!(
            "INSERT INTO identity.user_roles (user_id, role_id)
             SELECT {person}, r.id FROM {others}, identity.roles r WHERE r.name = 'user'
             UNION ALL SELECT {person}, {of_role} FROM {others}"
        ),
        format!(
            "INSERT INTO identity.groups (id, name)
             SELECT {group}, 'g' || n FROM generate_series(0, {GROUPS} - 1) n"
        ),
        format!(
            "INSERT INTO identity.group_members (group_id, user_id)
             SELECT {of_group}, {person} FROM {others}, generate_series(0, 2) k
             UNION ALL SELECT {group}, {asker} FROM generate_series(0, 2) n"
        ),
        format!(
            "INSERT INTO identity.api_keys (id, user_id, name, key_hash, hint, permissions)
             SELECT gen_random_uuid(), CASE WHEN n > {OTHERS} THEN {asker} ELSE {person} END,
                    'key ' || n, sha256(convert_to(n::text, 'UTF8')), '…', '[\"model:read\"]'
             FROM generate_series(1, {OTHERS} + 60) n"
        ),
        format!(
            "INSERT INTO identity.user_sessions
               (id, user_id, refresh_hash, rotated_at, device_info, expires_at, last_used_at)
             SELECT gen_random_uuid(), CASE WHEN n > {OTHERS} THEN {asker} ELSE {person} END,
                    sha256(convert_to(n::text, 'UTF8')), now(), 'a browser',
                    now() + interval '30 days', now() - n * interval '1 second'
             FROM generate_series(1, {OTHERS} + 60) n"
        ),
    ]
}

/// Knowledge bases, each shared with 16 people and 2 groups, and 4 documents in each.
fn bases() -> Vec<String> {
    let (base, person) = (id(3, "n"), id(1, &format!("n % {OTHERS} + 1")));
    let shared_with = id(1, &format!("(n * 17 + k * 499) % {OTHERS} + 1"));
    let shared_among = id(2, &format!("(n * 3 + k * 251) % {GROUPS}"));
    let all = format!("generate_series(0, {BASES} - 1) n");
    vec![
        format!(
            "INSERT INTO knowledge.knowledge_bases
               (id, owner_id, name, collection_name, embedding_model, vector_dimension, visibility)
             SELECT {base}, {person}, 'b' || n, 'kb_' || lpad(to_hex(n), 32, '0'), 'm', 8,
                    CASE WHEN n % 80 = 0 THEN 'organization' ELSE 'private' END FROM {all}"
        ),
        format!(
            "INSERT INTO knowledge.knowledge_base_grants
               (id, knowledge_base_id, user_id, group_id, permission)
             SELECT gen_random_uuid(), {base}, CASE WHEN k > 1 THEN {shared_with} END,
                    CASE WHEN k <= 1 THEN {shared_among} END,
                    (ARRAY['view', 'use', 'edit'])[k % 3 + 1]
             FROM {all}, generate_series(0, 17) k"
        ),
        format!(
            "INSERT INTO knowledge.documents
               (id, knowledge_base_id, uploaded_by, title, filename, file_path, file_size,
                mime_type, content_hash, processing_status, stage)
             SELECT gen_random_uuid(), {base}, {person}, 'd' || k, 'd.txt', n || '/' || k, 1000,
                    'text/plain', sha256(convert_to(n || '/' || k, 'UTF8')), 'completed', 'done'
             FROM {all}, generate_series(1, 4) k"
        ),
    ]
}

/// The organisation's providers, each given to 45 people and 5 groups, with 3 models and their
/// prices; the first of them are everybody's.
fn providers() -> Vec<String> {
    let (config, model) = (id(5, "n"), id(6, "n * 3 + k"));
    let given_to = id(1, &format!("(n * 45 + k * 7) % {OTHERS} + 1"));
    let given_among = id(2, &format!("(n * 5 + k) % {GROUPS}"));
    let all = format!("generate_series(0, {PROVIDERS} - 1) n");
    vec![
        format!(
            "INSERT INTO gateway.provider_configs
               (id, provider, scope, name, base_url, audience, created_at, updated_at)
             SELECT {config}, 'custom', 'organization', 'provider ' || n, 'http://127.0.0.1:9/v1',
                    CASE WHEN n < 60 THEN 'everyone' ELSE 'selected' END, now(), now() FROM {all}"
        ),
        format!(
            "INSERT INTO gateway.provider_distributions
               (id, provider_config_id, user_id, group_id, created_at, updated_at)
             SELECT gen_random_uuid(), {config}, CASE WHEN k >= 5 THEN {given_to} END,
                    CASE WHEN k < 5 THEN {given_among} END, now(), now()
             FROM {all}, generate_series(0, 49) k"
        ),
        format!(
            "INSERT INTO gateway.ai_model_configs
               (id, provider, provider_config_id, name, model, kind, created_at, updated_at)
             SELECT {model}, 'custom', {config}, 'model ' || n || '/' || k, 'model-' || k, 'chat',
                    now(), now()
             FROM {all}, generate_series(0, 2) k"
        ),
        format!(
            "INSERT INTO gateway.model_prices
               (id, provider, provider_config_id, model, input_price, output_price, valid_from,
                created_at, updated_at)
             SELECT gen_random_uuid(), 'custom', {config}, 'model-' || k, 1, 2,
                    now() - interval '1 day', now(), now()
             FROM {all}, generate_series(0, 2) k"
        ),
    ]
}

/// Conversations, calls in the ledger and entries of the audit log.
fn history(asker: &str) -> Vec<String> {
    let person = id(1, &format!("n % {OTHERS} + 1"));
    vec![
        format!(
            "INSERT INTO chat.conversations
               (id, user_id, title, last_message_at, created_at, updated_at)
             SELECT gen_random_uuid(),
                    CASE WHEN n <= {CONVERSATIONS} THEN {asker} ELSE {person} END,
                    'talk ' || n, now() - n * interval '1 minute', now(), now()
             FROM generate_series(1, {CONVERSATIONS} * 5) n"
        ),
        format!(
            "INSERT INTO gateway.usage_statistics
               (id, created_at, user_id, provider, requested_model, purpose, prompt_tokens,
                completion_tokens, cached_tokens, reasoning_tokens, estimated, status, latency_ms,
                request_id)
             SELECT gen_random_uuid(), now() - n * interval '5 seconds',
                    CASE WHEN n % 20 = 0 THEN {asker} ELSE {person} END, 'custom', 'model-1', 'api',
                    10, 20, 0, 0, false, 'completed', 300, gen_random_uuid()
             FROM generate_series(1, 200000) n"
        ),
        format!(
            "INSERT INTO ops.audit_logs
               (id, created_at, user_id, action, resource_type, resource_id, new_values)
             SELECT gen_random_uuid(), now() - n * interval '5 seconds', {person}, 'update',
                    'conversation', gen_random_uuid(), '{{\"is_favorite\": true}}'
             FROM generate_series(1, 200000) n"
        ),
    ]
}

/// A quota for everybody and for each group, of calls and of storage.
fn limits() -> Vec<String> {
    let quota = |column: &str, owner: String, apart: usize, numbers: String| {
        format!(
            "INSERT INTO identity.user_quotas
               (id, {column}, max_api_calls, max_storage_bytes, period_start, created_at)
             SELECT gen_random_uuid(), {owner}, 1000, 1000000000, date_trunc('month', now())::date,
                    now() - n * interval '{apart} minutes'
             FROM generate_series({numbers}) n"
        )
    };
    vec![
        quota("user_id", id(1, "n"), 1, format!("1, {OTHERS}")),
        quota("group_id", id(2, "n"), 20, format!("0, {GROUPS} - 1")),
    ]
}

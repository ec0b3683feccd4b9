//! The rules that every table of the schema keeps, read from the catalogue, so that a migration
//! that forgets one fails here and not in production.

use lyceum_store::crypto::SEALED_COLUMNS;
use lyceum_testkit::TestDb;
use sqlx::{ConnectOptions, PgConnection};

/// A table (or its column) that a rule does not bind, and why.
struct Exception {
    rule: &'static str,
    place: &'static str,
    reason: &'static str,
}

const fn but(rule: &'static str, place: &'static str, reason: &'static str) -> Exception {
    Exception { rule, place, reason }
}

const COUNTER: &str = "a counter by word, derived from the chunks";
const WRITTEN_ONCE: &str = "rows are only ever appended";
const CHAIN: &str = "the chain is numbered without a gap";
const SUMMED: &str = "sums of the ledger, which has the CHECK and is the log";
const LOG: &str = "it is the audit log's own";
const DERIVED: &str = "derived from a document, whose changes are audited";
const EXTRACTED: &str = "taken from a file, whose size is limited, not typed";

const EXCEPTIONS: &[Exception] = &[
    but(
        "one of a few values without a CHECK",
        "ops.audit_logs.resource_type",
        "each domain names its own kinds; the table knows no domain",
    ),
    but(
        "one of a few values without a CHECK",
        "knowledge.documents.mime_type",
        "media types are not ours to list",
    ),
    but("one of a few values without a CHECK", "gateway.usage_deltas.purpose", SUMMED),
    but("one of a few values without a CHECK", "gateway.usage_rollups.purpose", SUMMED),
    but("created_at", "knowledge.word_counts", COUNTER),
    but("updated_at", "knowledge.word_counts", COUNTER),
    but("updated_at", "ops.audit_logs", WRITTEN_ONCE),
    but("updated_at", "gateway.usage_statistics", WRITTEN_ONCE),
    but("updated_at", "ops.system_logs", WRITTEN_ONCE),
    but("updated_at", "gateway.usage_deltas", WRITTEN_ONCE),
    but("key that is not made of uuids", "gateway.quota_leases", "the lock of a process"),
    but("key that is not made of uuids", "identity.login_attempts", "counted by a hash"),
    but("key that is not made of uuids", "gateway.user_default_models", "one of each kind"),
    but("key that is not made of uuids", "knowledge.document_texts", "one of each page"),
    but("key that is not made of uuids", "knowledge.word_counts", COUNTER),
    but("updated_at", "ops.audit_queue", WRITTEN_ONCE),
    but("updated_at", "ops.audit_chain", WRITTEN_ONCE),
    but("updated_at", "ops.audit_checkpoints", WRITTEN_ONCE),
    but("key that is not made of uuids", "ops.audit_queue", "goes in the order of time"),
    but("key that is not made of uuids", "ops.audit_chain", CHAIN),
    but("not audited", "ops.audit_logs", LOG),
    but("not audited", "ops.audit_queue", LOG),
    but("not audited", "ops.audit_chain", LOG),
    but("not audited", "ops.audit_checkpoints", LOG),
    but("not audited", "gateway.usage_statistics", "a ledger is a log of its own"),
    but("not audited", "ops.system_logs", "a log of its own, written by the program alone"),
    but("not audited", "gateway.usage_deltas", SUMMED),
    but("not audited", "gateway.usage_rollups", SUMMED),
    but("not audited", "gateway.call_payloads", "reading one is an entry"),
    but("not audited", "chat.messages", "what people write is theirs, and its rows stay"),
    but("not audited", "chat.conversation_configs", "a person's own taste, of no consequence"),
    but("not audited", "identity.user_preferences", "a person's own taste, of no consequence"),
    but("not audited", "identity.setup_tokens", "what is made with it is audited"),
    but("not audited", "identity.registrations", "the account that comes of it is audited"),
    but("not audited", "identity.account_links", "asking for one and what it does are entries"),
    but("not audited", "identity.recovery_codes", "making and using them are entries"),
    but("not audited", "identity.challenges", "steps of signing in, which is an entry"),
    but("not audited", "gateway.quota_leases", "calls that run; the ledger has them"),
    but("not audited", "gateway.quota_warnings", "follows from the ledger"),
    but("not audited", "identity.login_attempts", "failed sign-ins are entries of their own"),
    but("not audited", "knowledge.document_texts", DERIVED),
    but("not audited", "knowledge.document_chunks", DERIVED),
    but("not audited", "knowledge.word_counts", COUNTER),
    but("text without a limit", "knowledge.document_texts.content", EXTRACTED),
    but("text without a limit", "knowledge.document_chunks.content", EXTRACTED),
    but("text without a limit", "knowledge.word_counts.word", EXTRACTED),
];

/// A rule's name, and the query that lists the places that break it.
const RULES: &[(&str, &str)] = &[
    (
        "foreign key without an index",
        r"SELECT format('%s (%s)', t.name, string_agg(a.attname, ', ' ORDER BY a.attnum))
          FROM pg_constraint k
          JOIN app_tables t ON t.oid = k.conrelid
          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)
          WHERE k.contype = 'f' AND NOT EXISTS (
              SELECT FROM pg_index i
              WHERE i.indrelid = k.conrelid
                AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) ~ '^\(\w+ IS NOT NULL\)$')
                AND (SELECT array_agg(column_number ORDER BY column_number)
                     FROM unnest((i.indkey::int2[])[0:cardinality(k.conkey) - 1]) AS column_number)
                    = (SELECT array_agg(column_number ORDER BY column_number)
                       FROM unnest(k.conkey) AS column_number))
          GROUP BY k.oid, t.name",
    ),
    (
        "foreign key without a stated ON DELETE",
        "SELECT format('%s (%s)', t.name, k.conname)
         FROM pg_constraint k JOIN app_tables t ON t.oid = k.conrelid
         WHERE k.contype = 'f' AND k.confdeltype = 'a'",
    ),
    (
        "owned without forced row-level security",
        "WITH RECURSIVE owned AS (
             (SELECT t.oid FROM app_tables t
              JOIN pg_attribute a ON a.attrelid = t.oid
              WHERE a.attname IN ('user_id', 'owner_id', 'created_by') AND NOT a.attisdropped
              UNION SELECT 'identity.users'::regclass)
             UNION
             SELECT k.conrelid FROM pg_constraint k JOIN owned o ON o.oid = k.confrelid
             WHERE k.contype = 'f')
         SELECT t.name FROM owned o JOIN app_tables t ON t.oid = o.oid
         WHERE NOT (t.relrowsecurity AND t.relforcerowsecurity)",
    ),
    (
        "one of a few values without a CHECK",
        r"SELECT t.name || '.' || a.attname FROM app_tables t
          JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
          WHERE a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'citext'::regtype)
            AND a.attname ~ '(^|_)(status|state|type|role|kind|scope|purpose|stage|visibility)$'
            AND NOT EXISTS (
                SELECT FROM pg_constraint c
                WHERE c.conrelid = t.oid AND c.contype = 'c' AND a.attnum = ANY(c.conkey)
                  AND pg_get_constraintdef(c.oid) ~ '= (ANY \(|'')')",
    ),
    (
        "created_at",
        "SELECT t.name FROM app_tables t WHERE NOT EXISTS (
             SELECT FROM pg_attribute a
             WHERE a.attrelid = t.oid AND a.attname = 'created_at' AND a.attnotnull
               AND a.atttypid = 'timestamptz'::regtype)",
    ),
    (
        "updated_at",
        "SELECT t.name FROM app_tables t WHERE NOT EXISTS (
             SELECT FROM pg_attribute a
             WHERE a.attrelid = t.oid AND a.attname = 'updated_at' AND a.attnotnull
               AND a.atttypid = 'timestamptz'::regtype)",
    ),
    (
        "updated_at that nothing keeps",
        "SELECT t.name FROM app_tables t
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'updated_at'
         WHERE NOT a.attisdropped AND NOT EXISTS (
             SELECT FROM pg_trigger g
             WHERE g.tgrelid = t.oid AND g.tgfoid = 'app.touch_updated_at'::regproc)",
    ),
    (
        "time without a zone",
        "SELECT t.name || '.' || a.attname FROM app_tables t
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE a.atttypid = 'timestamp'::regtype",
    ),
    (
        "key that is not made of uuids",
        "SELECT t.name FROM app_tables t WHERE NOT coalesce((
             SELECT bool_and(a.atttypid = 'uuid'::regtype
                             OR (t.relkind = 'p' AND a.attname = 'created_at'))
             FROM pg_constraint k
             JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY(k.conkey)
             WHERE k.conrelid = t.oid AND k.contype = 'p'), false)",
    ),
    (
        "partitioned without a default partition",
        "SELECT t.name FROM app_tables t
         JOIN pg_partitioned_table p ON p.partrelid = t.oid WHERE p.partdefid = 0",
    ),
    (
        "partition that is reached past its table's row-level security",
        "SELECT c.oid::regclass::text FROM pg_class c
         WHERE c.relispartition AND c.relkind = 'r'
           AND (has_table_privilege('lyceum_app', c.oid, 'SELECT, INSERT, UPDATE, DELETE')
                OR has_table_privilege('lyceum_maintenance', c.oid,
                                       'SELECT, INSERT, UPDATE, DELETE'))",
    ),
    (
        "text without a limit",
        "SELECT t.name || '.' || a.attname FROM app_tables t
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'citext'::regtype)
           AND a.attgenerated = '' AND NOT EXISTS (
               SELECT FROM pg_constraint c
               WHERE c.conrelid = t.oid AND c.contype IN ('c', 'f') AND a.attnum = ANY(c.conkey))",
    ),
    (
        "money or a count in a type too small",
        "SELECT t.name || '.' || a.attname FROM app_tables t
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE (a.attname ~ '(^|_)(cost|price)$'
                AND format_type(a.atttypid, a.atttypmod) <> 'numeric(18,9)')
            OR (a.attname ~ '^(total|used)_.*(tokens|calls)$' AND a.atttypid <> 'int8'::regtype)",
    ),
    (
        "default that more than one row can be",
        "SELECT t.name || '.' || a.attname FROM app_tables t
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'is_default'
         WHERE NOT EXISTS (
             SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisunique
               AND pg_get_expr(i.indpred, i.indrelid) ~ 'is_default')",
    ),
    (
        "not audited",
        "SELECT t.name FROM app_tables t WHERE NOT EXISTS (
             SELECT FROM pg_trigger g
             WHERE g.tgrelid = t.oid AND g.tgfoid = 'ops.audit_row'::regproc)",
    ),
    (
        "audited without an id to name",
        "SELECT t.name FROM app_tables t
         JOIN pg_trigger g ON g.tgrelid = t.oid AND g.tgfoid = 'ops.audit_row'::regproc
         WHERE NOT EXISTS (
             SELECT FROM pg_attribute a
             LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary
             WHERE a.attrelid = t.oid AND a.atttypid = 'uuid'::regtype
               AND (a.attname = 'id' OR a.attnum = i.indkey[0]))",
    ),
    (
        "SECURITY DEFINER function without a search_path of its own",
        "SELECT p.oid::regprocedure::text FROM pg_proc p
         JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
           AND NOT coalesce(array_to_string(p.proconfig, ' ') ~ 'search_path=', false)",
    ),
    (
        "schema in which a role of the program may create",
        "SELECT format('%s (%s)', n.nspname, r.rolname) FROM pg_namespace n, pg_roles r
         WHERE r.rolname IN ('lyceum_app', 'lyceum_maintenance') AND n.nspname !~ '^pg_'
           AND has_schema_privilege(r.oid, n.oid, 'CREATE')",
    ),
    (
        "role of the program that escapes row-level security",
        "SELECT rolname::text FROM pg_roles
         WHERE rolname IN ('lyceum_app', 'lyceum_maintenance') AND (rolbypassrls OR rolsuper)",
    ),
];

#[tokio::test]
async fn every_table_keeps_the_rules() {
    let db = TestDb::new().await;
    let mut connection = db.owner.connect().await.unwrap();
    let violations = violations(&mut connection).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

#[tokio::test]
async fn a_table_that_breaks_the_rules_is_named() {
    let db = TestDb::new().await;
    let mut connection = db.owner.connect().await.unwrap();
    sqlx::raw_sql(
        "CREATE TABLE chat.careless (
             number integer PRIMARY KEY, user_id uuid REFERENCES identity.users, name text,
             status text CHECK (length(status) < 9), sealed_pin bytea, seen_at timestamp, cost numeric,
             is_default boolean, updated_at timestamptz);
         CREATE TABLE chat.follower (
             id uuid PRIMARY KEY, careless integer REFERENCES chat.careless ON DELETE CASCADE);
         CREATE TABLE chat.sliced (id uuid, created_at timestamptz) PARTITION BY RANGE (created_at);
         CREATE TABLE chat.slice PARTITION OF chat.sliced
             FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
         GRANT SELECT ON chat.slice TO lyceum_app;
         CREATE TABLE chat.careless_names (number integer PRIMARY KEY);
         CALL app.audit('chat.careless_names', 'careless');
         CREATE FUNCTION chat.powerful() RETURNS integer LANGUAGE sql SECURITY DEFINER
             AS 'SELECT 1';",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let violations = violations(&mut connection).await;
    for expected in [
        "foreign key without an index: chat.careless (user_id)",
        "foreign key without a stated ON DELETE: chat.careless (careless_user_id_fkey)",
        "owned without forced row-level security: chat.careless",
        "owned without forced row-level security: chat.follower",
        "one of a few values without a CHECK: chat.careless.status",
        "created_at: chat.careless",
        "updated_at: chat.careless",
        "updated_at that nothing keeps: chat.careless",
        "time without a zone: chat.careless.seen_at",
        "key that is not made of uuids: chat.careless",
        "partitioned without a default partition: chat.sliced",
        "partition that is reached past its table's row-level security: chat.slice",
        "text without a limit: chat.careless.name",
        "money or a count in a type too small: chat.careless.cost",
        "default that more than one row can be: chat.careless.is_default",
        "SECURITY DEFINER function without a search_path of its own: chat.powerful()",
        "not audited: chat.careless",
        "audited without an id to name: chat.careless_names",
    ] {
        assert!(violations.iter().any(|v| v == expected), "{expected}\n{violations:#?}");
    }
    assert!(sealed(&mut connection).await.contains(&"chat.careless.sealed_pin".to_owned()));
}

/// What rotation goes through is what there is.
#[tokio::test]
async fn every_sealed_column_is_registered() {
    let db = TestDb::new().await;
    let mut connection = db.owner.connect().await.unwrap();
    let mut registered: Vec<String> =
        SEALED_COLUMNS.iter().map(|column| [column.table, ".", column.sealed].concat()).collect();
    registered.sort();
    assert_eq!(sealed(&mut connection).await, registered);
    for column in SEALED_COLUMNS {
        let types: Vec<String> = sqlx::query_scalar(
            "SELECT atttypid::regtype::text FROM pg_attribute
             WHERE attrelid = $1::text::regclass AND attname = ANY($2)
             ORDER BY array_position($2, attname::text)",
        )
        .bind(column.table)
        .bind(vec![column.id, column.sealed, column.key_id])
        .fetch_all(&mut connection)
        .await
        .unwrap();
        assert_eq!(types, ["uuid", "bytea", "text"], "{column:?}");
    }
}

/// The columns whose names say that they hold sealed secrets.
async fn sealed(connection: &mut PgConnection) -> Vec<String> {
    let query = "SELECT a.attrelid::regclass || '.' || a.attname
                 FROM pg_attribute a
                 JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
                                AND NOT c.relispartition
                 WHERE a.atttypid = 'bytea'::regtype AND a.attname ~ '^(encrypted|sealed)_'
                   AND NOT a.attisdropped AND c.relnamespace <> 'pg_catalog'::regnamespace
                 ORDER BY 1";
    broken(connection, query).await
}

/// All violations, each as `rule: place`.
async fn violations(connection: &mut PgConnection) -> Vec<String> {
    sqlx::raw_sql(
        "CREATE TEMPORARY VIEW app_tables AS
         SELECT c.oid, c.oid::regclass::text AS name, c.relkind, c.relrowsecurity,
                c.relforcerowsecurity
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'public', 'graphile_worker')
           AND n.nspname !~ '^pg_(toast|temp)'",
    )
    .execute(&mut *connection)
    .await
    .unwrap();
    let mut violations = Vec::new();
    for (rule, query) in RULES {
        let places = broken(connection, query).await;
        let excepted: Vec<&Exception> = EXCEPTIONS.iter().filter(|e| e.rule == *rule).collect();
        for place in &places {
            if !excepted.iter().any(|exception| exception.place == place) {
                violations.push(format!("{rule}: {place}"));
            }
        }
        for exception in excepted.iter().filter(|e| !places.iter().any(|place| e.place == place)) {
            violations.push(format!(
                "{rule}: {} keeps it by now; take out the exception ({})",
                exception.place, exception.reason
            ));
        }
    }
    for exception in EXCEPTIONS {
        assert!(RULES.iter().any(|(rule, _)| *rule == exception.rule), "{}", exception.rule);
    }
    violations
}

async fn broken(connection: &mut PgConnection, query: &'static str) -> Vec<String> {
    match sqlx::query_scalar(query).fetch_all(connection).await {
        Ok(places) => places,
        Err(error) => panic!("{error}: {query}"),
    }
}

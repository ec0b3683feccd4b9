//! Every table under row-level security, asked, changed and written to by direct SQL as somebody else.
//! The list of tables comes from the catalogue: one without a case here fails the test.

mod cases;

use cases::SeenBy::{Administrators, Everybody, Owner, OwnerAndAdministrators};
use cases::{CASES, Case};
use lyceum_testkit::{TestDb, admin, user};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};
use uuid::Uuid;

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

/// Ada, who has a row in every table, and Bob.
async fn furnished(test: &TestDb) -> (Uuid, Uuid) {
    let (ada, bob) = (user(&test.db, "ada").await, user(&test.db, "bob").await);
    let mut tx = test.db.begin_maintenance().await.unwrap();
    for case in CASES.iter().filter(|case| !case.insert.is_empty()) {
        let made = sqlx::query(case.insert).bind(ada).execute(&mut *tx).await;
        assert!(made.is_ok(), "{}: {made:?}", case.table);
    }
    tx.commit().await.unwrap();
    (ada, bob)
}

#[tokio::test]
async fn nobody_reads_or_changes_the_rows_of_another() {
    let test = TestDb::new().await;
    let (ada, bob) = furnished(&test).await;
    let root = admin(&test.db, "root").await;
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

/// A statement that writes Ada's row of a table once more. Row-level security is asked before any
/// key, so that it refuses the very row; whoever is told of the key has got past it.
async fn copying(connection: &mut PgConnection, case: &Case, ada: Uuid) -> String {
    let (table, condition) = (case.table, case.condition);
    let statement = format!(
        "SELECT format('INSERT INTO {table} (%1$s) SELECT %1$s
                        FROM jsonb_populate_record(NULL::{table}, %2$L)
                        WHERE $1::uuid IS NOT NULL',
                       (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
                        FROM pg_attribute a
                        WHERE a.attrelid = '{table}'::regclass AND a.attnum > 0
                          AND NOT a.attisdropped AND a.attgenerated = ''),
                       to_jsonb(t))
         FROM {table} t WHERE {condition} LIMIT 1"
    );
    match sqlx::query_scalar(AssertSqlSafe(statement)).bind(ada).fetch_one(connection).await {
        Ok(copying) => copying,
        Err(error) => panic!("{table}: {error}"),
    }
}

/// Whether row-level security refuses the statement.
async fn is_refused(connection: &mut PgConnection, sql: String, ada: Uuid) -> bool {
    sqlx::query("SAVEPOINT attempt").execute(&mut *connection).await.unwrap();
    let done = sqlx::query(AssertSqlSafe(sql)).bind(ada).execute(&mut *connection).await;
    sqlx::query("ROLLBACK TO attempt").execute(&mut *connection).await.unwrap();
    let Err(error) = done else { return false };
    let code = error.as_database_error().and_then(|error| error.code());
    code.as_deref() == Some("42501")
}

/// The tables in which `bob` may write a row in Ada's name.
async fn open_to(test: &TestDb, ada: Uuid, bob: Uuid) -> Vec<&'static str> {
    let mut open = Vec::new();
    for case in CASES {
        let mut tx = test.db.begin_maintenance().await.unwrap();
        let copying = copying(&mut tx, case, ada).await;
        drop(tx);
        let mut tx = test.db.begin_as(bob).await.unwrap();
        if !is_refused(&mut tx, copying, ada).await {
            open.push(case.table);
        }
    }
    open
}

#[tokio::test]
async fn nobody_writes_rows_in_the_name_of_another() {
    let test = TestDb::new().await;
    let (ada, bob) = furnished(&test).await;
    let mut owner = test.owner.connect().await.unwrap();
    for case in CASES {
        // Some refuse a row before row-level security does.
        let quiet = format!("ALTER TABLE {} DISABLE TRIGGER USER", case.table);
        sqlx::query(AssertSqlSafe(quiet)).execute(&mut owner).await.unwrap();
    }
    assert_eq!(open_to(&test, ada, bob).await, [""; 0]);
    sqlx::query("ALTER POLICY person ON identity.user_preferences WITH CHECK (true)")
        .execute(&mut owner)
        .await
        .unwrap();
    assert_eq!(open_to(&test, ada, bob).await, ["identity.user_preferences"], "it is noticed");
}

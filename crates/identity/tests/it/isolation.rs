//! What the database itself refuses, whatever the program asks.

use lyceum_testkit::{TestDb, admin, user};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

/// Every table of the domain that has an owner, with its owner's column.
const OWNED: [(&str, &str); 12] = [
    ("users", "id"),
    ("user_roles", "user_id"),
    ("group_members", "user_id"),
    ("user_sessions", "user_id"),
    ("api_keys", "user_id"),
    ("user_preferences", "user_id"),
    ("invitations", "created_by"),
    ("data_exports", "user_id"),
    ("totp_secrets", "user_id"),
    ("recovery_codes", "user_id"),
    ("passkeys", "user_id"),
    ("oidc_accounts", "user_id"),
];

async fn count(connection: &mut PgConnection, sql: String, user: Uuid) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).bind(user).fetch_one(connection).await.unwrap()
}

/// Gives `user` one row of each kind.
async fn furnish(test: &TestDb, user: Uuid) {
    let mut tx = test.db.begin_maintenance().await.unwrap();
    for sql in [
        "INSERT INTO identity.groups (id, name) VALUES ($1, $1::text)",
        "INSERT INTO identity.group_members (group_id, user_id) VALUES ($1, $1)",
        "INSERT INTO identity.user_sessions
           (id, user_id, refresh_hash, rotated_at, expires_at, last_used_at)
         VALUES ($1, $1, sha256('x'), now(), now() + interval '1 day', now())",
        "INSERT INTO identity.api_keys (id, user_id, name, key_hash, hint, permissions)
         VALUES ($1, $1, 'k', sha256(convert_to($1::text, 'UTF8')), '…', '[]')",
        "INSERT INTO identity.user_preferences (id, user_id, key, value) VALUES ($1, $1, 'k', '1')",
        "INSERT INTO identity.user_quotas (id, user_id, period_start) VALUES ($1, $1, now())",
        "INSERT INTO identity.invitations
           (id, created_by, token_hash, role_ids, group_ids, language, expires_at)
         VALUES ($1, $1, sha256('x'), '{}', '{}', 'en', now())",
        "INSERT INTO identity.data_exports (id, user_id) VALUES ($1, $1)",
        "INSERT INTO identity.totp_secrets (id, user_id, encrypted_secret, key_id)
         VALUES ($1, $1, 'x', 'k')",
        "INSERT INTO identity.recovery_codes (id, user_id, code_hash) VALUES ($1, $1, sha256('x'))",
        "INSERT INTO identity.passkeys
           (id, user_id, name, credential_id, public_key, sign_count, backup_eligible, backed_up,
            aaguid)
         VALUES ($1, $1, 'k', convert_to($1::text, 'UTF8'), 'x', 0, false, false, $1)",
        "INSERT INTO identity.oidc_providers
           (id, name, issuer, client_id, scopes, groups_claim, roles_map, groups_map,
            allow_sign_up, trust_second_factor, is_active)
         VALUES ($1, $1::text, 'https://issuer.example', 'c', 'openid', 'groups', '{}', '{}',
                 false, false, true)",
        "INSERT INTO identity.oidc_accounts (id, user_id, provider_id, subject)
         VALUES ($1, $1, $1, 's')",
        "INSERT INTO identity.scim_tokens (id, name, token_hash, hint, created_by)
         VALUES ($1, 'k', sha256(convert_to($1::text, 'UTF8')), '…', $1)",
    ] {
        sqlx::query(sql).bind(user).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn people_see_and_change_their_own_rows_only() {
    let test = TestDb::new().await;
    let (ada, bob) = (user(&test.db, "ada").await, user(&test.db, "bob").await);
    furnish(&test, ada).await;
    furnish(&test, bob).await;
    let mut tx = test.db.begin_as(ada).await.unwrap();
    for (table, owner) in OWNED {
        let sql =
            |whose: &str| format!("SELECT count(*) FROM identity.{table} WHERE {owner} {whose} $1");
        assert_eq!(count(&mut tx, sql("="), ada).await, 1, "{table}");
        assert_eq!(count(&mut tx, sql("<>"), ada).await, 0, "{table}");
        let sql = format!("UPDATE identity.{table} SET created_at = now() WHERE {owner} = $1");
        let done = sqlx::query(AssertSqlSafe(sql)).bind(bob).execute(&mut *tx).await.unwrap();
        assert_eq!(done.rows_affected(), 0, "{table}");
        let sql = format!("DELETE FROM identity.{table} WHERE {owner} = $1");
        let done = sqlx::query(AssertSqlSafe(sql)).bind(bob).execute(&mut *tx).await.unwrap();
        assert_eq!(done.rows_affected(), 0, "{table}");
    }
    let quotas =
        "SELECT count(*) FROM identity.user_quotas WHERE user_id IS NOT NULL OR $1 IS NULL";
    assert_eq!(count(&mut tx, quotas.to_owned(), ada).await, 1);
    let groups = "SELECT count(*) FROM identity.groups WHERE id = $1 OR true";
    assert_eq!(count(&mut tx, groups.to_owned(), ada).await, 1);
}

#[tokio::test]
async fn without_a_person_nothing_is_seen() {
    let test = TestDb::new().await;
    let ada = user(&test.db, "ada").await;
    furnish(&test, ada).await;
    let mut tx = test.db.pool().begin().await.unwrap();
    for (table, owner) in OWNED {
        let sql = format!("SELECT count(*) FROM identity.{table} WHERE {owner} = $1");
        assert_eq!(count(&mut tx, sql, ada).await, 0, "{table}");
    }
}

#[tokio::test]
async fn tokens_of_directories_are_for_those_with_the_right_and_made_with_all_rights() {
    let test = TestDb::new().await;
    let (root, ada) = (admin(&test.db, "root").await, user(&test.db, "ada").await);
    let all = "SELECT count(*) FROM identity.scim_tokens WHERE created_by = $1 OR true";
    let make = "INSERT INTO identity.scim_tokens (id, name, token_hash, hint)
                VALUES (gen_random_uuid(), 'k', sha256(convert_to($1::text, 'UTF8')), '…')";
    let mut tx = test.db.begin_as(root).await.unwrap();
    sqlx::query(make).bind(root).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = test.db.begin_as(ada).await.unwrap();
    assert_eq!(count(&mut tx, all.to_owned(), ada).await, 0);
    drop(tx);
    let mut tx = test.db.begin_maintenance().await.unwrap();
    for sql in [
        "INSERT INTO identity.roles (id, name, permissions)
         VALUES ($1, 'guard', '[\"scim_token:manage\"]')",
        "INSERT INTO identity.user_roles (user_id, role_id) VALUES ($1, $1)",
    ] {
        sqlx::query(sql).bind(ada).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut tx = test.db.begin_as(ada).await.unwrap();
    assert_eq!(count(&mut tx, all.to_owned(), ada).await, 1);
    let revoked = sqlx::query("UPDATE identity.scim_tokens SET revoked_at = now()");
    assert_eq!(revoked.execute(&mut *tx).await.unwrap().rows_affected(), 1);
    let error = sqlx::query(make).bind(ada).execute(&mut *tx).await.unwrap_err();
    let code = error.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned());
    assert_eq!(code.as_deref(), Some("42501"), "{error}");
}

#[tokio::test]
async fn nobody_makes_themselves_an_administrator() {
    let test = TestDb::new().await;
    let ada = user(&test.db, "ada").await;
    furnish(&test, ada).await;
    for sql in [
        "INSERT INTO identity.user_roles (user_id, role_id)
         SELECT $1, id FROM identity.roles WHERE name = 'admin'",
        "INSERT INTO identity.roles (id, name, permissions) VALUES ($1, 'mine', '[\"*:*\"]')",
        "INSERT INTO identity.user_quotas (id, user_id, period_start) VALUES ($1, $1, now())",
        "INSERT INTO identity.setup_tokens (id, token_hash, expires_at)
         VALUES ($1, sha256('x'), now())",
        "INSERT INTO identity.scim_tokens (id, name, token_hash, hint)
         VALUES ($1, 'mine', sha256('x'), '…')",
        "INSERT INTO identity.users (id, username, email)
         SELECT gen_random_uuid(), 'eve', 'eve@example.org' WHERE $1 IS NOT NULL",
    ] {
        let mut tx = test.db.begin_as(ada).await.unwrap();
        let error = sqlx::query(sql).bind(ada).execute(&mut *tx).await.unwrap_err();
        let code = error.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned());
        assert_eq!(code.as_deref(), Some("42501"), "{sql}: {error}");
    }
    for sql in [
        "UPDATE identity.roles SET permissions = '[\"*:*\"]'",
        "UPDATE identity.user_roles SET role_id = '00000000-0000-7000-8000-000000000001'",
        "UPDATE identity.oidc_providers SET roles_map = '{\"devs\": \"admin\"}'",
        "DELETE FROM identity.oidc_providers",
        "UPDATE identity.scim_tokens SET token_hash = sha256('y')",
        "DELETE FROM identity.scim_tokens",
    ] {
        let mut tx = test.db.begin_as(ada).await.unwrap();
        let done = sqlx::query(sql).execute(&mut *tx).await.unwrap();
        assert_eq!(done.rows_affected(), 0, "{sql}");
    }
}

#[tokio::test]
async fn tokens_and_attempts_are_the_platforms_own() {
    let test = TestDb::new().await;
    let root = admin(&test.db, "root").await;
    let mut tx = test.db.begin_maintenance().await.unwrap();
    for sql in [
        "INSERT INTO identity.setup_tokens (id, token_hash, expires_at)
         VALUES (gen_random_uuid(), sha256('x'), now())",
        "INSERT INTO identity.login_attempts (subject_hash, failures, last_failed_at)
         VALUES (sha256('x'), 1, now())",
        "INSERT INTO identity.registrations
           (id, token_hash, username, email, password_hash, language, expires_at)
         VALUES (gen_random_uuid(), sha256('x'), 'eve', 'e@x.org', 'x', 'en', now())",
        "INSERT INTO identity.challenges (id, token_hash, purpose, data, expires_at)
         VALUES (gen_random_uuid(), sha256('x'), 'oidc', '{}', now())",
    ] {
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut tx = test.db.begin_as(root).await.unwrap();
    for table in ["setup_tokens", "login_attempts", "registrations", "challenges"] {
        let sql = format!("SELECT count(*) FROM identity.{table} WHERE $1 IS NOT NULL");
        assert_eq!(count(&mut tx, sql, root).await, 0, "{table}");
    }
}

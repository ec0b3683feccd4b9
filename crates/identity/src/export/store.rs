//! The names of tables and columns come from the catalogue, which quotes them; values are bound.

use chrono::{DateTime, Utc};
use futures::Stream;
use lyceum_core::{Cursor, Page, PageRequest};
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::IdentityError;

/// An export as its owner sees it.
pub(crate) struct ExportRow {
    pub(crate) id: Uuid,
    pub(crate) status: String,
    pub(crate) size_bytes: Option<i64>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// Writes a new export; says no where it would be one more than `limit`.
pub(super) async fn insert(
    connection: &mut PgConnection,
    id: Uuid,
    user: Uuid,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "INSERT INTO identity.data_exports (id, user_id, created_at)
         SELECT $1, $2, $3
         WHERE (SELECT count(*) FROM identity.data_exports WHERE user_id = $2) < $4",
        id,
        user,
        now,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// One export of this user.
pub(super) async fn find(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
) -> Result<Option<ExportRow>, IdentityError> {
    Ok(sqlx::query_as!(
        ExportRow,
        "SELECT id, status, size_bytes, created_at, finished_at, expires_at
         FROM identity.data_exports WHERE id = $1 AND user_id = $2",
        id,
        user,
    )
    .fetch_optional(connection)
    .await?)
}

/// A page of this user's exports, newest first.
pub(super) async fn list(
    connection: &mut PgConnection,
    user: Uuid,
    page: PageRequest,
) -> Result<Page<ExportRow>, IdentityError> {
    let rows = sqlx::query_as!(
        ExportRow,
        "SELECT id, status, size_bytes, created_at, finished_at, expires_at
         FROM identity.data_exports
         WHERE user_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
         ORDER BY created_at DESC, id DESC LIMIT $4",
        user,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(connection)
    .await?;
    let cursor = |row: &ExportRow| Cursor { at: row.created_at, id: row.id };
    Ok(Page::from_rows(rows, page.limit, cursor))
}

/// Takes an unfinished export up; answers whose it is. The one of a deleted account is nobody's.
pub(super) async fn begin(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<Uuid>, IdentityError> {
    Ok(sqlx::query_scalar!(
        "UPDATE identity.data_exports e SET status = 'running'
         FROM identity.users u
         WHERE e.id = $1 AND u.id = e.user_id AND u.deleted_at IS NULL
           AND e.status IN ('pending', 'running')
         RETURNING e.user_id",
        id,
    )
    .fetch_optional(connection)
    .await?)
}

pub(super) async fn finish(
    connection: &mut PgConnection,
    id: Uuid,
    size: i64,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.data_exports
         SET status = 'ready', size_bytes = $2, finished_at = $3, expires_at = $4 WHERE id = $1",
        id,
        size,
        now,
        expires_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn give_up(
    connection: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.data_exports SET status = 'failed', finished_at = $2 WHERE id = $1",
        id,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps the transaction from changing anything.
pub(super) async fn read_only(connection: &mut PgConnection) -> Result<(), IdentityError> {
    sqlx::query!("SET TRANSACTION READ ONLY").execute(connection).await?;
    Ok(())
}

/// A table with data of persons.
pub(super) struct PersonalTable {
    /// `schema/table`.
    pub(super) name: String,
    /// Its name for SQL.
    target: String,
    /// The columns that say whose a row is; those of `parent` where there is one.
    owner_columns: Vec<String>,
    parent: Option<String>,
    parent_column: Option<String>,
    hidden_columns: Vec<String>,
    /// Whether its rows name files in the object store.
    pub(super) has_files: bool,
}

/// All tables with data of persons, as the catalogue knows them.
pub(super) async fn personal_tables(
    connection: &mut PgConnection,
) -> Result<Vec<PersonalTable>, IdentityError> {
    Ok(sqlx::query_as!(
        PersonalTable,
        r#"SELECT name AS "name!", target AS "target!", owner_columns AS "owner_columns!",
                  parent, parent_column, hidden_columns AS "hidden_columns!",
                  has_files AS "has_files!"
           FROM app.personal_tables ORDER BY name"#
    )
    .fetch_all(connection)
    .await?)
}

/// The person's rows as JSON, without the columns that hold secrets.
pub(super) fn rows(table: &PersonalTable, user: Uuid) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new("SELECT (to_jsonb(t) - ");
    query.push_bind(table.hidden_columns.clone()).push("::text[])::text");
    from_whom(&mut query, table, user);
    query
}

/// The files that the person's rows name.
pub(super) async fn files(
    connection: &mut PgConnection,
    table: &PersonalTable,
    user: Uuid,
) -> Result<Vec<String>, IdentityError> {
    let mut query = QueryBuilder::new("SELECT t.file_path");
    from_whom(&mut query, table, user);
    Ok(query.build_query_scalar().fetch_all(connection).await?)
}

/// The owner is stated, too: an administrator sees more than their own rows.
fn from_whom(query: &mut QueryBuilder<Postgres>, table: &PersonalTable, user: Uuid) {
    query.push(" FROM ").push(&table.target).push(" AS t");
    let owned = match (&table.parent, &table.parent_column) {
        (Some(parent), Some(column)) => {
            query.push(" JOIN ").push(parent).push(" AS p ON p.id = t.").push(column);
            "p."
        }
        _ => "t.",
    };
    let mut before = " WHERE ";
    for column in &table.owner_columns {
        query.push(before).push(owned).push(column).push(" = ").push_bind(user);
        before = " OR ";
    }
}

/// The entries of the audit log about a person: what they did, and what was done to their account.
/// Where it was another who did it, from where is left out; where it was done to what is not the
/// person's own, such as another's account, what it was before and after.
pub(super) fn audit_entries<'a>(
    connection: &'a mut PgConnection,
    user: Uuid,
) -> impl Stream<Item = Result<String, sqlx::Error>> + 'a {
    sqlx::query_scalar!(
        r#"SELECT (to_jsonb(l)
                   - CASE WHEN l.user_id = $1 THEN '{}'
                          ELSE ARRAY['ip_address', 'user_agent'] END
                   - CASE WHEN l.resource_type = 'user' AND l.resource_id = $1
                               OR $1::text IN (v ->> 'user_id', v ->> 'owner_id')
                               OR l.resource_type = 'session' AND NOT v ? 'user_id' THEN '{}'
                          ELSE ARRAY['old_values', 'new_values'] END)::text AS "entry!"
           FROM ops.audit_logs l
           CROSS JOIN LATERAL (SELECT coalesce(l.new_values, l.old_values, '{}')) AS o (v)
           WHERE l.user_id = $1 OR l.resource_type = 'user' AND l.resource_id = $1"#,
        user,
    )
    .fetch(connection)
}

/// Exports that are not kept any more: id and owner.
pub(crate) async fn expired(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    given_up_before: DateTime<Utc>,
) -> Result<Vec<(Uuid, Uuid)>, IdentityError> {
    let rows = sqlx::query!(
        "SELECT id, user_id FROM identity.data_exports
         WHERE expires_at <= $1 OR status = 'failed' AND finished_at <= $2",
        now,
        given_up_before,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.user_id)).collect())
}

pub(crate) async fn remove(connection: &mut PgConnection, id: Uuid) -> Result<(), IdentityError> {
    sqlx::query!("DELETE FROM identity.data_exports WHERE id = $1", id).execute(connection).await?;
    Ok(())
}

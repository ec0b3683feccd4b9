use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, Page, PageRequest};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::KnowledgeError;

/// With whom a base is shared, and how far.
pub(crate) struct GrantRow {
    pub(crate) id: Uuid,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) username: Option<String>,
    pub(crate) group_id: Option<Uuid>,
    pub(crate) group_name: Option<String>,
    pub(crate) level: String,
    pub(crate) granted_by: Option<Uuid>,
    pub(crate) granted_by_name: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
}

/// A living person or group.
#[derive(Clone, Copy)]
pub(crate) enum Grantee {
    Person(Uuid),
    Group(Uuid),
}

/// A living person by id or username.
pub(super) async fn person(
    connection: &mut PgConnection,
    named: &str,
) -> Result<Grantee, KnowledgeError> {
    if named.contains('\0') {
        return Err(KnowledgeError::NotFound("user"));
    }
    let found = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM app.directory
           WHERE id = $1 OR ($1::uuid IS NULL AND username = $2::text::citext)"#,
        named.parse::<Uuid>().ok(),
        named,
    )
    .fetch_optional(connection)
    .await?;
    found.map(Grantee::Person).ok_or(KnowledgeError::NotFound("user"))
}

/// A living group that the acting user sees.
pub(super) async fn group(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Grantee, KnowledgeError> {
    let found = sqlx::query_scalar!(
        "SELECT id FROM identity.groups WHERE id = $1 AND deleted_at IS NULL",
        id,
    )
    .fetch_optional(connection)
    .await?;
    found.map(Grantee::Group).ok_or(KnowledgeError::NotFound("group"))
}

/// A page of the grants of a base, the latest first.
pub(super) async fn list(
    connection: &mut PgConnection,
    base: Uuid,
    page: PageRequest,
) -> Result<Page<GrantRow>, KnowledgeError> {
    let rows = select(connection, base, None, page).await?;
    Ok(Page::from_rows(rows, page.limit, |row| Cursor { at: row.created_at, id: row.id }))
}

/// One grant of a base.
pub(super) async fn find(
    connection: &mut PgConnection,
    base: Uuid,
    id: Uuid,
) -> Result<GrantRow, KnowledgeError> {
    let one = PageRequest { limit: 1, after: None };
    let rows = select(connection, base, Some(id), one).await?;
    rows.into_iter().next().ok_or(KnowledgeError::NotFound("grant"))
}

async fn select(
    connection: &mut PgConnection,
    base: Uuid,
    id: Option<Uuid>,
    page: PageRequest,
) -> Result<Vec<GrantRow>, KnowledgeError> {
    Ok(sqlx::query_as!(
        GrantRow,
        r#"SELECT k.id, k.user_id, u.username::text AS "username?", k.group_id,
                  g.name::text AS "group_name?", k.permission AS level, k.granted_by,
                  b.username::text AS "granted_by_name?", k.created_at
           FROM knowledge.knowledge_base_grants k
           LEFT JOIN app.directory u ON u.id = k.user_id
           LEFT JOIN identity.groups g ON g.id = k.group_id AND g.deleted_at IS NULL
           LEFT JOIN app.directory b ON b.id = k.granted_by
           WHERE k.knowledge_base_id = $1 AND ($2::uuid IS NULL OR k.id = $2)
             AND ($3::timestamptz IS NULL OR (k.created_at, k.id) < ($3, $4::uuid))
           ORDER BY k.created_at DESC, k.id DESC LIMIT $5"#,
        base,
        id,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(connection)
    .await?)
}

/// Writes a grant, or the new level of one that is there; its id, unless it would be one more than
/// `limit`.
#[expect(clippy::too_many_arguments, reason = "the columns of a row")]
pub(super) async fn put(
    connection: &mut PgConnection,
    id: Uuid,
    base: Uuid,
    grantee: Grantee,
    level: &str,
    by: Uuid,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Option<Uuid>, KnowledgeError> {
    let (user, group) = match grantee {
        Grantee::Person(id) => (Some(id), None),
        Grantee::Group(id) => (None, Some(id)),
    };
    Ok(sqlx::query_scalar!(
        "INSERT INTO knowledge.knowledge_base_grants
           (id, knowledge_base_id, user_id, group_id, permission, granted_by, created_at, updated_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $7
         WHERE (SELECT count(*) FROM knowledge.knowledge_base_grants
                WHERE knowledge_base_id = $2
                  AND (user_id, group_id) IS DISTINCT FROM ($3, $4)) < $8
         ON CONFLICT (knowledge_base_id, user_id, group_id) DO UPDATE
         SET permission = excluded.permission, granted_by = excluded.granted_by
         RETURNING id",
        id,
        base,
        user,
        group,
        level,
        by,
        now,
        limit,
    )
    .fetch_optional(connection)
    .await?)
}

/// Deletes a grant.
pub(super) async fn remove(
    connection: &mut PgConnection,
    base: Uuid,
    id: Uuid,
) -> Result<(), KnowledgeError> {
    let done = sqlx::query!(
        "DELETE FROM knowledge.knowledge_base_grants WHERE id = $1 AND knowledge_base_id = $2",
        id,
        base,
    )
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 { Err(KnowledgeError::NotFound("grant")) } else { Ok(()) }
}

use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, Page, PageRequest};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::IdentityError;

/// A group and how many living members it has.
pub(crate) struct GroupRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) member_count: i64,
    pub(crate) created_by: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A member of a group.
pub(crate) struct MemberRow {
    pub(crate) user_id: Uuid,
    pub(crate) username: String,
    pub(crate) display_name: Option<String>,
    pub(crate) status: String,
    pub(crate) added_by: Option<Uuid>,
    pub(crate) added_at: DateTime<Utc>,
}

/// A page of the living groups, newest first; only those of `member` if given. To a member who may
/// not read groups, the count is of the members that they see: themselves.
pub(super) async fn list(
    connection: &mut PgConnection,
    member: Option<Uuid>,
    page: PageRequest,
) -> Result<Page<GroupRow>, IdentityError> {
    let rows = sqlx::query_as!(
        GroupRow,
        r#"SELECT g.id, g.name::text AS "name!", g.description, g.created_by, g.created_at,
                  g.updated_at,
                  (SELECT count(*) FROM identity.group_members m WHERE m.group_id = g.id
                   AND m.user_id NOT IN (SELECT id FROM app.departed)) AS "member_count!"
           FROM identity.groups g
           WHERE g.deleted_at IS NULL
             AND ($1::uuid IS NULL OR EXISTS (SELECT FROM identity.group_members m
                                              WHERE m.group_id = g.id AND m.user_id = $1))
             AND ($2::timestamptz IS NULL OR (g.created_at, g.id) < ($2, $3::uuid))
           ORDER BY g.created_at DESC, g.id DESC LIMIT $4"#,
        member,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, page.limit, |row| Cursor { at: row.created_at, id: row.id }))
}

/// One living group.
pub(super) async fn find(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<GroupRow, IdentityError> {
    let found = sqlx::query_as!(
        GroupRow,
        r#"SELECT g.id, g.name::text AS "name!", g.description, g.created_by, g.created_at,
                  g.updated_at,
                  (SELECT count(*) FROM identity.group_members m WHERE m.group_id = g.id
                   AND m.user_id NOT IN (SELECT id FROM app.departed)) AS "member_count!"
           FROM identity.groups g WHERE g.id = $1 AND g.deleted_at IS NULL"#,
        id,
    )
    .fetch_optional(connection)
    .await?;
    found.ok_or(IdentityError::NotFound("group"))
}

/// Writes a new group.
pub(super) async fn insert(
    connection: &mut PgConnection,
    id: Uuid,
    name: &str,
    description: &str,
    by: Uuid,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.groups (id, name, description, created_by, created_at, updated_at)
         VALUES ($1, $2::text::citext, $3, $4, $5, $5)",
        id,
        name,
        description,
        by,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Changes a living group; `None` stays.
pub(super) async fn update(
    connection: &mut PgConnection,
    id: Uuid,
    name: Option<&str>,
    description: Option<&str>,
) -> Result<(), IdentityError> {
    let done = sqlx::query!(
        "UPDATE identity.groups
         SET name = coalesce($2::text::citext, name), description = coalesce($3, description)
         WHERE id = $1 AND deleted_at IS NULL",
        id,
        name,
        description,
    )
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 { Err(IdentityError::NotFound("group")) } else { Ok(()) }
}

/// Marks a group as deleted.
pub(crate) async fn mark_deleted(
    connection: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    let done = sqlx::query!(
        "UPDATE identity.groups SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL",
        id,
        now,
    )
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 { Err(IdentityError::NotFound("group")) } else { Ok(()) }
}

/// A page of the living members of a group, the latest first.
pub(super) async fn members(
    connection: &mut PgConnection,
    group: Uuid,
    page: PageRequest,
) -> Result<Page<MemberRow>, IdentityError> {
    let rows = sqlx::query_as!(
        MemberRow,
        r#"SELECT m.user_id, d.username::text AS "username!", d.display_name,
                  d.status AS "status!", m.added_by, m.created_at AS added_at
           FROM identity.group_members m JOIN app.directory d ON d.id = m.user_id
           WHERE m.group_id = $1
             AND ($2::timestamptz IS NULL OR (m.created_at, m.user_id) < ($2, $3::uuid))
           ORDER BY m.created_at DESC, m.user_id DESC LIMIT $4"#,
        group,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, page.limit, |row| Cursor { at: row.added_at, id: row.user_id }))
}

/// Adds a living person; says no where there is none.
pub(super) async fn add_member(
    connection: &mut PgConnection,
    group: Uuid,
    user: Uuid,
    by: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, IdentityError> {
    let person = sqlx::query_scalar!(
        r#"WITH person AS (SELECT id FROM app.directory WHERE id = $2),
                added AS (INSERT INTO identity.group_members
                            (group_id, user_id, added_by, created_at, updated_at)
                          SELECT $1, id, $3, $4, $4 FROM person ON CONFLICT DO NOTHING)
           SELECT id FROM person"#,
        group,
        user,
        by,
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(person.is_some())
}

/// Takes a person out; says whether they were in it.
pub(super) async fn remove_member(
    connection: &mut PgConnection,
    group: Uuid,
    user: Uuid,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "DELETE FROM identity.group_members WHERE group_id = $1 AND user_id = $2",
        group,
        user,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

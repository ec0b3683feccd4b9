use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::super::error::ScimError;
use super::super::filter::{Comparison, Operator};
use super::super::resource::{ScimReference, Wanted};
use super::super::user::{compare, compare_exact, push};
use crate::IdentityError;

/// A group as a directory sees it.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct GroupRow {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) external_id: Option<String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    /// Where they were asked for.
    pub(super) members: Option<Json<Vec<ScimReference>>>,
}

/// With `members` bound as whether they are wanted.
fn select(members: bool) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(
        "SELECT g.id, g.name::text AS name, g.external_id, g.created_at, g.updated_at,
                CASE WHEN ",
    );
    query.push_bind(members).push(
        " THEN
             (SELECT coalesce(jsonb_agg(jsonb_build_object(
                         'value', u.id, 'display', coalesce(u.display_name, u.username::text))
                         ORDER BY m.created_at, u.id), '[]')
              FROM identity.group_members m JOIN identity.users u ON u.id = m.user_id
              WHERE m.group_id = g.id AND u.deleted_at IS NULL) END AS members
         FROM identity.groups g WHERE g.deleted_at IS NULL",
    );
    query
}

/// One living group.
pub(super) async fn find(
    connection: &mut PgConnection,
    id: Uuid,
    members: bool,
) -> Result<Option<GroupRow>, ScimError> {
    let mut query = select(members);
    query.push(" AND g.id = ").push_bind(id);
    Ok(query.build_query_as().fetch_optional(connection).await?)
}

/// A page of the living groups, oldest first, and how many there are.
pub(super) async fn list(
    connection: &mut PgConnection,
    wanted: &Wanted,
    members: bool,
) -> Result<(i64, Vec<GroupRow>), ScimError> {
    let mut query =
        QueryBuilder::new("SELECT count(*) FROM identity.groups g WHERE g.deleted_at IS NULL");
    restrict(&mut query, wanted)?;
    let total = query.build_query_scalar().fetch_one(&mut *connection).await?;
    if wanted.count == 0 {
        return Ok((total, Vec::new()));
    }
    let mut query = select(members);
    restrict(&mut query, wanted)?;
    query.push(" ORDER BY g.created_at, g.id LIMIT ").push_bind(wanted.count);
    query.push(" OFFSET ").push_bind(wanted.start_index - 1);
    Ok((total, query.build_query_as().fetch_all(connection).await?))
}

fn restrict(query: &mut QueryBuilder<Postgres>, wanted: &Wanted) -> Result<(), ScimError> {
    match &wanted.filter {
        Some(filter) => {
            query.push(" AND ");
            push(query, filter, &condition)
        }
        None => Ok(()),
    }
}

fn condition(query: &mut QueryBuilder<Postgres>, one: &Comparison) -> Result<(), ScimError> {
    match one.attribute.as_str() {
        "displayname" => compare(query, "g.name", one),
        "externalid" => compare_exact(query, "g.external_id", one),
        "id" => compare_exact(query, "g.id::text", one),
        "members" | "members.value" => {
            if !matches!(one.operator, Operator::Equal | Operator::Present) {
                let detail = "Members are compared by eq.";
                return Err(ScimError::invalid_filter(detail));
            }
            query.push(
                "EXISTS (SELECT FROM identity.group_members m JOIN identity.users u
                         ON u.id = m.user_id WHERE m.group_id = g.id AND u.deleted_at IS NULL AND ",
            );
            compare_exact(query, "u.id::text", one)?;
            query.push(")");
            Ok(())
        }
        other => {
            let detail = format!("Groups cannot be found by '{other}'.");
            Err(ScimError::invalid_filter(detail))
        }
    }
}

/// Writes a new group.
pub(super) async fn insert(
    connection: &mut PgConnection,
    id: Uuid,
    name: &str,
    external_id: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.groups (id, name, external_id, created_at, updated_at)
         VALUES ($1, $2::text::citext, $3, $4, $4)",
        id,
        name,
        external_id,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Locks a living group until the transaction ends, so that changes of its members take turns; says
/// whether there is one.
pub(super) async fn lock(connection: &mut PgConnection, id: Uuid) -> Result<bool, IdentityError> {
    let found = sqlx::query_scalar!(
        "SELECT id FROM identity.groups WHERE id = $1 AND deleted_at IS NULL FOR UPDATE",
        id,
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.is_some())
}

/// Names a group; `None` stays.
pub(super) async fn update(
    connection: &mut PgConnection,
    id: Uuid,
    name: Option<&str>,
    external_id: Option<Option<&str>>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.groups
         SET name = coalesce($2::text::citext, name),
             external_id = CASE WHEN $3 THEN $4 ELSE external_id END
         WHERE id = $1",
        id,
        name,
        external_id.is_some(),
        external_id.flatten(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds people; who is in it already stays. Answers the ids among `members` that are nobody's.
pub(super) async fn add(
    connection: &mut PgConnection,
    group: Uuid,
    members: &[Uuid],
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.group_members (group_id, user_id, created_at, updated_at)
         SELECT $1, u.id, $3, $3 FROM identity.users u
         WHERE u.id = ANY ($2) AND u.deleted_at IS NULL
         ON CONFLICT DO NOTHING",
        group,
        members,
        now,
    )
    .execute(&mut *connection)
    .await?;
    Ok(sqlx::query_scalar!(
        r#"SELECT w.id AS "id!" FROM unnest($1::uuid[]) AS w (id)
           WHERE NOT EXISTS (SELECT FROM identity.users u
                             WHERE u.id = w.id AND u.deleted_at IS NULL)"#,
        members,
    )
    .fetch_all(connection)
    .await?)
}

/// Takes people out.
pub(super) async fn remove(
    connection: &mut PgConnection,
    group: Uuid,
    members: &[Uuid],
) -> Result<(), IdentityError> {
    sqlx::query!(
        "DELETE FROM identity.group_members WHERE group_id = $1 AND user_id = ANY ($2)",
        group,
        members,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes out all but these.
pub(super) async fn keep_only(
    connection: &mut PgConnection,
    group: Uuid,
    members: &[Uuid],
) -> Result<(), IdentityError> {
    sqlx::query!(
        "DELETE FROM identity.group_members WHERE group_id = $1 AND user_id <> ALL ($2)",
        group,
        members,
    )
    .execute(connection)
    .await?;
    Ok(())
}

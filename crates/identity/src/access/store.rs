use chrono::{DateTime, Utc};
use lyceum_core::PermissionSet;
use sqlx::PgConnection;
use sqlx::types::ipnet::IpNet;
use uuid::Uuid;

use super::Block;
use crate::IdentityError;
use crate::authenticate::permission_set;

/// Somebody who is asked about.
pub(super) struct Person {
    pub(super) id: Uuid,
    pub(super) username: String,
    pub(super) blocked_by: Option<String>,
}

/// A pattern of a role of a person.
pub(super) struct RightRow {
    pub(super) role: String,
    pub(super) pattern: String,
    pub(super) blocked_by: Option<String>,
}

/// An object that can be shared.
pub(super) struct ObjectRow {
    pub(super) name: String,
    pub(super) audience: String,
    pub(super) owner: Option<String>,
}

/// A way to an object.
pub(super) struct PathRow {
    pub(super) level: String,
    pub(super) via: String,
    pub(super) group: Option<String>,
    pub(super) granted_by: Option<String>,
    pub(super) granted_at: DateTime<Utc>,
    pub(super) blocked_by: Option<String>,
}

/// An API key.
pub(super) struct KeyRow {
    pub(super) label: String,
    pub(super) permissions: PermissionSet,
    pub(super) models: Option<Vec<String>>,
    pub(super) allowed_addresses: Vec<IpNet>,
    status: String,
    expired: bool,
}

impl KeyRow {
    /// Why it is refused altogether.
    pub(super) fn block(&self) -> Option<Block> {
        match self.status.as_str() {
            "revoked" => Some(Block::KeyRevoked),
            "inactive" => Some(Block::KeyInactive),
            _ => self.expired.then_some(Block::KeyExpired),
        }
    }
}

/// By id, username or e-mail address; deleted ones by id only.
pub(super) async fn person(
    connection: &mut PgConnection,
    named: &str,
) -> Result<Person, IdentityError> {
    if named.contains('\0') {
        return Err(IdentityError::NotFound("user"));
    }
    let found = sqlx::query_as!(
        Person,
        r#"SELECT id, username::text AS "username!",
                  app.person_block(status, deleted_at) AS blocked_by
           FROM identity.users
           WHERE id = $1 OR deleted_at IS NULL
                 AND (username = $2::text::citext OR email = $2::text::citext)
           ORDER BY id = $1 DESC NULLS LAST LIMIT 1"#,
        named.parse::<Uuid>().ok(),
        named,
    )
    .fetch_optional(connection)
    .await?;
    found.ok_or(IdentityError::NotFound("user"))
}

/// The decision on a right.
pub(super) async fn may(
    connection: &mut PgConnection,
    person: Uuid,
    resource: &str,
    action: &str,
) -> Result<bool, IdentityError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT app.person_may($1, $2, $3) AS "may!""#,
        person,
        resource,
        action
    )
    .fetch_one(connection)
    .await?)
}

/// The decision on an object.
pub(super) async fn can(
    connection: &mut PgConnection,
    person: Uuid,
    wanted: &str,
    kind: &str,
    id: Uuid,
) -> Result<bool, IdentityError> {
    Ok(sqlx::query_scalar!(r#"SELECT app.can($1, $2, $3, $4) AS "can!""#, person, wanted, kind, id)
        .fetch_one(connection)
        .await?)
}

/// What the decision on a right is made from.
pub(super) async fn rights(
    connection: &mut PgConnection,
    person: Uuid,
) -> Result<Vec<RightRow>, IdentityError> {
    Ok(sqlx::query_as!(
        RightRow,
        r#"SELECT role AS "role!", pattern AS "pattern!", blocked_by
           FROM app.person_rights WHERE person_id = $1 ORDER BY role, pattern"#,
        person,
    )
    .fetch_all(connection)
    .await?)
}

/// What the decision on an object is made from.
pub(super) async fn paths(
    connection: &mut PgConnection,
    person: Uuid,
    kind: &str,
    id: Uuid,
) -> Result<Vec<PathRow>, IdentityError> {
    Ok(sqlx::query_as!(
        PathRow,
        r#"SELECT a.level AS "level!", a.via AS "via!", g.name::text AS "group?",
                  u.username::text AS "granted_by?", a.granted_at AS "granted_at!", a.blocked_by
           FROM app.access_paths a
           LEFT JOIN identity.groups g ON g.id = a.group_id
           LEFT JOIN identity.users u ON u.id = a.granted_by
           WHERE a.person_id = $1 AND a.object_type = $2 AND a.object_id = $3
           ORDER BY app.level_rank(a.level) DESC, a.granted_at"#,
        person,
        kind,
        id,
    )
    .fetch_all(connection)
    .await?)
}

/// A key of the person.
pub(super) async fn key(
    connection: &mut PgConnection,
    person: Uuid,
    id: Uuid,
) -> Result<Option<KeyRow>, IdentityError> {
    let row = sqlx::query!(
        r#"SELECT name || ' (' || hint || ')' AS "label!", permissions, status, models,
                  coalesce(expires_at <= clock_timestamp(), false) AS "expired!",
                  allowed_addresses AS "allowed_addresses: Vec<IpNet>"
           FROM identity.api_keys WHERE id = $1 AND user_id = $2"#,
        id,
        person,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| KeyRow {
        label: row.label,
        permissions: permission_set(std::slice::from_ref(&row.permissions)),
        models: row.models,
        allowed_addresses: row.allowed_addresses,
        status: row.status,
        expired: row.expired,
    }))
}

/// The object itself.
pub(super) async fn object(
    connection: &mut PgConnection,
    kind: &str,
    id: Uuid,
) -> Result<Option<ObjectRow>, IdentityError> {
    Ok(sqlx::query_as!(
        ObjectRow,
        r#"SELECT o.name AS "name!", o.audience AS "audience!", u.username::text AS "owner?"
           FROM app.shared_objects o LEFT JOIN identity.users u ON u.id = o.owner_id
           WHERE o.object_type = $1 AND o.object_id = $2"#,
        kind,
        id,
    )
    .fetch_optional(connection)
    .await?)
}

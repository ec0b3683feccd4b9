use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, Page, PageRequest};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{IdentityError, user};

/// An invitation to be written.
pub(super) struct NewRow<'a> {
    pub(super) id: Uuid,
    pub(super) created_by: Uuid,
    pub(super) hash: &'a [u8; 32],
    pub(super) email: Option<&'a str>,
    pub(super) roles: &'a [Uuid],
    pub(super) groups: &'a [Uuid],
    pub(super) is_mailed: bool,
    pub(super) language: &'a str,
    pub(super) now: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
}

/// An invitation with the names of what it gives.
pub(crate) struct InvitationRow {
    pub(crate) id: Uuid,
    pub(crate) created_by: Uuid,
    /// The name that the inviter shows.
    pub(crate) inviter: String,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) email: Option<String>,
    pub(crate) role_ids: Vec<Uuid>,
    pub(crate) roles: Vec<String>,
    pub(crate) group_ids: Vec<Uuid>,
    pub(crate) groups: Vec<String>,
    pub(crate) is_mailed: bool,
    pub(crate) language: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) revoked_at: Option<DateTime<Utc>>,
    pub(crate) accepted_at: Option<DateTime<Utc>>,
}

impl InvitationRow {
    /// Whether it can still be accepted.
    pub(crate) fn waits(&self, now: DateTime<Utc>) -> bool {
        self.accepted_at.is_none() && self.revoked_at.is_none() && self.expires_at > now
    }
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &NewRow<'_>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.invitations
           (id, created_by, token_hash, email, role_ids, group_ids, is_mailed, language,
            expires_at, created_at)
         VALUES ($1, $2, $3, $4::text::citext, $5, $6, $7, $8, $9, $10)",
        new.id,
        new.created_by,
        new.hash.as_slice(),
        new.email,
        new.roles,
        new.groups,
        new.is_mailed,
        new.language,
        new.expires_at,
        new.now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Those of the groups that the user may give: an administrator any, others their own.
pub(super) async fn groups_of(
    connection: &mut PgConnection,
    user: Uuid,
    groups: &[Uuid],
) -> Result<Vec<Uuid>, IdentityError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT g.id FROM identity.groups g
           WHERE g.id = ANY ($2) AND g.deleted_at IS NULL
             AND (EXISTS (SELECT FROM identity.group_members m
                          WHERE m.group_id = g.id AND m.user_id = $1)
                  OR EXISTS (SELECT FROM identity.user_roles ur
                             JOIN identity.roles r ON r.id = ur.role_id
                             WHERE ur.user_id = $1 AND r.permissions @> '["*:*"]'))"#,
        user,
        groups,
    )
    .fetch_all(connection)
    .await?)
}

/// One invitation.
pub(crate) async fn find(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<InvitationRow>, IdentityError> {
    Ok(sqlx::query_as!(
        InvitationRow,
        r#"SELECT id AS "id!", created_by AS "created_by!", inviter AS "inviter!",
                  token_hash AS "token_hash!", email, role_ids AS "role_ids!", roles AS "roles!",
                  group_ids AS "group_ids!", groups AS "groups!", is_mailed AS "is_mailed!",
                  language AS "language!", created_at AS "created_at!",
                  expires_at AS "expires_at!", revoked_at, accepted_at
           FROM identity.invitation_details WHERE id = $1"#,
        id,
    )
    .fetch_optional(connection)
    .await?)
}

/// A page of the invitations of one user, or of all for an administrator, newest first.
pub(super) async fn list(
    connection: &mut PgConnection,
    user: Uuid,
    page: PageRequest,
) -> Result<Page<InvitationRow>, IdentityError> {
    let rows = sqlx::query_as!(
        InvitationRow,
        r#"SELECT id AS "id!", created_by AS "created_by!", inviter AS "inviter!",
                  token_hash AS "token_hash!", email, role_ids AS "role_ids!", roles AS "roles!",
                  group_ids AS "group_ids!", groups AS "groups!", is_mailed AS "is_mailed!",
                  language AS "language!", created_at AS "created_at!",
                  expires_at AS "expires_at!", revoked_at, accepted_at
           FROM identity.invitation_details
           WHERE (created_by = $1 OR (SELECT app.is_admin()))
             AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
           ORDER BY created_at DESC, id DESC LIMIT $4"#,
        user,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(connection)
    .await?;
    let cursor = |row: &InvitationRow| Cursor { at: row.created_at, id: row.id };
    Ok(Page::from_rows(rows, page.limit, cursor))
}

/// Takes it back; says whether there was one to take back.
pub(super) async fn revoke(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "UPDATE identity.invitations SET revoked_at = $3
         WHERE id = $2 AND (created_by = $1 OR (SELECT app.is_admin()))
           AND revoked_at IS NULL AND accepted_at IS NULL",
        user,
        id,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Keeps the invitation from others until the transaction ends.
pub(super) async fn lock(connection: &mut PgConnection, id: Uuid) -> Result<(), IdentityError> {
    sqlx::query!("SELECT id FROM identity.invitations WHERE id = $1 FOR UPDATE", id)
        .fetch_optional(connection)
        .await?;
    Ok(())
}

/// Whether the inviter is in good standing and still has what the invitation gives.
pub(super) async fn may_still_give(
    connection: &mut PgConnection,
    invitation: &InvitationRow,
) -> Result<bool, IdentityError> {
    let inviter = invitation.created_by;
    let given = sqlx::query_scalar!(
        "SELECT permissions FROM identity.roles WHERE id = ANY ($1)",
        &invitation.role_ids,
    )
    .fetch_all(&mut *connection)
    .await?;
    let active = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM identity.users WHERE id = $1 AND status = 'active'
                            AND deleted_at IS NULL) AS "active!""#,
        inviter,
    )
    .fetch_one(&mut *connection)
    .await?;
    let held = user::store::roles_of(&mut *connection, inviter).await?;
    let held: Vec<_> = held.into_iter().map(|role| role.permissions).collect();
    let own = groups_of(connection, inviter, &invitation.group_ids).await?;
    Ok(active && super::covers(&held, &given) && own.len() == invitation.group_ids.len())
}

/// Puts the new user into the groups.
pub(super) async fn join(
    connection: &mut PgConnection,
    user: Uuid,
    groups: &[Uuid],
    by: Uuid,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.group_members (group_id, user_id, added_by)
         SELECT group_id, $1, $3 FROM unnest($2::uuid[]) AS group_id",
        user,
        groups,
        by,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn mark_accepted(
    connection: &mut PgConnection,
    id: Uuid,
    user: Uuid,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.invitations SET accepted_at = $3, accepted_by = $2 WHERE id = $1",
        id,
        user,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

use chrono::{DateTime, Utc};
use lyceum_store::Sealed;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::IdentityError;

/// An issuer as it is configured.
#[derive(Debug)]
pub(crate) struct ProviderRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) encrypted_secret: Option<Vec<u8>>,
    pub(crate) key_id: Option<String>,
    pub(crate) scopes: String,
    pub(crate) groups_claim: String,
    pub(crate) roles_map: Value,
    pub(crate) groups_map: Value,
    pub(crate) allow_sign_up: bool,
    pub(crate) trust_second_factor: bool,
    pub(crate) is_active: bool,
    pub(crate) created_at: DateTime<Utc>,
}

impl ProviderRow {
    /// The client's secret, if it has one.
    pub(super) fn sealed(&self) -> Option<Sealed> {
        let (bytes, key_id) = (self.encrypted_secret.clone()?, self.key_id.clone()?);
        Some(Sealed { key_id, bytes })
    }
}

/// All issuers, by name; only `id` if given.
pub(super) async fn list(
    connection: &mut PgConnection,
    id: Option<Uuid>,
) -> Result<Vec<ProviderRow>, IdentityError> {
    Ok(sqlx::query_as!(
        ProviderRow,
        "SELECT id, name, issuer, client_id, encrypted_secret, key_id, scopes, groups_claim,
                roles_map, groups_map, allow_sign_up, trust_second_factor, is_active, created_at
         FROM identity.oidc_providers WHERE $1::uuid IS NULL OR id = $1 ORDER BY name, id",
        id,
    )
    .fetch_all(connection)
    .await?)
}

/// One issuer.
pub(super) async fn find(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<ProviderRow, IdentityError> {
    let found = list(connection, Some(id)).await?.into_iter().next();
    found.ok_or(IdentityError::NotFound("sign-in provider"))
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    row: &ProviderRow,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.oidc_providers
           (id, name, issuer, client_id, encrypted_secret, key_id, scopes, groups_claim, roles_map,
            groups_map, allow_sign_up, trust_second_factor, is_active, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        row.id,
        row.name,
        row.issuer,
        row.client_id,
        row.encrypted_secret,
        row.key_id,
        row.scopes,
        row.groups_claim,
        row.roles_map,
        row.groups_map,
        row.allow_sign_up,
        row.trust_second_factor,
        row.is_active,
        row.created_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes all but the issuer, which never changes.
pub(super) async fn update(
    connection: &mut PgConnection,
    row: &ProviderRow,
) -> Result<(), IdentityError> {
    let done = sqlx::query!(
        "UPDATE identity.oidc_providers
         SET name = $2, client_id = $3, encrypted_secret = $4, key_id = $5, scopes = $6,
             groups_claim = $7, roles_map = $8, groups_map = $9, allow_sign_up = $10,
             trust_second_factor = $11, is_active = $12
         WHERE id = $1",
        row.id,
        row.name,
        row.client_id,
        row.encrypted_secret,
        row.key_id,
        row.scopes,
        row.groups_claim,
        row.roles_map,
        row.groups_map,
        row.allow_sign_up,
        row.trust_second_factor,
        row.is_active,
    )
    .execute(connection)
    .await?;
    // Row-level security shows the row to more people than it lets change it.
    if done.rows_affected() == 0 {
        return Err(IdentityError::AdministratorsOnly);
    }
    Ok(())
}

/// Deletes an issuer and its links; says whether there was one.
pub(super) async fn delete(connection: &mut PgConnection, id: Uuid) -> Result<bool, IdentityError> {
    let done = sqlx::query!("DELETE FROM identity.oidc_providers WHERE id = $1", id)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// The names among `names` that no role has.
pub(super) async fn unknown_roles(
    connection: &mut PgConnection,
    names: &[String],
) -> Result<Vec<String>, IdentityError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT name AS "name!" FROM unnest($1::text[]) AS name
           WHERE NOT EXISTS (SELECT FROM identity.roles r WHERE r.name = name.name)"#,
        names,
    )
    .fetch_all(connection)
    .await?)
}

/// What the roles of these names give.
pub(super) async fn rights_of_roles(
    connection: &mut PgConnection,
    names: &[String],
) -> Result<Vec<Value>, IdentityError> {
    Ok(sqlx::query_scalar!("SELECT permissions FROM identity.roles WHERE name = ANY ($1)", names)
        .fetch_all(connection)
        .await?)
}

/// A linked account as its owner sees it.
pub(crate) struct AccountRow {
    pub(crate) id: Uuid,
    pub(crate) provider_id: Uuid,
    pub(crate) provider: String,
    pub(crate) email: Option<String>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
}

/// The user's linked accounts, oldest first.
pub(super) async fn accounts(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<Vec<AccountRow>, IdentityError> {
    Ok(sqlx::query_as!(
        AccountRow,
        "SELECT a.id, a.provider_id, p.name AS provider, a.email, a.last_used_at, a.created_at
         FROM identity.oidc_accounts a JOIN identity.oidc_providers p ON p.id = a.provider_id
         WHERE a.user_id = $1 ORDER BY a.created_at, a.id",
        user,
    )
    .fetch_all(connection)
    .await?)
}

/// Whose account is linked with this subject.
pub(super) async fn linked(
    connection: &mut PgConnection,
    provider: Uuid,
    subject: &str,
) -> Result<Option<Uuid>, IdentityError> {
    Ok(sqlx::query_scalar!(
        "SELECT a.user_id FROM identity.oidc_accounts a JOIN identity.users u ON u.id = a.user_id
         WHERE a.provider_id = $1 AND a.subject = $2 AND u.deleted_at IS NULL",
        provider,
        subject,
    )
    .fetch_optional(connection)
    .await?)
}

/// What a directory may know a person by.
pub(super) struct Keys<'a> {
    pub(super) ids: Vec<String>,
    pub(super) email: Option<&'a str>,
}

/// The living account that the directory of this issuer made for a person, as long as nobody has any
/// way into it: no password, no passkey, no linked account.
pub(super) async fn provisioned(
    connection: &mut PgConnection,
    provider: Uuid,
    keys: &Keys<'_>,
) -> Result<Option<Uuid>, IdentityError> {
    Ok(sqlx::query_scalar!(
        "SELECT u.id FROM identity.users u JOIN identity.scim_tokens t ON t.id = u.provisioned_by
         WHERE t.oidc_provider_id = $1 AND t.revoked_at IS NULL AND u.deleted_at IS NULL
           AND (u.external_id = ANY ($2) OR u.email = $3::text::citext)
           AND u.password_hash IS NULL
           AND NOT EXISTS (SELECT FROM identity.passkeys k WHERE k.user_id = u.id)
           AND NOT EXISTS (SELECT FROM identity.oidc_accounts a WHERE a.user_id = u.id)
         ORDER BY (u.external_id = ANY ($2)) DESC NULLS LAST LIMIT 1 FOR UPDATE OF u",
        provider,
        &keys.ids,
        keys.email,
    )
    .fetch_optional(connection)
    .await?)
}

/// An account at an issuer.
pub(super) struct Subject<'a> {
    pub(super) provider: Uuid,
    pub(super) subject: &'a str,
    pub(super) email: Option<&'a str>,
}

/// Links an account; fails by its constraint where it is linked with another.
pub(super) async fn link(
    connection: &mut PgConnection,
    id: Uuid,
    user: Uuid,
    account: &Subject<'_>,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.oidc_accounts
           (id, user_id, provider_id, subject, email, last_used_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)",
        id,
        user,
        account.provider,
        account.subject,
        account.email,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes a use of a linked account.
pub(super) async fn note_use(
    connection: &mut PgConnection,
    account: &Subject<'_>,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.oidc_accounts SET last_used_at = $3, email = coalesce($4, email)
         WHERE provider_id = $1 AND subject = $2",
        account.provider,
        account.subject,
        now,
        account.email,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Unlinks an account of this user; says whether there was one.
pub(super) async fn unlink(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
) -> Result<bool, IdentityError> {
    let done =
        sqlx::query!("DELETE FROM identity.oidc_accounts WHERE id = $1 AND user_id = $2", id, user)
            .execute(connection)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// The living account with this address.
pub(super) async fn user_by_email(
    connection: &mut PgConnection,
    email: &str,
) -> Result<Option<Uuid>, IdentityError> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM identity.users WHERE email = $1::text::citext AND deleted_at IS NULL",
        email,
    )
    .fetch_optional(connection)
    .await?)
}

/// An account to be made for somebody whom an issuer vouches for.
pub(super) struct NewPerson<'a> {
    pub(super) id: Uuid,
    pub(super) username: &'a str,
    pub(super) email: &'a str,
    pub(super) email_verified: bool,
    pub(super) display_name: Option<&'a str>,
}

/// Makes an account without a password; says no where the name or the address is taken.
pub(super) async fn insert_user(
    connection: &mut PgConnection,
    new: &NewPerson<'_>,
    now: DateTime<Utc>,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "INSERT INTO identity.users
           (id, username, email, email_verified, display_name, created_at, updated_at)
         VALUES ($1, $2::text::citext, $3::text::citext, $4, $5, $6, $6) ON CONFLICT DO NOTHING",
        new.id,
        new.username,
        new.email,
        new.email_verified,
        new.display_name,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives the roles of these names.
pub(super) async fn give_roles(
    connection: &mut PgConnection,
    user: Uuid,
    names: &[String],
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.user_roles (user_id, role_id, granted_at)
         SELECT $1, id, $3 FROM identity.roles WHERE name = ANY ($2)
         ON CONFLICT (user_id, role_id) DO NOTHING",
        user,
        names,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes the roles of these names, those of administrators only where `all` says so.
pub(super) async fn take_roles(
    connection: &mut PgConnection,
    user: Uuid,
    names: &[String],
    all: bool,
) -> Result<(), IdentityError> {
    sqlx::query!(
        r#"DELETE FROM identity.user_roles ur USING identity.roles r
           WHERE r.id = ur.role_id AND ur.user_id = $1 AND r.name = ANY ($2)
             AND ($3 OR NOT r.permissions @> '["*:*"]')"#,
        user,
        names,
        all,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts the user into the groups of these names.
pub(super) async fn join_groups(
    connection: &mut PgConnection,
    user: Uuid,
    names: &[String],
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.group_members (group_id, user_id)
         SELECT id, $1 FROM identity.groups
         WHERE name::text = ANY ($2) AND deleted_at IS NULL
         ON CONFLICT (group_id, user_id) DO NOTHING",
        user,
        names,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes the user out of the groups of these names.
pub(super) async fn leave_groups(
    connection: &mut PgConnection,
    user: Uuid,
    names: &[String],
) -> Result<(), IdentityError> {
    sqlx::query!(
        "DELETE FROM identity.group_members m USING identity.groups g
         WHERE g.id = m.group_id AND m.user_id = $1 AND g.name::text = ANY ($2)",
        user,
        names,
    )
    .execute(connection)
    .await?;
    Ok(())
}

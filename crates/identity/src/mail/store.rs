use sqlx::PgConnection;
use uuid::Uuid;

use super::Language;
use crate::IdentityError;

/// The language that a person chose.
pub(crate) async fn language_of(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<Language, IdentityError> {
    let tag = sqlx::query_scalar!(
        "SELECT value #>> '{}' FROM identity.user_preferences
         WHERE user_id = $1 AND key = 'language'",
        user,
    )
    .fetch_optional(connection)
    .await?;
    Ok(Language::of(tag.flatten().as_deref().unwrap_or_default()))
}

/// The address of a living account.
pub(super) async fn address_of(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<Option<String>, IdentityError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT email::text AS "email!" FROM identity.users
           WHERE id = $1 AND deleted_at IS NULL"#,
        user,
    )
    .fetch_optional(connection)
    .await?)
}

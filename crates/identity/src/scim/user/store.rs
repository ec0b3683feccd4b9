use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::super::error::ScimError;
use super::super::filter::{Comparison, Filter, Operator};
use super::super::resource::{ScimReference, Wanted};
use crate::IdentityError;

/// A person as a directory sees them.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct PersonRow {
    pub(super) id: Uuid,
    pub(super) user_name: String,
    pub(super) external_id: Option<String>,
    pub(super) email: String,
    pub(super) display_name: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) organization: Option<String>,
    pub(super) department: Option<String>,
    pub(super) position: Option<String>,
    pub(super) status: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) groups: Json<Vec<ScimReference>>,
}

const COLUMNS: &str = "SELECT u.id, coalesce(u.provisioned_name, u.username)::text AS user_name,
        u.external_id, u.email::text AS email, u.display_name, u.first_name, u.last_name,
        u.organization, u.department, u.position, u.status, u.created_at, u.updated_at,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('value', g.id, 'display', g.name)
                                   ORDER BY g.name), '[]')
         FROM identity.group_members m JOIN identity.groups g ON g.id = m.group_id
         WHERE m.user_id = u.id AND g.deleted_at IS NULL) AS groups
 FROM identity.users u WHERE u.deleted_at IS NULL";

/// One living person.
pub(super) async fn find(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<PersonRow>, ScimError> {
    let mut query = QueryBuilder::new(COLUMNS);
    query.push(" AND u.id = ").push_bind(id);
    Ok(query.build_query_as().fetch_optional(connection).await?)
}

/// The same, locked until the transaction ends.
pub(super) async fn find_for_update(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<PersonRow>, ScimError> {
    let locked = sqlx::query_scalar!(
        "SELECT id FROM identity.users WHERE id = $1 AND deleted_at IS NULL FOR UPDATE",
        id,
    )
    .fetch_optional(&mut *connection)
    .await?;
    match locked {
        Some(id) => find(connection, id).await,
        None => Ok(None),
    }
}

/// A page of the living people, oldest first, and how many there are.
pub(super) async fn list(
    connection: &mut PgConnection,
    wanted: &Wanted,
) -> Result<(i64, Vec<PersonRow>), ScimError> {
    let mut query =
        QueryBuilder::new("SELECT count(*) FROM identity.users u WHERE u.deleted_at IS NULL");
    restrict(&mut query, wanted)?;
    let total = query.build_query_scalar().fetch_one(&mut *connection).await?;
    if wanted.count == 0 {
        return Ok((total, Vec::new()));
    }
    let mut query = QueryBuilder::new(COLUMNS);
    restrict(&mut query, wanted)?;
    query.push(" ORDER BY u.created_at, u.id LIMIT ").push_bind(wanted.count);
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

/// Writes one condition.
type Condition = dyn Fn(&mut QueryBuilder<Postgres>, &Comparison) -> Result<(), ScimError>;

/// Writes a filter as SQL. Whatever the directory wrote is bound, never pasted.
pub(in crate::scim) fn push(
    query: &mut QueryBuilder<Postgres>,
    filter: &Filter,
    condition: &Condition,
) -> Result<(), ScimError> {
    query.push("(");
    match filter {
        Filter::Compare(comparison) => condition(query, comparison)?,
        Filter::Both(a, b) => {
            push(query, a, condition)?;
            query.push(" AND ");
            push(query, b, condition)?;
        }
        Filter::Either(a, b) => {
            push(query, a, condition)?;
            query.push(" OR ");
            push(query, b, condition)?;
        }
        Filter::Not(inner) => {
            query.push("NOT coalesce(");
            push(query, inner, condition)?;
            query.push(", false)");
        }
    }
    query.push(")");
    Ok(())
}

fn condition(query: &mut QueryBuilder<Postgres>, one: &Comparison) -> Result<(), ScimError> {
    let column = match one.attribute.as_str() {
        "username" => {
            if let (Operator::Equal, Some(name)) = (one.operator, one.value.as_str()) {
                // By the two indexes.
                query.push("u.provisioned_name = ").push_bind(name.to_owned());
                query.push("::text::citext OR u.provisioned_name IS NULL AND u.username = ");
                query.push_bind(name.to_owned()).push("::text::citext");
                return Ok(());
            }
            "coalesce(u.provisioned_name, u.username)"
        }
        "emails" | "emails.value" => "u.email",
        "externalid" => return compare_exact(query, "u.external_id", one),
        "id" => return compare_exact(query, "u.id::text", one),
        "displayname" => "u.display_name::citext",
        "name.givenname" => "u.first_name::citext",
        "name.familyname" => "u.last_name::citext",
        "title" => "u.position::citext",
        "department" => "u.department::citext",
        "organization" => "u.organization::citext",
        "active" => {
            return match (one.operator, &one.value) {
                (Operator::Equal, Value::Bool(active)) => {
                    query.push("(u.status = 'active') = ").push_bind(*active);
                    Ok(())
                }
                (Operator::NotEqual, Value::Bool(active)) => {
                    query.push("(u.status = 'active') <> ").push_bind(*active);
                    Ok(())
                }
                (Operator::Present, _) => {
                    query.push("true");
                    Ok(())
                }
                _ => Err(ScimError::invalid_filter("active is compared with true or false.")),
            };
        }
        other => {
            let detail = format!("People cannot be found by '{other}'.");
            return Err(ScimError::invalid_filter(detail));
        }
    };
    compare(query, column, one)
}

/// Compares a text whose case does not matter; `column` is of the type citext.
pub(in crate::scim) fn compare(
    query: &mut QueryBuilder<Postgres>,
    column: &'static str,
    one: &Comparison,
) -> Result<(), ScimError> {
    compare_as(query, column, "::text::citext", one)
}

/// Compares a text whose case matters.
pub(in crate::scim) fn compare_exact(
    query: &mut QueryBuilder<Postgres>,
    column: &'static str,
    one: &Comparison,
) -> Result<(), ScimError> {
    compare_as(query, column, "::text", one)
}

fn compare_as(
    query: &mut QueryBuilder<Postgres>,
    column: &'static str,
    cast: &'static str,
    one: &Comparison,
) -> Result<(), ScimError> {
    if one.operator == Operator::Present {
        query.push(column).push(" IS NOT NULL");
        return Ok(());
    }
    let Value::String(text) = &one.value else {
        let detail = format!("{} is compared with a text.", one.attribute);
        return Err(ScimError::invalid_filter(detail));
    };
    // Folded by hand, since citext has no starts_with.
    let folded = if cast.ends_with("citext") { "lower" } else { "" };
    match one.operator {
        Operator::Equal => {
            query.push(column).push(" = ").push_bind(text.clone()).push(cast);
        }
        Operator::NotEqual => {
            query.push(column).push(" IS DISTINCT FROM ").push_bind(text.clone()).push(cast);
        }
        Operator::Contains => {
            query.push("strpos(").push(folded).push("((").push(column).push(")::text), ");
            query.push(folded).push("(").push_bind(text.clone()).push("::text)) > 0");
        }
        Operator::StartsWith => {
            query.push("starts_with(").push(folded).push("((").push(column).push(")::text), ");
            query.push(folded).push("(").push_bind(text.clone()).push("::text))");
        }
        Operator::EndsWith => {
            query.push("starts_with(reverse(").push(folded).push("((").push(column);
            query.push(")::text)), reverse(").push(folded).push("(").push_bind(text.clone());
            query.push("::text)))");
        }
        Operator::Present => {}
    }
    Ok(())
}

/// A person to be written.
pub(super) struct Written<'a> {
    pub(super) id: Uuid,
    /// The directory's name for them.
    pub(super) user_name: &'a str,
    pub(super) email: &'a str,
    pub(super) external_id: Option<&'a str>,
    /// The columns of the profile.
    pub(super) profile: Value,
    pub(super) token: Uuid,
}

/// Writes a new, active person without a password, under this username; says no where it is taken.
pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &Written<'_>,
    username: &str,
    now: DateTime<Utc>,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "INSERT INTO identity.users
           (id, username, email, email_verified, external_id, provisioned_name, provisioned_by,
            created_at, updated_at)
         VALUES ($1, $2::text::citext, $3::text::citext, true, $4, $5::text::citext, $6, $7, $7)
         ON CONFLICT (username) WHERE deleted_at IS NULL DO NOTHING",
        new.id,
        username,
        new.email,
        new.external_id,
        new.user_name,
        new.token,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives the role of every new account.
pub(super) async fn give_role(
    connection: &mut PgConnection,
    user: Uuid,
    role: &str,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.user_roles (user_id, role_id, granted_at)
         SELECT $1, id, $3 FROM identity.roles WHERE name = $2",
        user,
        role,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes what a directory knows of a person. The address is as good as proved: the directory gives
/// it. `username` changes where given.
pub(super) async fn update(
    connection: &mut PgConnection,
    person: &Written<'_>,
    username: Option<&str>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.users
         SET username = coalesce($2::text::citext, username), provisioned_name = $3::text::citext,
             email = $4::text::citext,
             email_verified = email_verified OR email <> $4::text::citext,
             external_id = $5, provisioned_by = $6
         WHERE id = $1",
        person.id,
        username,
        person.user_name,
        person.email,
        person.external_id,
        person.token,
    )
    .execute(&mut *connection)
    .await?;
    crate::user::store::set_profile(connection, person.id, &person.profile).await
}

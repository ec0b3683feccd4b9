use chrono::{DateTime, Utc};
use lyceum_core::PageRequest;
use lyceum_store::StoreError;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::bucket::Level;
use super::{Rule, Subject, Terms};
use crate::quotas::Accounts;

/// What binds the calls of a user with a key: their groups, their quotas, and the
/// rate limits, those of models included.
pub(super) async fn terms(
    connection: &mut PgConnection,
    accounts: &Accounts,
    user: Uuid,
    api_key: Option<Uuid>,
    at: DateTime<Utc>,
) -> Result<Terms, StoreError> {
    let groups = sqlx::query_scalar!(
        "SELECT m.group_id FROM identity.group_members m JOIN identity.groups g ON g.id = m.group_id
         WHERE m.user_id = $1 AND g.deleted_at IS NULL",
        user,
    )
    .fetch_all(&mut *connection)
    .await?;
    let keys: Vec<Uuid> = api_key.into_iter().collect();
    let quotas = accounts.load(&mut *connection, &[user], &keys, &groups, at).await?;
    let rows = sqlx::query!(
        "SELECT user_id, group_id, api_key_id, model_config_id, set_by_owner, requests_per_minute,
                tokens_per_minute
         FROM gateway.rate_limits
         WHERE user_id = $1 OR api_key_id = $2 OR group_id = ANY ($3)
            OR num_nonnulls(user_id, api_key_id, group_id) = 0",
        user,
        api_key,
        &groups,
    )
    .fetch_all(connection)
    .await?;
    let rules = rows.into_iter().map(|row| {
        let (level, subject) = match (row.user_id, row.group_id, row.api_key_id) {
            (Some(user), ..) => (Level::User, user),
            (_, Some(group), _) => (Level::Group, group),
            (.., Some(key)) if row.set_by_owner => (Level::OwnKey, key),
            (.., Some(key)) => (Level::ApiKey, key),
            _ => match row.model_config_id {
                Some(model) => (Level::Model, model),
                None => (Level::Organization, Uuid::nil()),
            },
        };
        Rule {
            level,
            subject,
            requests: row.requests_per_minute.map(f64::from),
            tokens: row.tokens_per_minute.map(f64::from),
        }
    });
    let rules = rules.collect();
    Ok(Terms { quotas: quotas.into(), rules, groups: groups.into() })
}

/// A rate limit as it is listed.
#[derive(Debug, FromRow)]
pub(super) struct RateRow {
    pub(super) id: Uuid,
    pub(super) user_id: Option<Uuid>,
    pub(super) group_id: Option<Uuid>,
    pub(super) api_key_id: Option<Uuid>,
    pub(super) model_config_id: Option<Uuid>,
    pub(super) set_by_owner: bool,
    pub(super) requests_per_minute: Option<i32>,
    pub(super) tokens_per_minute: Option<i32>,
    pub(super) label: Option<String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// By name: with `*` a column that a newer version adds fails a statement that was prepared before.
const RATE: &str = "SELECT r.id, r.user_id, r.group_id, r.api_key_id, r.model_config_id,
    r.set_by_owner, r.requests_per_minute, r.tokens_per_minute, r.created_at, r.updated_at,
    gateway.limit_label(r.user_id, r.group_id, r.api_key_id, r.model_config_id) AS label
    FROM gateway.rate_limits r";

/// A page of rate limits, newest first, with one row more than asked for if there is another page.
pub(super) async fn list(
    connection: &mut PgConnection,
    page: &PageRequest,
) -> Result<Vec<RateRow>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(RATE);
    if let Some(after) = page.after {
        query.push(" WHERE (r.created_at, r.id) < (").push_bind(after.at);
        query.push(", ").push_bind(after.id).push(")");
    }
    query.push(" ORDER BY r.created_at DESC, r.id DESC LIMIT ").push_bind(page.limit + 1);
    Ok(query.build_query_as().fetch_all(connection).await?)
}

/// The rate limit of one subject.
pub(super) async fn find(
    connection: &mut PgConnection,
    subject: &Subject,
) -> Result<Option<RateRow>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(RATE);
    query.push(" WHERE r.user_id IS NOT DISTINCT FROM ").push_bind(subject.user);
    query.push(" AND r.group_id IS NOT DISTINCT FROM ").push_bind(subject.group);
    query.push(" AND r.api_key_id IS NOT DISTINCT FROM ").push_bind(subject.api_key);
    query.push(" AND r.model_config_id IS NOT DISTINCT FROM ").push_bind(subject.model);
    query.push(" AND r.set_by_owner = ").push_bind(subject.by_owner);
    Ok(query.build_query_as().fetch_optional(connection).await?)
}

/// Sets the rate limit of one subject, new or not.
pub(super) async fn set(
    connection: &mut PgConnection,
    subject: &Subject,
    requests: Option<i32>,
    tokens: Option<i32>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO gateway.rate_limits
           (id, user_id, group_id, api_key_id, model_config_id, set_by_owner, requests_per_minute,
            tokens_per_minute, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
         ON CONFLICT ON CONSTRAINT rate_limits_unique
         DO UPDATE SET requests_per_minute = excluded.requests_per_minute,
                       tokens_per_minute = excluded.tokens_per_minute",
        lyceum_core::new_id(),
        subject.user,
        subject.group,
        subject.api_key,
        subject.model,
        subject.by_owner,
        requests,
        tokens,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes the rate limit of a subject away; answers whether there was one.
pub(super) async fn remove(connection: &mut PgConnection, id: Uuid) -> Result<bool, StoreError> {
    let done = sqlx::query!("DELETE FROM gateway.rate_limits WHERE id = $1", id)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, PageRequest};
use lyceum_store::StoreError;
use rust_decimal::Decimal;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::Accounts;
use super::http::{Quota, QuotaResource, QuotaScope, SetQuota};
use super::leases::RESOURCES;

/// A quota without its figures.
#[derive(Debug, FromRow)]
pub(super) struct QuotaRow {
    id: Uuid,
    user_id: Option<Uuid>,
    group_id: Option<Uuid>,
    api_key_id: Option<Uuid>,
    max_storage_bytes: Option<i64>,
    timezone: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    label: Option<String>,
}

impl QuotaRow {
    pub(super) fn cursor(&self) -> Cursor {
        Cursor { at: self.created_at, id: self.id }
    }
}

fn select() -> QueryBuilder<Postgres> {
    QueryBuilder::new(
        "SELECT q.id, q.user_id, q.group_id, q.api_key_id, q.max_storage_bytes, q.timezone,
                q.created_at, q.updated_at,
                gateway.limit_label(q.user_id, q.group_id, q.api_key_id, NULL) AS label
         FROM identity.user_quotas q",
    )
}

/// The quotas of a person, of their groups and of their keys.
pub(super) async fn of_person(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<Vec<QuotaRow>, StoreError> {
    let mut query = select();
    query.push(" WHERE q.user_id = ").push_bind(user);
    query.push(
        " OR q.group_id IN (SELECT m.group_id FROM identity.group_members m
                            JOIN identity.groups g ON g.id = m.group_id
                            WHERE g.deleted_at IS NULL AND m.user_id = ",
    );
    query.push_bind(user).push(") OR q.api_key_id IN (SELECT k.id FROM identity.api_keys k ");
    query.push("WHERE k.deleted_at IS NULL AND k.user_id = ").push_bind(user);
    query.push(") ORDER BY q.created_at, q.id LIMIT 200");
    Ok(query.build_query_as().fetch_all(connection).await?)
}

/// A page of quotas, newest first, with one row more than asked for if there is another page.
pub(super) async fn list(
    connection: &mut PgConnection,
    page: &PageRequest,
) -> Result<Vec<QuotaRow>, StoreError> {
    let mut query = select();
    if let Some(after) = page.after {
        query.push(" WHERE (q.created_at, q.id) < (").push_bind(after.at);
        query.push(", ").push_bind(after.id).push(")");
    }
    query.push(" ORDER BY q.created_at DESC, q.id DESC LIMIT ").push_bind(page.limit + 1);
    Ok(query.build_query_as().fetch_all(connection).await?)
}

pub(super) async fn of_subject(
    connection: &mut PgConnection,
    scope: QuotaScope,
    subject: Uuid,
) -> Result<Option<QuotaRow>, StoreError> {
    let mut query = select();
    query.push(match scope {
        QuotaScope::Users => " WHERE q.user_id = ",
        QuotaScope::Groups => " WHERE q.group_id = ",
        QuotaScope::ApiKeys => " WHERE q.api_key_id = ",
    });
    query.push_bind(subject);
    Ok(query.build_query_as().fetch_optional(connection).await?)
}

/// How each resource of the quotas stands. What this process leased for calls to come does not
/// count as reserved.
pub(super) async fn with_figures(
    connection: &mut PgConnection,
    accounts: &Accounts,
    rows: Vec<QuotaRow>,
    at: DateTime<Utc>,
) -> Result<Vec<Quota>, StoreError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let figures = sqlx::query!(
        r#"SELECT s.quota_id AS "quota_id!", r.resource AS "resource!", r.place AS "place!", r.maximum, r.used AS "used!",
                  r.leased AS "leased!", s.ends_at AS "resets_at!", w.created_at AS "warned_at?"
           FROM gateway.quota_standing($1, $2) s
           CROSS JOIN LATERAL unnest($3::text[], s.maximum, s.used, s.leased) WITH ORDINALITY
                AS r (resource, maximum, used, leased, place)
           LEFT JOIN gateway.quota_warnings w ON w.quota_id = s.quota_id
                AND w.resource = r.resource AND w.period_start = s.month"#,
        &ids,
        at,
        &RESOURCES.map(str::to_owned),
    )
    .fetch_all(&mut *connection)
    .await?;
    let storage = sqlx::query!(
        r#"SELECT q.id, gateway.storage_used(q.user_id, q.group_id, q.api_key_id) AS "used!",
                  w.created_at AS "warned_at?"
           FROM identity.user_quotas q
           LEFT JOIN gateway.quota_warnings w ON w.quota_id = q.id
                AND w.resource = 'storage_bytes'
                AND w.period_start = gateway.quota_month(q, $2)
           WHERE q.id = ANY ($1) AND q.max_storage_bytes IS NOT NULL"#,
        &ids,
        at,
    )
    .fetch_all(connection)
    .await?;
    let quota = |row: QuotaRow| {
        let subjects =
            [("user", row.user_id), ("group", row.group_id), ("api_key", row.api_key_id)];
        let subject = subjects.into_iter().find_map(|(scope, id)| Some((scope, id?)));
        let (scope, subject_id) = subject.unwrap_or(("user", row.id));
        let unneeded = accounts.free_of(subject_id).to_decimals();
        let reserved = |place: i64, leased: Decimal| {
            let place = usize::try_from(place - 1).unwrap_or_default();
            let unneeded = unneeded.get(place).copied().unwrap_or_default();
            (leased - unneeded).max(Decimal::ZERO).normalize()
        };
        let own = figures.iter().filter(|figure| figure.quota_id == row.id);
        let mut resources: Vec<QuotaResource> = own
            .map(|figure| QuotaResource {
                resource: figure.resource.clone(),
                limit: figure.maximum.map(|limit| limit.normalize()),
                used: figure.used.normalize(),
                reserved: reserved(figure.place, figure.leased),
                resets_at: Some(figure.resets_at),
                warned_at: figure.warned_at,
            })
            .collect();
        let stored = storage.iter().filter(|stored| stored.id == row.id);
        resources.extend(stored.map(|stored| QuotaResource {
            resource: "storage_bytes".to_owned(),
            limit: row.max_storage_bytes.map(Decimal::from),
            used: Decimal::from(stored.used),
            reserved: Decimal::ZERO,
            resets_at: None,
            warned_at: stored.warned_at,
        }));
        resources.sort_by(|a, b| a.resource.cmp(&b.resource));
        Quota {
            id: row.id,
            scope: scope.to_owned(),
            subject_id,
            label: row.label,
            timezone: row.timezone,
            resources,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    };
    Ok(rows.into_iter().map(quota).collect())
}

/// Sets the limits of a subject; `None` where it does not exist.
pub(super) async fn set(
    connection: &mut PgConnection,
    scope: QuotaScope,
    subject: Uuid,
    limits: &SetQuota,
    at: DateTime<Utc>,
) -> Result<Option<Uuid>, sqlx::Error> {
    let kind = match scope {
        QuotaScope::Users => "user",
        QuotaScope::Groups => "group",
        QuotaScope::ApiKeys => "api_key",
    };
    sqlx::query_scalar!(
        "SELECT gateway.set_quota($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        lyceum_core::new_id(),
        kind,
        subject,
        limits.max_api_calls,
        limits.max_tokens,
        limits.max_cost,
        limits.max_storage_bytes,
        limits.max_compute_seconds,
        limits.timezone.as_deref().unwrap_or("UTC"),
        at,
    )
    .fetch_one(connection)
    .await
}

/// Takes the quota of a subject away; answers whether there was one.
pub(super) async fn remove(
    connection: &mut PgConnection,
    scope: QuotaScope,
    subject: Uuid,
) -> Result<bool, StoreError> {
    let Some(row) = of_subject(connection, scope, subject).await? else { return Ok(false) };
    let done = sqlx::query!("DELETE FROM identity.user_quotas WHERE id = $1", row.id)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

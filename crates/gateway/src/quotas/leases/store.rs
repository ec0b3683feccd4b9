use chrono::{DateTime, NaiveDate, Utc};
use lyceum_store::Db;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::account::Standing;
use super::amounts::{Amounts, Maximum};

/// What came of asking for a lease.
pub(super) struct Lease {
    /// How many times what was wanted was leased; 0 where a quota refuses.
    pub(super) times: i64,
    /// Whether other processes hold of the quota that refuses.
    pub(super) elsewhere: bool,
    pub(super) standings: Vec<Standing>,
}

struct StandingRow {
    times: i64,
    elsewhere: bool,
    quota_id: Uuid,
    scope: String,
    subject_id: Uuid,
    timezone: String,
    month: NaiveDate,
    begins_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    maximum: Vec<Option<Decimal>>,
    used: Vec<Decimal>,
    leased: Vec<Decimal>,
}

impl From<StandingRow> for Standing {
    fn from(row: StandingRow) -> Self {
        Self {
            quota_id: row.quota_id,
            scope: row.scope,
            subject_id: row.subject_id,
            timezone: row.timezone,
            month: row.month,
            begins_at: row.begins_at,
            ends_at: row.ends_at,
            maximum: Maximum::from_decimals(&row.maximum),
            used: Amounts::from_decimals(&row.used),
            leased: Amounts::from_decimals(&row.leased),
        }
    }
}

/// Gives back and leases in one statement that is its own transaction, for it stands in the way of
/// calls; its function acts as the platform.
pub(super) async fn lease(
    db: &Db,
    holder: i64,
    quotas: &[Uuid],
    returned: &[Amounts],
    wanted: Amounts,
    at: DateTime<Utc>,
) -> Result<Lease, sqlx::Error> {
    let rows = sqlx::query_as!(
        StandingRow,
        r#"SELECT times AS "times!", elsewhere AS "elsewhere!", quota_id AS "quota_id!",
                  scope AS "scope!", subject_id AS "subject_id!", timezone AS "timezone!",
                  month AS "month!", begins_at AS "begins_at!", ends_at AS "ends_at!",
                  maximum AS "maximum!: Vec<Option<Decimal>>", used AS "used!: Vec<Decimal>",
                  leased AS "leased!: Vec<Decimal>"
           FROM gateway.lease_quotas($1, $2, $3, $4, $5)"#,
        holder,
        quotas,
        &flat(returned),
        &wanted.to_decimals(),
        at,
    )
    .fetch_all(db.pool())
    .await?;
    let first = rows.first().map(|row| (row.times, row.elsewhere));
    // Quotas that are gone bind nobody.
    let (times, elsewhere) = first.unwrap_or((1, false));
    Ok(Lease { times, elsewhere, standings: rows.into_iter().map(Standing::from).collect() })
}

pub(super) async fn give_back(
    db: &Db,
    holder: i64,
    quotas: &[Uuid],
    returned: &[Amounts],
) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT gateway.return_quotas($1, $2, $3)", holder, quotas, &flat(returned))
        .execute(db.pool())
        .await?;
    Ok(())
}

fn flat(amounts: &[Amounts]) -> Vec<Decimal> {
    amounts.iter().flat_map(|amounts| amounts.to_decimals()).collect()
}

/// How the quotas stand that bind a user with a key as a member of `groups`, in the order of ids.
pub(super) async fn standings(
    connection: &mut sqlx::PgConnection,
    users: &[Uuid],
    keys: &[Uuid],
    groups: &[Uuid],
    at: DateTime<Utc>,
) -> Result<Vec<Standing>, sqlx::Error> {
    let rows = sqlx::query_as!(
        StandingRow,
        r#"SELECT 0::bigint AS "times!", false AS "elsewhere!", quota_id AS "quota_id!", scope AS "scope!", subject_id AS "subject_id!",
                  timezone AS "timezone!", month AS "month!", begins_at AS "begins_at!",
                  ends_at AS "ends_at!", maximum AS "maximum!: Vec<Option<Decimal>>",
                  used AS "used!: Vec<Decimal>", leased AS "leased!: Vec<Decimal>"
           FROM gateway.quota_standing(ARRAY(
                SELECT q.id FROM identity.user_quotas q
                WHERE q.user_id = ANY ($1) OR q.api_key_id = ANY ($2) OR q.group_id = ANY ($3)
           ), $4) ORDER BY quota_id"#,
        users,
        keys,
        groups,
        at,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Standing::from).collect())
}

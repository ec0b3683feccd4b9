//! Usage day by day, for charts.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use lyceum_http::{Allow, ApiError, ApiQuery};
use lyceum_store::StoreError;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use super::query::{USUAL_DAYS, WhichQuery, check_timezone, filter_of, unknown_timezone};
use super::sums::{FiguresRow, GroupBy, UsageFigures, summary, zone_of};
use crate::rollups::{Filter, Parts, SUMS};
use crate::{Gateway, UsageRead};

/// The most days of one answer.
const MOST_DAYS: i64 = 3660;
/// Groups that a chart can tell apart; the others are one.
const MOST_GROUPS: i64 = 12;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DailyQuery {
    /// The first day; 29 days before `to` where absent.
    from: Option<NaiveDate>,
    /// The last day; today where absent.
    to: Option<NaiveDate>,
    /// In which time zone days begin and end, such as `Europe/Berlin`; the caller's own where
    /// absent.
    timezone: Option<String>,
    /// By what each day is split; not at all where absent. The twelve groups with the most calls
    /// are named, the others are one without a key.
    #[param(inline)]
    group_by: Option<GroupBy>,
}

/// Sums over the calls that began on one day.
#[derive(Serialize, Deserialize, ToSchema)]
struct UsageDay {
    day: NaiveDate,
    /// The group; absent for all others, or where days are not split.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// A name for people, where the key is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(flatten)]
    figures: UsageFigures,
}

/// Usage day by day.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct UsageDays {
    /// The zone in which the days begin and end.
    timezone: String,
    /// The first day.
    from: NaiveDate,
    /// The last day.
    to: NaiveDate,
    /// In the order of days; days without calls are left out.
    items: Vec<UsageDay>,
}

#[derive(FromRow)]
struct DayRow {
    day: NaiveDate,
    key: Option<String>,
    label: Option<String>,
    #[sqlx(flatten)]
    figures: FiguresRow,
}

/// Sums up the caller's calls by day, or everybody's for those with the right usage:read_all. Days
/// begin at midnight in the caller's time zone.
#[utoipa::path(get, path = "/usage/daily", tag = "usage",
    params(DailyQuery, WhichQuery),
    responses((status = 200, body = UsageDays)))]
pub(super) async fn get_daily_usage(
    State(gateway): State<Gateway>,
    allow: Allow<UsageRead>,
    ApiQuery(query): ApiQuery<DailyQuery>,
    ApiQuery(which): ApiQuery<WhichQuery>,
) -> Result<Json<UsageDays>, ApiError> {
    let user = allow.caller.user_id;
    let mut tx = gateway.inner.db.begin_as(user).await?;
    let timezone = match query.timezone {
        Some(name) => name,
        None => zone_of(&mut tx, user).await?,
    };
    check_timezone(&timezone)?;
    let asked = Days { from: query.from, to: query.to, now: gateway.inner.clock.now() };
    let days = days_of(&mut tx, &timezone, &asked).await?;
    if days.from > days.to || days.to - days.from > chrono::TimeDelta::days(MOST_DAYS) {
        let detail = "'from' must be before 'to', by ten years at most.";
        return Err(ApiError::bad_request("invalid_span", detail));
    }
    let filter = filter_of(&allow.caller, which, days.starts_at, days.ends_at)?;
    let split = query.group_by.filter(|group| *group != GroupBy::Day);
    let rows = match split {
        Some(GroupBy::User) if filter.user_id.is_none() => {
            by_person(&mut tx, &filter, &timezone).await?
        }
        split => daily(&mut tx, &filter, split, &timezone, None).await?,
    };
    let day = |row: DayRow| UsageDay {
        day: row.day,
        key: row.key,
        label: row.label,
        figures: row.figures.into(),
    };
    let items = rows.into_iter().map(day).collect();
    Ok(Json(UsageDays { timezone, from: days.from, to: days.to, items }))
}

struct Days {
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    now: DateTime<Utc>,
}

struct DaysRow {
    from: NaiveDate,
    to: NaiveDate,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
}

/// Takes days for moments.
async fn days_of(
    connection: &mut PgConnection,
    zone: &str,
    asked: &Days,
) -> Result<DaysRow, ApiError> {
    let usual = i32::try_from(USUAL_DAYS).unwrap_or(i32::MAX) - 1;
    let days = sqlx::query_as!(
        DaysRow,
        r#"SELECT d.first AS "from!", d.last AS "to!",
                  d.first::timestamp AT TIME ZONE $1 AS "starts_at!",
                  (d.last + 1)::timestamp AT TIME ZONE $1 AS "ends_at!"
           FROM (SELECT coalesce($3, t.last - $5::integer) AS first, t.last
                 FROM (SELECT coalesce($4, ($2::timestamptz AT TIME ZONE $1)::date) AS last) t) d"#,
        zone,
        asked.now,
        asked.from,
        asked.to,
        usual,
    )
    .fetch_one(connection)
    .await;
    days.map_err(|error| {
        match error.as_database_error().and_then(|error| error.code()).as_deref() {
            // No such zone.
            Some("22023") => unknown_timezone(),
            // No such moment.
            Some("22008") => {
                let detail = "'from' and 'to' must be in the years 1 to 9999.";
                ApiError::bad_request("invalid_query", detail)
            }
            _ => StoreError(error).into(),
        }
    })
}

/// Days split by people. Reading everybody's quarters of an hour to name a few would take long where
/// there are many people: what the others did is what is left of the whole.
async fn by_person(
    connection: &mut PgConnection,
    filter: &Filter,
    zone: &str,
) -> Result<Vec<DayRow>, StoreError> {
    let people = summary(connection, filter, GroupBy::User, zone).await?;
    let named: Vec<Uuid> = people
        .iter()
        .take(usize::try_from(MOST_GROUPS).unwrap_or(usize::MAX))
        .filter_map(|person| person.key.as_deref()?.parse().ok())
        .collect();
    let mut rows = daily(connection, filter, Some(GroupBy::User), zone, Some(&named)).await?;
    // The whole comes last, so that it lacks nothing of what its parts have.
    for mut day in daily(connection, filter, None, zone, None).await? {
        let parts = rows.iter().filter(|row| row.day == day.day && row.key.is_some());
        parts.for_each(|part| day.figures.take_off(&part.figures));
        if !day.figures.is_nothing() {
            rows.push(day);
        }
    }
    rows.sort_by_key(|row| row.day);
    Ok(rows)
}

async fn daily(
    connection: &mut PgConnection,
    filter: &Filter,
    split: Option<GroupBy>,
    zone: &str,
    among: Option<&[Uuid]>,
) -> Result<Vec<DayRow>, StoreError> {
    let mut query =
        QueryBuilder::<Postgres>::new("WITH sums AS (SELECT (p.starts_at AT TIME ZONE ");
    query.push_bind(zone.to_owned()).push(")::date AS day, ");
    match split {
        Some(group) => group.push_key(&mut query, zone),
        None => {
            query.push("NULL::text");
        }
    }
    query.push(" AS key, ").push(SUMS).push(" FROM ");
    let by_person = split.is_some_and(GroupBy::by_person);
    let by_end_user = split.is_some_and(GroupBy::by_end_user);
    Parts { filter, by_person, by_day: true, by_end_user, among }.push(&mut query);
    query.push(" p");
    if let Some(group) = split {
        group.push_rows(&mut query);
    }
    query.push(
        " GROUP BY 1, 2), named AS (
             SELECT key FROM sums GROUP BY key ORDER BY sum(calls) DESC, key LIMIT ",
    );
    query.push_bind(MOST_GROUPS).push(
        "), a AS (
             SELECT day, CASE WHEN key IN (SELECT key FROM named) THEN key END AS key,
                    sum(calls)::bigint AS calls, sum(errors)::bigint AS errors,
                    sum(cancelled_calls)::bigint AS cancelled_calls,
                    sum(unpriced_calls)::bigint AS unpriced_calls,
                    sum(estimated_calls)::bigint AS estimated_calls,
                    gateway.count_of(sum(prompt_tokens)) AS prompt_tokens,
                    gateway.count_of(sum(completion_tokens)) AS completion_tokens,
                    gateway.count_of(sum(cached_tokens)) AS cached_tokens,
                    gateway.count_of(sum(reasoning_tokens)) AS reasoning_tokens,
                    sum(cost) AS cost, gateway.count_of(sum(latency_ms)) AS latency_ms
             FROM sums GROUP BY 1, 2)
         SELECT a.*, ",
    );
    match split {
        Some(group) => group.push_label(&mut query),
        None => {
            query.push("NULL::text");
        }
    }
    query.push(" AS label FROM a");
    if let Some(group) = split {
        group.push_names(&mut query);
    }
    query.push(" ORDER BY a.day, a.calls DESC, a.key");
    Ok(query.build_query_as().fetch_all(connection).await?)
}

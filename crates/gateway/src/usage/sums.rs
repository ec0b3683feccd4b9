//! Sums by group, read from the roll-ups where these tell.

use lyceum_store::StoreError;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use utoipa::ToSchema;

use crate::rollups::{Filter, Parts, SUMS};

/// The most groups of one answer.
const MOST_GROUPS: i64 = 1000;

/// By what calls are summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum GroupBy {
    /// Days in the time zone asked for.
    #[default]
    Day,
    /// The model that served, else the one asked for.
    Model,
    /// Kinds of providers.
    Provider,
    /// Accounts at providers; `none` for built-in models.
    ProviderConfig,
    User,
    /// Groups in which people were when they called; a call counts for each, and for `none` where
    /// there is none.
    Group,
    /// API keys; `none` for calls without one.
    ApiKey,
    /// What for.
    Purpose,
    /// Whom programs named as those they called for; the empty key for calls without one.
    EndUser,
}

impl GroupBy {
    /// The expression of the group's key, over rows `p`; for days, the zone follows it.
    fn key(self) -> &'static str {
        match self {
            GroupBy::Day => "p.starts_at",
            GroupBy::Model => "p.model",
            GroupBy::Provider => "p.provider",
            GroupBy::ProviderConfig => "coalesce(p.provider_config_id::text, 'none')",
            GroupBy::User => "p.user_id::text",
            GroupBy::Group => "coalesce(g.group_id::text, 'none')",
            GroupBy::ApiKey => "coalesce(p.api_key_id::text, 'none')",
            GroupBy::Purpose => "p.purpose",
            // No name is empty.
            GroupBy::EndUser => "coalesce(p.end_user, '')",
        }
    }

    /// Where the names of the groups `a.key` are, as a join and a column.
    fn names(self) -> Option<(&'static str, &'static str)> {
        match self {
            GroupBy::User => Some(("identity.users", "username::text")),
            GroupBy::Group => Some(("identity.groups", "name::text")),
            GroupBy::ApiKey => Some(("identity.api_keys", "name")),
            GroupBy::ProviderConfig => Some(("gateway.provider_configs", "name")),
            GroupBy::Day
            | GroupBy::Model
            | GroupBy::Provider
            | GroupBy::Purpose
            | GroupBy::EndUser => None,
        }
    }

    pub(super) fn by_person(self) -> bool {
        matches!(self, GroupBy::User | GroupBy::Group | GroupBy::ApiKey)
    }

    /// Whether only the ledger's own rows tell the key.
    pub(super) fn by_end_user(self) -> bool {
        self == GroupBy::EndUser
    }

    /// Writes the key; `zone` is the one of the days.
    pub(super) fn push_key(self, query: &mut QueryBuilder<Postgres>, zone: &str) {
        match self {
            GroupBy::Day => {
                query.push("to_char(").push(self.key()).push(" AT TIME ZONE ");
                query.push_bind(zone.to_owned()).push(", 'YYYY-MM-DD')");
            }
            other => {
                query.push(other.key());
            }
        }
    }

    /// Writes what the key needs beside the rows `p`.
    pub(super) fn push_rows(self, query: &mut QueryBuilder<Postgres>) {
        if self == GroupBy::Group {
            query.push(" LEFT JOIN LATERAL unnest(p.group_ids) AS g (group_id) ON true");
        }
    }

    /// Writes the label of `a.key`, then, by the second function, where it comes from.
    pub(super) fn push_label(self, query: &mut QueryBuilder<Postgres>) {
        match self.names() {
            Some((_, column)) => query.push("n.").push(column),
            None => query.push("NULL::text"),
        };
    }

    pub(super) fn push_names(self, query: &mut QueryBuilder<Postgres>) {
        if let Some((table, _)) = self.names() {
            query.push(" LEFT JOIN ").push(table).push(" n ON n.id::text = a.key");
        }
    }
}

/// Sums over some calls.
#[derive(Debug, FromRow)]
pub(super) struct SumRow {
    pub(super) key: Option<String>,
    pub(super) label: Option<String>,
    #[sqlx(flatten)]
    pub(super) figures: FiguresRow,
}

/// The same without what they are about.
#[derive(Debug, FromRow)]
pub(super) struct FiguresRow {
    calls: Option<i64>,
    errors: Option<i64>,
    cancelled_calls: Option<i64>,
    unpriced_calls: Option<i64>,
    estimated_calls: Option<i64>,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    cached_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    cost: Option<Decimal>,
    latency_ms: Option<i64>,
}

impl FiguresRow {
    /// What is left of the whole without a part of it.
    pub(super) fn take_off(&mut self, part: &Self) {
        let counts = [
            (&mut self.calls, part.calls),
            (&mut self.errors, part.errors),
            (&mut self.cancelled_calls, part.cancelled_calls),
            (&mut self.unpriced_calls, part.unpriced_calls),
            (&mut self.estimated_calls, part.estimated_calls),
            (&mut self.prompt_tokens, part.prompt_tokens),
            (&mut self.completion_tokens, part.completion_tokens),
            (&mut self.cached_tokens, part.cached_tokens),
            (&mut self.reasoning_tokens, part.reasoning_tokens),
            (&mut self.latency_ms, part.latency_ms),
        ];
        for (whole, part) in counts {
            *whole = whole.map(|whole| whole.saturating_sub(part.unwrap_or(0)));
        }
        self.cost = match (self.cost, self.calls == self.unpriced_calls) {
            (_, true) => None,
            (whole, false) => whole.map(|whole| whole - part.cost.unwrap_or_default()),
        };
    }

    /// Whether it is about no call.
    pub(super) fn is_nothing(&self) -> bool {
        self.calls.unwrap_or(0) == 0
    }
}

/// Sums over some calls.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct UsageFigures {
    calls: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    /// Tokens among those of the prompts that providers had cached.
    cached_tokens: i64,
    /// Tokens among those generated that were spent on reasoning.
    reasoning_tokens: i64,
    /// US dollars, of the calls whose price is known; absent where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Decimal>,
    /// Calls whose price is unknown and that `cost` leaves out.
    unpriced_calls: i64,
    /// Calls whose tokens are an estimate, because the provider sent no count.
    estimated_calls: i64,
    /// Calls that failed.
    errors: i64,
    /// Calls that their caller cancelled.
    cancelled_calls: i64,
    /// Milliseconds that a call took on average.
    mean_latency_ms: i64,
}

impl From<FiguresRow> for UsageFigures {
    fn from(row: FiguresRow) -> Self {
        let count = |value: Option<i64>| value.unwrap_or(0);
        let calls = count(row.calls);
        Self {
            calls,
            prompt_tokens: count(row.prompt_tokens),
            completion_tokens: count(row.completion_tokens),
            cached_tokens: count(row.cached_tokens),
            reasoning_tokens: count(row.reasoning_tokens),
            cost: row.cost.map(|cost| cost.normalize()),
            unpriced_calls: count(row.unpriced_calls),
            estimated_calls: count(row.estimated_calls),
            errors: count(row.errors),
            cancelled_calls: count(row.cancelled_calls),
            mean_latency_ms: count(row.latency_ms).checked_div(calls).unwrap_or(0),
        }
    }
}

/// Sums by group: days in order, everything else by the most calls.
pub(super) async fn summary(
    connection: &mut PgConnection,
    filter: &Filter,
    group_by: GroupBy,
    zone: &str,
) -> Result<Vec<SumRow>, StoreError> {
    let by_day = group_by == GroupBy::Day;
    let mut query = QueryBuilder::<Postgres>::new("SELECT a.*, ");
    group_by.push_label(&mut query);
    query.push(" AS label FROM (SELECT ");
    group_by.push_key(&mut query, zone);
    query.push(" AS key, ").push(SUMS).push(" FROM ");
    let (by_person, by_end_user) = (group_by.by_person(), group_by.by_end_user());
    Parts { filter, by_person, by_day, by_end_user, among: None }.push(&mut query);
    query.push(" p");
    group_by.push_rows(&mut query);
    query.push(" GROUP BY 1 ORDER BY ").push(if by_day { "1" } else { "2 DESC, 1" });
    query.push(" LIMIT ").push_bind(MOST_GROUPS).push(") a");
    group_by.push_names(&mut query);
    query.push(" ORDER BY ").push(if by_day { "a.key" } else { "a.calls DESC, a.key" });
    Ok(query.build_query_as().fetch_all(connection).await?)
}

/// Sums over everything.
pub(super) async fn total(
    connection: &mut PgConnection,
    filter: &Filter,
) -> Result<FiguresRow, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT ");
    query.push(SUMS).push(" FROM ");
    Parts { filter, by_person: false, by_day: false, by_end_user: false, among: None }
        .push(&mut query);
    Ok(query.push(" p").build_query_as().fetch_one(connection).await?)
}

/// The zone that a person's days are in.
pub(super) async fn zone_of(
    connection: &mut PgConnection,
    user: uuid::Uuid,
) -> Result<String, StoreError> {
    let zone = sqlx::query_scalar!("SELECT timezone FROM identity.users WHERE id = $1", user)
        .fetch_optional(connection)
        .await?;
    Ok(zone.unwrap_or_else(|| "UTC".to_owned()))
}

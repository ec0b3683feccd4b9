use chrono::{DateTime, Utc};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::span::{Range, Span};

/// Which calls are meant.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    /// Only this user's; `None` for everybody's.
    pub(crate) user_id: Option<Uuid>,
    /// Only those that came with this key.
    pub(crate) api_key_id: Option<Uuid>,
    /// Only those of people who were in this group.
    pub(crate) group_id: Option<Uuid>,
    pub(crate) provider_config_id: Option<Uuid>,
    pub(crate) provider: Option<String>,
    /// The model that served, else the one asked for.
    pub(crate) model: Option<String>,
    pub(crate) purpose: Option<String>,
    /// Whom programs called for, by exactly this name.
    pub(crate) end_user: Option<String>,
    pub(crate) from: DateTime<Utc>,
    /// Not this moment any more.
    pub(crate) to: DateTime<Utc>,
}

/// Sums over the columns of [`Parts::push`], named `p`.
pub(crate) const SUMS: &str = "sum(p.calls)::bigint AS calls,
    sum(p.failed_calls)::bigint AS errors, sum(p.cancelled_calls)::bigint AS cancelled_calls,
    sum(p.unpriced_calls)::bigint AS unpriced_calls,
    sum(p.estimated_calls)::bigint AS estimated_calls,
    gateway.count_of(sum(p.prompt_tokens)) AS prompt_tokens,
    gateway.count_of(sum(p.completion_tokens)) AS completion_tokens,
    gateway.count_of(sum(p.cached_tokens)) AS cached_tokens,
    gateway.count_of(sum(p.reasoning_tokens)) AS reasoning_tokens,
    sum(p.costs) AS cost, gateway.count_of(sum(p.latency_ms)) AS latency_ms";

const OF_SUMS: &str = "s.starts_at, s.user_id, s.api_key_id, s.group_ids, s.provider_config_id,
    s.provider, s.model, s.purpose, s.calls, s.failed_calls, s.cancelled_calls, s.unpriced_calls,
    s.estimated_calls, s.prompt_tokens, s.completion_tokens, s.cached_tokens, s.reasoning_tokens,
    s.costs, s.latency_ms, NULL::text AS end_user";

const OF_CALLS: &str = "s.created_at AS starts_at, s.user_id, s.api_key_id, s.group_ids,
    s.provider_config_id, s.provider, coalesce(s.served_model, s.requested_model) AS model,
    s.purpose, 1::bigint AS calls, (s.status = 'failed')::int::bigint AS failed_calls,
    (s.status = 'cancelled')::int::bigint AS cancelled_calls,
    (s.cost IS NULL)::int::bigint AS unpriced_calls, s.estimated::int::bigint AS estimated_calls,
    s.prompt_tokens, s.completion_tokens, s.cached_tokens, s.reasoning_tokens, s.cost AS costs,
    s.latency_ms::bigint AS latency_ms, s.end_user";

/// What a sum is made of.
pub(crate) struct Parts<'a> {
    pub(crate) filter: &'a Filter,
    /// Whether it matters who called.
    pub(crate) by_person: bool,
    /// Whether it matters on which day of a zone a call began.
    pub(crate) by_day: bool,
    /// Whether it matters whom a program called for.
    pub(crate) by_end_user: bool,
    /// Only the calls of these people.
    pub(crate) among: Option<&'a [Uuid]>,
}

impl Parts<'_> {
    /// Writes, in brackets, the select that brings the rows to be added up.
    pub(crate) fn push(&self, query: &mut QueryBuilder<Postgres>) {
        let Filter { from, to, end_user, .. } = self.filter;
        query.push("(");
        // The roll-ups do not tell end users apart: they would be nearly as many rows as the ledger.
        let span = match self.by_end_user || end_user.is_some() {
            true => Span::not_rolled_up(*from, *to),
            false => Span::new(*from, *to),
        };
        if span.quarters.is_some() {
            self.push_sums(query, &span);
        }
        query.push("SELECT ").push(OF_CALLS).push(" FROM gateway.usage_statistics s WHERE ");
        let model = "coalesce(s.served_model, s.requested_model)";
        self.restrict(query, "s.created_at", &span.edges, model);
        query.push(")");
    }

    /// Writes the selects of what is rolled up, and that another follows.
    fn push_sums(&self, query: &mut QueryBuilder<Postgres>, span: &Span) {
        let Filter { user_id, api_key_id, group_id, .. } = self.filter;
        let person = user_id.is_some() || api_key_id.is_some() || group_id.is_some();
        let fine = if self.by_person || person { "quarter" } else { "overall" };
        query.push("SELECT ").push(OF_SUMS).push(" FROM gateway.usage_deltas s WHERE ");
        self.restrict(query, "s.starts_at", span.quarters.as_slice(), "s.model");
        let (quarters, days) = match self.by_day {
            true => (span.quarters.as_slice(), &[][..]),
            false => (span.around_days.as_slice(), span.days.as_slice()),
        };
        for (grain, ranges) in [(fine, quarters), ("day", days)] {
            query.push(" UNION ALL SELECT ").push(OF_SUMS);
            query.push(" FROM gateway.usage_rollups s WHERE s.grain = ").push_bind(grain);
            query.push(" AND ");
            self.restrict(query, "s.starts_at", ranges, "s.model");
        }
        query.push(" UNION ALL ");
    }

    fn restrict(
        &self,
        query: &mut QueryBuilder<Postgres>,
        column: &'static str,
        ranges: &[Range],
        model: &'static str,
    ) {
        query.push("(false");
        for (from, to) in ranges {
            query.push(" OR ").push(column).push(" >= ").push_bind(*from);
            query.push(" AND ").push(column).push(" < ").push_bind(*to);
        }
        query.push(")");
        self.filter.restrict(query, model);
        if let Some(people) = self.among {
            query.push(" AND s.user_id = ANY (").push_bind(people.to_vec()).push(")");
        }
    }
}

impl Filter {
    /// Writes the conditions beside the span, on rows named `s` whose model is `model`.
    pub(crate) fn restrict(&self, query: &mut QueryBuilder<Postgres>, model: &'static str) {
        let ids = [
            (" AND s.user_id = ", self.user_id),
            (" AND s.api_key_id = ", self.api_key_id),
            (" AND s.provider_config_id = ", self.provider_config_id),
        ];
        for (condition, id) in ids {
            if let Some(id) = id {
                query.push(condition).push_bind(id);
            }
        }
        if let Some(group) = self.group_id {
            query.push(" AND ").push_bind(group).push(" = ANY (s.group_ids)");
        }
        if let Some(name) = &self.model {
            query.push(" AND ").push(model).push(" = ").push_bind(name.clone());
        }
        let texts = [
            (" AND s.provider = ", &self.provider),
            (" AND s.purpose = ", &self.purpose),
            (" AND s.end_user = ", &self.end_user),
        ];
        for (condition, text) in texts {
            if let Some(text) = text {
                query.push(condition).push_bind(text.clone());
            }
        }
    }
}

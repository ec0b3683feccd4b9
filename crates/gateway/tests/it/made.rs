//! Calls that were never made, for asking what they add up to.

use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use crate::world::World;

/// A call as a row of the ledger.
#[derive(Clone, Debug)]
pub struct Call {
    pub at: DateTime<Utc>,
    pub user: usize,
    pub key: bool,
    pub groups: usize,
    pub config: bool,
    pub model: usize,
    pub served: bool,
    pub purpose: &'static str,
    pub status: &'static str,
    pub tokens: i64,
    pub cost: Option<i64>,
}

/// Moments around the ends of months and days and the changes of summer time.
pub fn moments() -> impl Strategy<Value = DateTime<Utc>> {
    let around = prop::sample::select(vec![
        "2026-01-31T23:45:00Z",
        "2026-03-01T00:00:00Z",
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-10-31T18:30:00Z",
        "2026-11-10T12:00:00Z",
    ]);
    (around, -200_000_000_i64..200_000_000).prop_map(|(around, milliseconds)| {
        around.parse::<DateTime<Utc>>().unwrap() + TimeDelta::milliseconds(milliseconds)
    })
}

/// Calls of any kind.
pub fn calls() -> impl Strategy<Value = Call> {
    let who = (0..3_usize, any::<bool>(), 0..4_usize, any::<bool>());
    let what = (
        0..3_usize,
        any::<bool>(),
        prop::sample::select(vec!["chat", "api", "embedding"]),
        prop::sample::select(vec!["completed", "failed", "cancelled"]),
    );
    (moments(), who, what, 0..1_000_000_i64, prop::option::of(0..1_000_000_i64)).prop_map(
        |(at, (user, key, groups, config), (model, served, purpose, status), tokens, cost)| Call {
            at,
            user,
            key,
            groups,
            config,
            model,
            served,
            purpose,
            status,
            tokens,
            cost,
        },
    )
}

/// A ledger that is filled by hand.
pub struct Ledger {
    pub world: World,
    pub people: Vec<Uuid>,
    pub key: Uuid,
    pub groups: [Uuid; 2],
    pub config: Uuid,
}

impl Ledger {
    pub async fn new() -> Self {
        let world = World::new().await;
        world.admin("root").await;
        let mut people = Vec::new();
        for name in ["ada", "bob", "eve"] {
            people.push(world.user(name).await);
        }
        let groups = [lyceum_core::new_id(), lyceum_core::new_id()];
        Self { world, people, key: lyceum_core::new_id(), groups, config: lyceum_core::new_id() }
    }

    pub async fn add(&self, calls: &[Call]) {
        let rows: Vec<Value> = calls
            .iter()
            .map(|call| {
                let groups: Vec<_> =
                    (0..2).filter(|g| call.groups >> g & 1 == 1).map(|g| self.groups[g]).collect();
                json!({"created_at": call.at, "user_id": self.people[call.user],
                    "api_key_id": call.key.then_some(self.key), "group_ids": groups,
                    "provider_config_id": call.config.then_some(self.config),
                    "provider": if call.config { "custom" } else { "local" },
                    "requested_model": format!("model-{}", call.model),
                    "served_model": call.served.then(|| format!("served-{}", call.model)),
                    "purpose": call.purpose, "status": call.status, "tokens": call.tokens,
                    "cost": call.cost.map(dollars), "end_user": end_user(call.tokens)})
            })
            .collect();
        let mut tx = self.world.test.db.begin_maintenance().await.unwrap();
        sqlx::query(
            "INSERT INTO gateway.usage_statistics
               (id, created_at, user_id, api_key_id, provider_config_id, provider, requested_model,
                served_model, purpose, prompt_tokens, completion_tokens, cached_tokens,
                reasoning_tokens, cost, estimated, status, latency_ms, request_id, group_ids,
                end_user)
             SELECT gen_random_uuid(), created_at, user_id, api_key_id, provider_config_id, provider,
                    requested_model, served_model, purpose, tokens, tokens / 2, tokens / 3,
                    tokens / 4, cost, tokens % 2 = 0, status, tokens / 100, gen_random_uuid(),
                    ARRAY(SELECT value::uuid FROM jsonb_array_elements_text(group_ids) AS value),
                    end_user
             FROM jsonb_to_recordset($1) AS row (created_at timestamptz, user_id uuid,
                api_key_id uuid, provider_config_id uuid, provider text, requested_model text,
                served_model text, purpose text, status text, tokens bigint, cost numeric,
                group_ids jsonb, end_user text)",
        )
        .bind(Value::Array(rows))
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }

    /// What the ledger's rows add up to, by a key in SQL.
    pub async fn expected(&self, key: &str, from: &str, conditions: &str) -> Vec<Value> {
        let query = format!(
            "SELECT key, count(*) AS calls, count(*) FILTER (WHERE status = 'failed') AS errors,
                    count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
                    count(*) FILTER (WHERE cost IS NULL) AS unpriced,
                    count(*) FILTER (WHERE estimated) AS estimated,
                    sum(prompt_tokens)::bigint AS prompt, sum(completion_tokens)::bigint AS answer,
                    sum(cached_tokens)::bigint AS cached, sum(reasoning_tokens)::bigint AS reasoning,
                    trim_scale(sum(cost))::text AS cost
             FROM (SELECT {key} AS key, s.* FROM gateway.usage_statistics s {from}) s
             WHERE {conditions} GROUP BY 1 ORDER BY 1"
        );
        let mut tx = self.world.test.db.begin_maintenance().await.unwrap();
        let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(&mut *tx).await.unwrap();
        let mut sums: Vec<Value> = rows
            .iter()
            .map(|row| {
                let count = |name| row.get::<i64, _>(name);
                let mut sum = json!({"key": row.get::<String, _>("key"), "calls": count("calls"),
                    "errors": count("errors"), "cancelled_calls": count("cancelled"),
                    "unpriced_calls": count("unpriced"), "estimated_calls": count("estimated"),
                    "prompt_tokens": count("prompt"), "completion_tokens": count("answer"),
                    "cached_tokens": count("cached"), "reasoning_tokens": count("reasoning")});
                if let Some(cost) = row.get::<Option<String>, _>("cost") {
                    sum["cost"] = json!(cost);
                }
                sum
            })
            .collect();
        sums.sort_by_key(|sum| sum["key"].to_string());
        sums
    }

    pub async fn items(&self, path: &str) -> Vec<Value> {
        let (status, answer) = self.world.send("root", "GET", path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        let mut items = answer["items"].as_array().unwrap().clone();
        for item in &mut items {
            let item = item.as_object_mut().unwrap();
            item.remove("label");
            item.remove("mean_latency_ms");
        }
        items.sort_by_key(|item| item["key"].to_string());
        items
    }
}

/// One of two, or none.
fn end_user(tokens: i64) -> Option<String> {
    Some(tokens % 3).filter(|rest| *rest > 0).map(|rest| format!("customer-{rest}"))
}

fn dollars(millionths: i64) -> String {
    format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
}

//! The routes of a user's catalogue.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use lyceum_store::StoreError;
use sqlx::PgConnection;
use uuid::Uuid;

use super::health::Policy;
use super::store::{self, SettingsRow, TargetRow};
use super::{Cause, HealthBook, Rank, Route, Settings, Target};
use crate::ModelConfig;

/// Reads the routes `wanted` (id and name), each with those of its targets that are among `models`,
/// which are all that the user may call.
pub(crate) async fn load(
    connection: &mut PgConnection,
    book: &HealthBook,
    wanted: &[(Uuid, &str)],
    models: &[ModelConfig],
) -> Result<HashMap<Uuid, Route>, StoreError> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Uuid> = wanted.iter().map(|(id, _)| *id).collect();
    let settings = store::settings(connection, &ids).await?;
    let targets = store::targets(connection, &ids).await?;
    let models: HashMap<Uuid, &ModelConfig> =
        models.iter().filter(|model| model.available).map(|model| (model.id, model)).collect();
    let names: HashMap<Uuid, &str> = wanted.iter().copied().collect();
    let now = Instant::now();
    let mut routes: HashMap<Uuid, Route> = HashMap::new();
    for row in settings {
        let name = names.get(&row.id).copied().unwrap_or_default().to_owned();
        let (id, settings) = (row.id, Settings::from(&row));
        routes.insert(id, Route { id, name, settings, targets: Vec::new() });
    }
    for row in targets {
        let model = models.get(&row.model_config_id).copied();
        if let (Some(route), Some(model)) = (routes.get_mut(&row.route_id), model) {
            route.targets.push(target(&row, model, book, now));
        }
    }
    Ok(routes)
}

fn target(row: &TargetRow, model: &ModelConfig, book: &HealthBook, now: Instant) -> Target {
    Target {
        model: model.clone(),
        rank: Rank { priority: row.priority, weight: row.weight },
        tools: row.tools,
        images: row.images,
        health: book.of(row.route_id, row.model_config_id, now),
    }
}

impl Route {
    /// Whether there is anything to ask.
    pub(crate) fn is_available(&self) -> bool {
        !self.targets.is_empty()
    }

    /// The longest context of the targets; unknown as soon as one is.
    pub(crate) fn context_length(&self) -> Option<i32> {
        let lengths = self.targets.iter().map(|target| target.model.context_length);
        lengths.collect::<Option<Vec<i32>>>()?.into_iter().max()
    }

    /// The length of the vectors, which is the same of all targets.
    pub(crate) fn dimensions(&self) -> Option<i32> {
        self.targets.first()?.model.dimensions
    }
}

impl From<&SettingsRow> for Settings {
    fn from(row: &SettingsRow) -> Self {
        Self {
            retries: count(row.retries),
            backoff: span(row.backoff_ms),
            wait_budget: span(row.wait_budget_ms),
            first_token: row.first_token_timeout_ms.map(span),
            answer: row.answer_timeout_ms.map(span),
            fallback_on: row.fallback_on.iter().filter_map(|name| Cause::named(name)).collect(),
            policy: row.policy(),
        }
    }
}

impl SettingsRow {
    pub(super) fn policy(&self) -> Policy {
        Policy {
            window: span(self.window_ms),
            min_calls: count(self.min_calls),
            failure_percent: count(self.failure_percent),
            cooldown: span(self.cooldown_ms),
        }
    }
}

fn span(millis: i32) -> Duration {
    Duration::from_millis(millis.max(0).unsigned_abs().into())
}

fn count(number: i16) -> u32 {
    number.max(0).unsigned_abs().into()
}

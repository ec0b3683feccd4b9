//! Making, changing, deleting and showing routes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use lyceum_core::{Cursor, Page, PageRequest, new_id};
use lyceum_http::{ApiError, Caller};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Cause;
use super::health::State;
use super::http::{
    CreateModelRoute, ModelRoute, RouteSettings, RouteTarget, Scope, TargetHealth, TargetInput,
    TargetState, UpdateModelRoute,
};
use super::store::{self, RouteRow, SettingsRow, TargetRow, TargetView};
use crate::models::{check_editable, kind_of};
use crate::{Gateway, GatewayError, ORGANIZATION_PROVIDER, fields};

/// The most models of one route.
const MAX_TARGETS: usize = 20;

fn manages(caller: &Caller) -> bool {
    caller.may(ORGANIZATION_PROVIDER.0, ORGANIZATION_PROVIDER.1)
}

impl Gateway {
    pub(super) async fn model_routes(
        &self,
        caller: &Caller,
        page: PageRequest,
    ) -> Result<Page<ModelRoute>, GatewayError> {
        let user = caller.user_id;
        let mut tx = self.inner.db.begin_as(user).await?;
        let rows = store::list(&mut tx, user, manages(caller), None, &page).await?;
        let cursor = |row: &RouteRow| Cursor { at: row.created_at, id: row.id };
        let page = Page::from_rows(rows, page.limit, cursor);
        let items = views(&mut tx, caller, page.items).await?;
        tx.commit().await?;
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    pub(super) async fn model_route(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<ModelRoute, GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let row = find(&mut tx, caller, id).await?;
        let view = view(&mut tx, caller, row).await?;
        tx.commit().await?;
        Ok(view)
    }

    pub(super) async fn create_route(
        &self,
        caller: &Caller,
        body: CreateModelRoute,
    ) -> Result<ModelRoute, ApiError> {
        let (user, now, id) = (caller.user_id, self.inner.clock.now(), new_id());
        let owner = match body.scope {
            Scope::Personal => Some(user),
            Scope::Organization => None,
        };
        check_editable(caller, owner)?;
        let name = fields::text("name", &body.name, 100)?;
        let description = description(&body.description)?;
        let mut tx = self.inner.db.begin_as(user).await?;
        let kind = kind_of_targets(&mut tx, user, owner, &body.targets).await?;
        let made = store::insert_model(&mut tx, id, owner, &name, &kind, user, now).await;
        made.map_err(|error| fields::refused(error, "route"))?;
        let settings = body.settings.row(id);
        let put = store::put(&mut tx, &settings, &description, now).await;
        put.map_err(|error| fields::refused(error, "route"))?;
        let targets = rows(id, &body.targets);
        let replaced = store::replace_targets(&mut tx, id, &targets, now).await;
        replaced.map_err(|error| fields::refused(error, "model"))?;
        let row = find(&mut tx, caller, id).await?;
        let view = view(&mut tx, caller, row).await?;
        tx.commit().await.map_err(GatewayError::from)?;
        self.inner.catalogues.forget_all();
        Ok(view)
    }

    pub(super) async fn update_route(
        &self,
        caller: &Caller,
        id: Uuid,
        body: UpdateModelRoute,
    ) -> Result<ModelRoute, ApiError> {
        let (user, now) = (caller.user_id, self.inner.clock.now());
        let mut tx = self.inner.db.begin_as(user).await?;
        let row = find(&mut tx, caller, id).await?;
        check_editable(caller, row.owner_id)?;
        let name = match &body.name {
            Some(name) => fields::text("name", name, 100)?,
            None => row.name.clone(),
        };
        let is_active = body.is_active.unwrap_or(row.is_active);
        let renamed = store::update_model(&mut tx, user, id, &name, is_active).await;
        if !renamed.map_err(|error| fields::refused(error, "route"))? {
            return Err(GatewayError::NotFound("route").into());
        }
        if body.description.is_some() || body.settings.is_some() {
            let text = description(body.description.as_deref().unwrap_or(&row.description))?;
            let settings = match &body.settings {
                Some(settings) => settings.row(id),
                None => settings_of(&mut tx, id).await?,
            };
            let put = store::put(&mut tx, &settings, &text, now).await;
            put.map_err(|error| fields::refused(error, "route"))?;
        }
        if let Some(targets) = &body.targets {
            let kind = kind_of_targets(&mut tx, user, row.owner_id, targets).await?;
            if kind != row.kind {
                let reason = format!("must all be {} models, as they were", row.kind);
                return Err(GatewayError::invalid("targets", reason).into());
            }
            let replaced = store::replace_targets(&mut tx, id, &rows(id, targets), now).await;
            replaced.map_err(|error| fields::refused(error, "model"))?;
        }
        let row = find(&mut tx, caller, id).await?;
        let view = view(&mut tx, caller, row).await?;
        tx.commit().await.map_err(GatewayError::from)?;
        self.inner.catalogues.forget_all();
        Ok(view)
    }

    pub(super) async fn delete_route(&self, caller: &Caller, id: Uuid) -> Result<(), ApiError> {
        let user = caller.user_id;
        let mut tx = self.inner.db.begin_as(user).await?;
        let row = find(&mut tx, caller, id).await?;
        check_editable(caller, row.owner_id)?;
        if !store::delete(&mut tx, user, id, self.inner.clock.now())
            .await
            .map_err(GatewayError::from)?
        {
            return Err(GatewayError::NotFound("route").into());
        }
        tx.commit().await.map_err(GatewayError::from)?;
        self.inner.catalogues.forget_all();
        Ok(())
    }

    pub(super) async fn route_health(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Vec<TargetHealth>, GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let row = find(&mut tx, caller, id).await?;
        let policy = settings_of(&mut tx, id).await?.policy();
        let targets = visible_targets(&mut tx, caller, &[row]).await?;
        tx.commit().await?;
        let (at, now) = (self.inner.clock.now(), Instant::now());
        let health = |target: TargetView| {
            let health = self.inner.health.of(id, target.model_config_id, now);
            let figures = health.figures(&policy, now);
            let (state, until) = match figures.state {
                State::Healthy => (TargetState::Healthy, None),
                State::Cooling(until) => (TargetState::Cooling, Some(until)),
                State::Probing => (TargetState::Probing, None),
            };
            let left = until.map(|until| until.saturating_duration_since(now));
            TargetHealth {
                model_config_id: target.model_config_id,
                name: target.name,
                state,
                cooling_until: left.map(|left| at + TimeDelta::from_std(left).unwrap_or_default()),
                calls: figures.calls,
                failures: figures.failures,
                failure_rate: f64::from(figures.failures) / f64::from(figures.calls.max(1)),
                p50_latency_ms: figures.median.map(millis),
            }
        };
        Ok(targets.into_iter().map(health).collect())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The route of this id, if the caller sees it.
async fn find(
    connection: &mut PgConnection,
    caller: &Caller,
    id: Uuid,
) -> Result<RouteRow, GatewayError> {
    let page = PageRequest { limit: 1, after: None };
    let rows = store::list(connection, caller.user_id, manages(caller), Some(id), &page).await?;
    rows.into_iter().next().ok_or(GatewayError::NotFound("route"))
}

async fn settings_of(connection: &mut PgConnection, id: Uuid) -> Result<SettingsRow, GatewayError> {
    let rows = store::settings(connection, &[id]).await?;
    rows.into_iter().next().ok_or(GatewayError::NotFound("route"))
}

async fn view(
    connection: &mut PgConnection,
    caller: &Caller,
    row: RouteRow,
) -> Result<ModelRoute, GatewayError> {
    let views = views(connection, caller, vec![row]).await?;
    views.into_iter().next().ok_or(GatewayError::NotFound("route"))
}

/// The targets that the caller may use, and those of routes that they manage.
async fn visible_targets(
    connection: &mut PgConnection,
    caller: &Caller,
    routes: &[RouteRow],
) -> Result<Vec<TargetView>, GatewayError> {
    let ids: Vec<Uuid> = routes.iter().map(|row| row.id).collect();
    let managed: Vec<Uuid> =
        routes.iter().filter(|row| is_editable(caller, row)).map(|row| row.id).collect();
    let targets = store::target_views(connection, caller.user_id, &ids).await?;
    let visible = |target: &TargetView| target.usable || managed.contains(&target.route_id);
    Ok(targets.into_iter().filter(visible).collect())
}

fn is_editable(caller: &Caller, row: &RouteRow) -> bool {
    row.owner_id == Some(caller.user_id) || row.owner_id.is_none() && manages(caller)
}

async fn views(
    connection: &mut PgConnection,
    caller: &Caller,
    rows: Vec<RouteRow>,
) -> Result<Vec<ModelRoute>, GatewayError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let settings = store::settings(connection, &ids).await?;
    let settings: HashMap<Uuid, SettingsRow> =
        settings.into_iter().map(|row| (row.id, row)).collect();
    let mut targets: HashMap<Uuid, Vec<RouteTarget>> = HashMap::new();
    for target in visible_targets(connection, caller, &rows).await? {
        targets.entry(target.route_id).or_default().push(target.into());
    }
    let view = |row: RouteRow| {
        let targets = targets.remove(&row.id).unwrap_or_default();
        ModelRoute {
            kind: kind_of(&row.kind).into(),
            scope: match row.owner_id {
                Some(_) => Scope::Personal,
                None => Scope::Organization,
            },
            available: row.is_active && targets.iter().any(|target| target.usable),
            editable: is_editable(caller, &row),
            settings: settings.get(&row.id).map(RouteSettings::from).unwrap_or_default(),
            targets,
            id: row.id,
            name: row.name,
            description: row.description,
            is_active: row.is_active,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    };
    Ok(rows.into_iter().map(view).collect())
}

/// The kind of all the models, if they can be the targets of one route of `owner`.
async fn kind_of_targets(
    connection: &mut PgConnection,
    user: Uuid,
    owner: Option<Uuid>,
    targets: &[TargetInput],
) -> Result<String, GatewayError> {
    let invalid = |reason: String| Err(GatewayError::invalid("targets", reason));
    if !(1..=MAX_TARGETS).contains(&targets.len()) {
        return invalid(format!("name 1 to {MAX_TARGETS} models"));
    }
    let ids: Vec<Uuid> = targets.iter().map(|target| target.model_config_id).collect();
    let models = store::candidates(connection, user, &ids).await?;
    for (index, id) in ids.iter().enumerate() {
        let Some(model) = models.iter().find(|model| model.id == *id) else {
            return Err(GatewayError::NotFound("model"));
        };
        if ids.iter().take(index).any(|earlier| earlier == id) {
            return invalid(format!("'{}' is named twice", model.name));
        }
        if model.provider == super::ROUTE {
            return invalid(format!("'{}' is a route itself", model.name));
        }
        if owner.is_none() && model.owner_id.is_some() {
            return invalid(format!(
                "'{}' is personal; the organisation's routes ask the organisation's models",
                model.name
            ));
        }
    }
    let Some(first) = models.first() else { return Err(GatewayError::NotFound("model")) };
    if models.iter().any(|model| model.kind != first.kind) {
        return invalid("must all be of one kind".to_owned());
    }
    // Vectors of different models do not compare; of the same model at two providers they do.
    if models.iter().any(|model| model.dimensions != first.dimensions) {
        return invalid("must all give vectors of one length".to_owned());
    }
    Ok(first.kind.clone())
}

fn rows(route_id: Uuid, targets: &[TargetInput]) -> Vec<TargetRow> {
    let row = |target: &TargetInput| TargetRow {
        route_id,
        model_config_id: target.model_config_id,
        priority: target.priority,
        weight: target.weight,
        tools: target.tools,
        images: target.images,
    };
    targets.iter().map(row).collect()
}

fn description(text: &str) -> Result<String, GatewayError> {
    match text.trim() {
        "" => Ok(String::new()),
        text => fields::text("description", text, 500),
    }
}

impl RouteSettings {
    fn row(&self, id: Uuid) -> SettingsRow {
        SettingsRow {
            id,
            retries: self.retries,
            backoff_ms: self.backoff_ms,
            wait_budget_ms: self.wait_budget_ms,
            first_token_timeout_ms: self.first_token_timeout_ms,
            answer_timeout_ms: self.answer_timeout_ms,
            fallback_on: self.fallback_on.iter().map(|cause| cause.as_str().to_owned()).collect(),
            failure_percent: self.failure_percent,
            min_calls: self.min_calls,
            window_ms: self.window_ms,
            cooldown_ms: self.cooldown_ms,
        }
    }
}

impl From<&SettingsRow> for RouteSettings {
    fn from(row: &SettingsRow) -> Self {
        Self {
            retries: row.retries,
            backoff_ms: row.backoff_ms,
            wait_budget_ms: row.wait_budget_ms,
            first_token_timeout_ms: row.first_token_timeout_ms,
            answer_timeout_ms: row.answer_timeout_ms,
            fallback_on: row.fallback_on.iter().filter_map(|name| Cause::named(name)).collect(),
            failure_percent: row.failure_percent,
            min_calls: row.min_calls,
            window_ms: row.window_ms,
            cooldown_ms: row.cooldown_ms,
        }
    }
}

impl From<TargetView> for RouteTarget {
    fn from(row: TargetView) -> Self {
        Self {
            model_config_id: row.model_config_id,
            name: row.name,
            model: row.model,
            provider: row.provider,
            provider_config_name: row.provider_config_name,
            priority: row.priority,
            weight: row.weight,
            tools: row.tools,
            images: row.images,
            usable: row.usable,
        }
    }
}

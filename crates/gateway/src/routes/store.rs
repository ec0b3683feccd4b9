use chrono::{DateTime, Utc};
use lyceum_core::PageRequest;
use lyceum_store::StoreError;
use sqlx::PgConnection;
use uuid::Uuid;

/// How a route treats its targets; times in milliseconds.
#[derive(Clone, Debug)]
pub(super) struct SettingsRow {
    pub(super) id: Uuid,
    pub(super) retries: i16,
    pub(super) backoff_ms: i32,
    pub(super) wait_budget_ms: i32,
    pub(super) first_token_timeout_ms: Option<i32>,
    pub(super) answer_timeout_ms: Option<i32>,
    pub(super) fallback_on: Vec<String>,
    pub(super) failure_percent: i16,
    pub(super) min_calls: i16,
    pub(super) window_ms: i32,
    pub(super) cooldown_ms: i32,
}

/// The settings of these routes.
pub(super) async fn settings(
    connection: &mut PgConnection,
    routes: &[Uuid],
) -> Result<Vec<SettingsRow>, StoreError> {
    let rows = sqlx::query_as!(
        SettingsRow,
        "SELECT id, retries, backoff_ms, wait_budget_ms, first_token_timeout_ms,
                answer_timeout_ms, fallback_on, failure_percent, min_calls, window_ms, cooldown_ms
         FROM gateway.model_routes WHERE id = ANY ($1)",
        routes,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// One model of a route.
#[derive(Clone, Debug)]
pub(super) struct TargetRow {
    pub(super) route_id: Uuid,
    pub(super) model_config_id: Uuid,
    pub(super) priority: i16,
    pub(super) weight: i16,
    pub(super) tools: Option<bool>,
    pub(super) images: Option<bool>,
}

/// The targets of these routes.
pub(super) async fn targets(
    connection: &mut PgConnection,
    routes: &[Uuid],
) -> Result<Vec<TargetRow>, StoreError> {
    let rows = sqlx::query_as!(
        TargetRow,
        "SELECT route_id, model_config_id, priority, weight, tools, images
         FROM gateway.model_route_targets WHERE route_id = ANY ($1)
         ORDER BY route_id, priority, id",
        routes,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// A route as the list shows it.
#[derive(Clone, Debug)]
pub(super) struct RouteRow {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) kind: String,
    pub(super) owner_id: Option<Uuid>,
    pub(super) is_active: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// The routes that `user` sees, the latest first, with one row more than the page takes: their own,
/// and the organisation's of which they may use a target or which they manage. Only `id` if given.
pub(super) async fn list(
    connection: &mut PgConnection,
    user: Uuid,
    manages: bool,
    id: Option<Uuid>,
    page: &PageRequest,
) -> Result<Vec<RouteRow>, StoreError> {
    let rows = sqlx::query_as!(
        RouteRow,
        r#"SELECT r.id, m.name, r.description, m.kind, m.owner_id, m.is_active, r.created_at,
                greatest(r.updated_at, m.updated_at) AS "updated_at!"
         FROM gateway.model_routes r JOIN gateway.ai_model_configs m ON m.id = r.id
         WHERE m.deleted_at IS NULL AND ($3::uuid IS NULL OR r.id = $3)
           AND (m.owner_id = $1
                OR m.owner_id IS NULL AND ($2 OR EXISTS (
                    SELECT FROM gateway.model_route_targets t
                    JOIN gateway.ai_model_configs tm ON tm.id = t.model_config_id
                    WHERE t.route_id = r.id AND tm.deleted_at IS NULL AND tm.is_active
                      AND (tm.provider_config_id IS NULL
                           OR tm.provider_config_id
                              = ANY ((SELECT gateway.my_providers())::uuid[])))))
           AND ($4::timestamptz IS NULL OR (r.created_at, r.id) < ($4, $5::uuid))
         ORDER BY r.created_at DESC, r.id DESC LIMIT $6"#,
        user,
        manages,
        id,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// A target as the list shows it.
#[derive(Clone, Debug)]
pub(super) struct TargetView {
    pub(super) route_id: Uuid,
    pub(super) model_config_id: Uuid,
    pub(super) name: String,
    pub(super) model: String,
    pub(super) provider: String,
    pub(super) provider_config_name: Option<String>,
    pub(super) priority: i16,
    pub(super) weight: i16,
    pub(super) tools: Option<bool>,
    pub(super) images: Option<bool>,
    pub(super) usable: bool,
}

/// The targets of these routes that `user` sees, in the order in which they are asked.
pub(super) async fn target_views(
    connection: &mut PgConnection,
    user: Uuid,
    routes: &[Uuid],
) -> Result<Vec<TargetView>, StoreError> {
    let rows = sqlx::query_as!(
        TargetView,
        r#"SELECT t.route_id, t.model_config_id, m.name, m.model, m.provider,
                  pc.name AS "provider_config_name?", t.priority, t.weight, t.tools, t.images,
                  p.is_active AND m.is_active AND (m.provider_config_id IS NULL
                    OR pc.is_active AND m.provider_config_id
                       = ANY ((SELECT gateway.my_providers())::uuid[])) AS "usable!"
           FROM gateway.model_route_targets t
           JOIN gateway.ai_model_configs m ON m.id = t.model_config_id
           JOIN gateway.ai_providers p ON p.name = m.provider
           LEFT JOIN gateway.provider_configs pc ON pc.id = m.provider_config_id
           WHERE t.route_id = ANY ($2) AND m.deleted_at IS NULL
             AND (m.owner_id = $1 OR m.owner_id IS NULL)
           ORDER BY t.route_id, t.priority, t.weight DESC, t.id"#,
        user,
        routes,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// A model that might become a target.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) provider: String,
    pub(super) kind: String,
    pub(super) owner_id: Option<Uuid>,
    pub(super) dimensions: Option<i32>,
}

/// Of these models those that `user` sees.
pub(super) async fn candidates(
    connection: &mut PgConnection,
    user: Uuid,
    models: &[Uuid],
) -> Result<Vec<Candidate>, StoreError> {
    let rows = sqlx::query_as!(
        Candidate,
        "SELECT id, name, provider, kind, owner_id, dimensions FROM gateway.ai_model_configs
         WHERE id = ANY ($2) AND deleted_at IS NULL AND (owner_id = $1 OR owner_id IS NULL)",
        user,
        models,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Writes the model that a route is.
pub(super) async fn insert_model(
    connection: &mut PgConnection,
    id: Uuid,
    owner_id: Option<Uuid>,
    name: &str,
    kind: &str,
    created_by: Uuid,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO gateway.ai_model_configs
           (id, provider, owner_id, name, model, kind, created_by, created_at, updated_at)
         VALUES ($1, 'route', $2, $3, $3, $4, $5, $6, $6)",
        id,
        owner_id,
        name,
        kind,
        created_by,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes a route's settings, or replaces them.
pub(super) async fn put(
    connection: &mut PgConnection,
    row: &SettingsRow,
    description: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO gateway.model_routes
           (id, description, retries, backoff_ms, wait_budget_ms, first_token_timeout_ms,
            answer_timeout_ms, fallback_on, failure_percent, min_calls, window_ms, cooldown_ms,
            created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
         ON CONFLICT (id) DO UPDATE SET
           description = excluded.description, retries = excluded.retries,
           backoff_ms = excluded.backoff_ms, wait_budget_ms = excluded.wait_budget_ms,
           first_token_timeout_ms = excluded.first_token_timeout_ms,
           answer_timeout_ms = excluded.answer_timeout_ms, fallback_on = excluded.fallback_on,
           failure_percent = excluded.failure_percent, min_calls = excluded.min_calls,
           window_ms = excluded.window_ms, cooldown_ms = excluded.cooldown_ms",
        row.id,
        description,
        row.retries,
        row.backoff_ms,
        row.wait_budget_ms,
        row.first_token_timeout_ms,
        row.answer_timeout_ms,
        &row.fallback_on,
        row.failure_percent,
        row.min_calls,
        row.window_ms,
        row.cooldown_ms,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Renames a route, or switches it on or off. Answers whether it may be.
pub(super) async fn update_model(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    name: &str,
    is_active: bool,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE gateway.ai_model_configs SET name = $3, model = $3, is_active = $4
         WHERE id = $1 AND (owner_id = $2 OR owner_id IS NULL) AND provider = 'route'
           AND deleted_at IS NULL",
        id,
        user,
        name,
        is_active,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Puts these targets in the place of a route's present ones; rows keep their ids where they can.
pub(super) async fn replace_targets(
    connection: &mut PgConnection,
    route: Uuid,
    targets: &[TargetRow],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let models: Vec<Uuid> = targets.iter().map(|target| target.model_config_id).collect();
    sqlx::query!(
        "DELETE FROM gateway.model_route_targets
         WHERE route_id = $1 AND model_config_id <> ALL ($2)",
        route,
        &models,
    )
    .execute(&mut *connection)
    .await?;
    for target in targets {
        sqlx::query!(
            "INSERT INTO gateway.model_route_targets
               (id, route_id, model_config_id, priority, weight, tools, images, created_at,
                updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
             ON CONFLICT (route_id, model_config_id) DO UPDATE SET
               priority = excluded.priority, weight = excluded.weight, tools = excluded.tools,
               images = excluded.images",
            lyceum_core::new_id(),
            route,
            target.model_config_id,
            target.priority,
            target.weight,
            target.tools,
            target.images,
            now,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Marks the model that a route is as deleted.
pub(super) async fn delete(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE gateway.ai_model_configs SET deleted_at = $3, is_active = false, is_default = false
         WHERE id = $1 AND (owner_id = $2 OR owner_id IS NULL) AND provider = 'route'
           AND deleted_at IS NULL",
        id,
        user,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

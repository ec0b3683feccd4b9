use lyceum_core::{PageRequest, new_id};
use serde_json::Value;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::{Entry, SystemLog, SystemLogFilter};
use crate::OpsError;
use crate::audit::containing;

/// Writes a batch.
pub(super) async fn insert(
    connection: &mut PgConnection,
    node: &str,
    batch: &[Entry],
) -> Result<(), OpsError> {
    let ids: Vec<Uuid> = batch.iter().map(|_| new_id()).collect();
    let times: Vec<_> = batch.iter().map(|entry| entry.at).collect();
    let levels: Vec<_> = batch.iter().map(|entry| entry.level.to_owned()).collect();
    let messages: Vec<_> = batch.iter().map(|entry| entry.message.clone()).collect();
    let modules: Vec<_> = batch.iter().map(|entry| entry.module.clone()).collect();
    let functions: Vec<_> = batch.iter().map(|entry| entry.function_name.clone()).collect();
    let users: Vec<_> = batch.iter().map(|entry| entry.user_id).collect();
    let addresses: Vec<_> = batch.iter().map(|entry| entry.ip.map(|ip| ip.to_string())).collect();
    let others: Vec<_> =
        batch.iter().map(|entry| Value::Object(entry.extra_data.clone())).collect();
    sqlx::query!(
        "INSERT INTO ops.system_logs
           (id, created_at, level, message, module, function_name, node, user_id, ip_address,
            extra_data)
         SELECT e.id, e.at, e.level, e.message, e.module, e.function_name, left($1, 100),
                e.user_id, e.address::inet, e.extra_data
         FROM unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[],
                     $7::text[], $8::uuid[], $9::text[], $10::jsonb[])
              AS e (id, at, level, message, module, function_name, user_id, address, extra_data)",
        node,
        &ids,
        &times,
        &levels,
        &messages,
        &modules,
        &functions as &[Option<String>],
        &users as &[Option<Uuid>],
        &addresses as &[Option<String>],
        &others,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// One row more than the page holds.
pub(super) async fn list(
    connection: &mut PgConnection,
    filter: &SystemLogFilter,
    page: PageRequest,
) -> Result<Vec<SystemLog>, OpsError> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT id, created_at, level, message, module, function_name, node, user_id,
                host(ip_address) AS ip_address, extra_data
         FROM ops.system_logs WHERE true",
    );
    if let Some(level) = &filter.level {
        query.push(" AND level = ").push_bind(level);
    }
    if let Some(module) = &filter.module {
        query.push(" AND starts_with(module, ").push_bind(module).push(")");
    }
    if let Some(node) = &filter.node {
        query.push(" AND node = ").push_bind(node);
    }
    if let Some(from) = filter.from {
        query.push(" AND created_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        query.push(" AND created_at < ").push_bind(to);
    }
    if let Some(text) = &filter.text {
        let pattern = containing(text);
        query.push(" AND (message ILIKE ").push_bind(pattern.clone());
        query.push(" OR extra_data::text ILIKE ").push_bind(pattern).push(")");
    }
    if let Some(after) = page.after {
        query.push(" AND (created_at, id) < (").push_bind(after.at);
        query.push(", ").push_bind(after.id).push(")");
    }
    query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(page.limit + 1);
    Ok(query.build_query_as().fetch_all(connection).await?)
}

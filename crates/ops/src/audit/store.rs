use lyceum_core::PageRequest;
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::{AuditFilter, AuditLog};
use crate::OpsError;

/// One row more than the page holds. The conditions are put together, so that each combination
/// finds its index.
pub(super) async fn list(
    connection: &mut PgConnection,
    filter: &AuditFilter,
    page: PageRequest,
) -> Result<Vec<AuditLog>, OpsError> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT l.id, l.created_at, l.user_id,
                coalesce(u.username::text, 'SCIM: ' || t.name) AS username, l.action,
                l.resource_type, l.resource_id, l.old_values, l.new_values,
                host(l.ip_address) AS ip_address, l.user_agent
         FROM ops.audit_logs l LEFT JOIN identity.users u ON u.id = l.user_id
         LEFT JOIN identity.scim_tokens t ON t.id = l.user_id
         WHERE true",
    );
    if let Some(user_id) = filter.user_id {
        query.push(" AND l.user_id = ").push_bind(user_id);
    }
    if let Some(action) = &filter.action {
        query.push(" AND l.action = ").push_bind(action);
    }
    if let Some(resource_type) = &filter.resource_type {
        query.push(" AND l.resource_type = ").push_bind(resource_type);
    }
    if let Some(resource_id) = filter.resource_id {
        query.push(" AND l.resource_id = ").push_bind(resource_id);
    }
    if let Some(from) = filter.from {
        query.push(" AND l.created_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        query.push(" AND l.created_at < ").push_bind(to);
    }
    if let Some(network) = filter.ip_address {
        query.push(" AND l.ip_address <<= ").push_bind(network);
    }
    if let Some(text) = &filter.text {
        let pattern = containing(text);
        query.push(" AND (l.action ILIKE ").push_bind(pattern.clone());
        query.push(" OR l.resource_type ILIKE ").push_bind(pattern).push(")");
    }
    if let Some(after) = page.after {
        query.push(" AND (l.created_at, l.id) < (").push_bind(after.at);
        query.push(", ").push_bind(after.id).push(")");
    }
    query.push(" ORDER BY l.created_at DESC, l.id DESC LIMIT ").push_bind(page.limit + 1);
    Ok(query.build_query_as().fetch_all(connection).await?)
}

/// The pattern of texts that contain `text`, whatever is in it.
pub(crate) fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

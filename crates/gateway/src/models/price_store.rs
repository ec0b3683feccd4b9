use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, Page, PageRequest};
use lyceum_store::StoreError;
use rust_decimal::Decimal;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::store::ListedRow;
use crate::{Price, PriceTier};

/// Adds a version of a model's price at one provider config.
pub(super) async fn insert_price(
    connection: &mut PgConnection,
    model: &ListedRow,
    price: &Price,
    user: Uuid,
    valid_from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO gateway.model_prices
           (id, provider, provider_config_id, model, input_price, output_price,
            cached_input_price, cache_write_price, reasoning_price, embedding_price, tiers,
            valid_from, created_by, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)",
        lyceum_core::new_id(),
        model.provider,
        model.provider_config_id,
        model.model,
        price.input,
        price.output,
        price.cached_input,
        price.cache_write,
        price.reasoning,
        price.embedding,
        json!(price.tiers()),
        valid_from,
        user,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A version of a model's price.
pub(super) struct PriceRow {
    pub(super) id: Uuid,
    pub(super) input_price: Option<Decimal>,
    pub(super) output_price: Option<Decimal>,
    pub(super) cached_input_price: Option<Decimal>,
    pub(super) cache_write_price: Option<Decimal>,
    pub(super) reasoning_price: Option<Decimal>,
    pub(super) embedding_price: Option<Decimal>,
    pub(super) tiers: Json<Vec<PriceTier>>,
    pub(super) valid_from: DateTime<Utc>,
    pub(super) in_force: bool,
    pub(super) created_by: Option<Uuid>,
}

/// A page of the versions of a model's price, the latest to be valid first; which of them is in force
/// is chosen as for the list of models.
pub(super) async fn prices(
    connection: &mut PgConnection,
    id: Uuid,
    page: PageRequest,
    now: DateTime<Utc>,
) -> Result<Page<PriceRow>, StoreError> {
    let rows = sqlx::query_as!(
        PriceRow,
        r#"WITH versions AS (
               SELECT mp.*, mp.valid_from <= $2 AND 1 = row_number() OVER (
                          PARTITION BY mp.valid_from <= $2
                          ORDER BY mp.provider_config_id NULLS LAST, mp.valid_from DESC)
                          AS in_force
               FROM gateway.ai_model_configs m
               JOIN gateway.model_prices mp ON mp.provider = m.provider AND mp.model = m.model
                AND (mp.provider_config_id IS NULL
                     OR mp.provider_config_id = m.provider_config_id)
               WHERE m.id = $1
           )
           SELECT id, input_price, output_price, cached_input_price, cache_write_price,
                  reasoning_price, embedding_price, tiers AS "tiers!: Json<Vec<PriceTier>>",
                  valid_from, in_force AS "in_force!", created_by
           FROM versions
           WHERE $3::timestamptz IS NULL OR (valid_from, id) < ($3, $4::uuid)
           ORDER BY valid_from DESC, id DESC LIMIT $5"#,
        id,
        now,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, page.limit, |row| Cursor { at: row.valid_from, id: row.id }))
}

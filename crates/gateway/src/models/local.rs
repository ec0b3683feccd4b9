//! The built-in models as rows, so that conversations and knowledge bases can refer to them.

use chrono::{DateTime, Utc};
use lyceum_llm::{LocalModels, ModelKind};
use lyceum_store::Db;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::store;
use crate::GatewayError;

/// Writes every model of the engine's catalogue. Rows of models that are gone stay, for what
/// refers to them, and can't be called.
pub(crate) async fn register(
    db: &Db,
    local: &LocalModels,
    now: DateTime<Utc>,
) -> Result<(), GatewayError> {
    let mut tx = db.begin_maintenance().await?;
    for model in local.catalogue.iter() {
        let kind = match model.kind {
            ModelKind::Chat => "chat",
            ModelKind::Embedding => "embedding",
        };
        store::register_local(&mut tx, id_of(&model.id), model, kind, now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// The same id for the same name on every machine (UUID version 8).
pub(crate) fn id_of(name: &str) -> Uuid {
    let digest = Sha256::new().chain_update(b"lyceum local model\0").chain_update(name).finalize();
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_change() {
        let id = id_of("smollm2-135m-instruct");
        assert_eq!(id, id_of("smollm2-135m-instruct"));
        assert_ne!(id, id_of("smollm2-135m-instruct2"));
        assert_eq!(id.get_version_num(), 8);
    }
}

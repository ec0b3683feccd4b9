use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use lyceum_http::{Allow, ApiError, ApiPath, Caller, ProblemDocument};
use lyceum_store::audit::{AuditEntry, record};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::writer::Content;
use super::{SEALED_IN, store};
use crate::{Gateway, GatewayError, PayloadRead, USAGE_READ_ALL};

pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(get_call_payload))
}

/// The request and the answer of a call, without secrets.
#[derive(Serialize, Deserialize, ToSchema)]
struct CallPayload {
    /// The call's id.
    id: Uuid,
    /// When it was kept.
    created_at: DateTime<Utc>,
    /// The body that was sent to the model; JSON, unless it was cut.
    request: String,
    /// Its bytes before secrets were taken out and its end was cut.
    request_bytes: u64,
    /// Whether its end is missing.
    request_cut: bool,
    /// What the model wrote, tools' arguments included.
    answer: String,
    /// Bytes of the whole answer.
    answer_bytes: u64,
    /// Whether the end of the answer or of the reasoning is missing.
    answer_cut: bool,
    /// What the model wrote for itself.
    reasoning: String,
    /// Why the call failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Reads the request and the answer of a call, where its model keeps them (`log_payloads`) and they
/// are not forgotten yet. Others' need the right usage:read_all as well. Reading is noted in the
/// audit log.
#[utoipa::path(get, path = "/usage/calls/{id}/payload", tag = "usage",
    params(("id" = Uuid, Path, description = "The call's id")),
    responses((status = 200, body = CallPayload), (status = 404, body = ProblemDocument)))]
async fn get_call_payload(
    State(gateway): State<Gateway>,
    allow: Allow<PayloadRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<CallPayload>, ApiError> {
    Ok(Json(gateway.call_payload(&allow.caller, id).await?))
}

impl Gateway {
    async fn call_payload(&self, caller: &Caller, id: Uuid) -> Result<CallPayload, GatewayError> {
        let all = caller.may(USAGE_READ_ALL.0, USAGE_READ_ALL.1);
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let found = store::find(&mut tx, id, (!all).then_some(caller.user_id)).await?;
        let found = found.ok_or(GatewayError::NotFound("payload"))?;
        let opened = self.inner.keyring.open(SEALED_IN, id, &found.sealed)?;
        let content: Content = serde_json::from_str(opened.expose())
            .map_err(|_| GatewayError::Crypto(lyceum_store::CryptoError::Refused))?;
        let entry = AuditEntry {
            user_id: Some(caller.user_id),
            action: "view",
            resource_type: "call_payload",
            resource_id: Some(id),
            details: json!({}),
            ip: caller.client.ip,
            user_agent: caller.client.user_agent.as_deref(),
            at: self.inner.clock.now(),
        };
        record(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(CallPayload {
            id,
            created_at: found.created_at,
            request: content.request,
            request_bytes: content.request_bytes,
            request_cut: content.request_cut,
            answer: content.answer,
            answer_bytes: content.answer_bytes,
            answer_cut: content.answer_cut,
            reasoning: content.reasoning,
            error: content.error,
        })
    }
}

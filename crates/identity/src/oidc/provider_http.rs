use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_core::Secret;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ProblemDocument};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::provider::ProviderChange;
use super::store::ProviderRow;
use crate::{Identity, OidcProviderRead, OidcProviderWrite};

/// An OpenID Connect issuer through which people may sign in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OidcProvider {
    id: Uuid,
    /// Shown on the button.
    name: String,
    /// Exactly as the issuer's tokens say it; never changes.
    issuer: String,
    client_id: String,
    /// Whether a client secret is kept.
    has_client_secret: bool,
    /// Words with spaces between, one of them `openid`.
    scopes: String,
    /// The claim that lists a person's groups; may be a path with dots, such as
    /// `realm_access.roles`.
    groups_claim: String,
    /// From an entry of that claim to the name of a role. Roles named here are given and taken at
    /// each sign-in.
    roles: BTreeMap<String, String>,
    /// From an entry of that claim to the name of a group, likewise.
    groups: BTreeMap<String, String>,
    /// Whether an account is made for whoever has none.
    allow_sign_up: bool,
    /// Whether the issuer sees to a second factor, so that none is asked for here.
    trust_second_factor: bool,
    is_active: bool,
    /// What the issuer has to send people back to.
    redirect_uri: Option<String>,
    created_at: DateTime<Utc>,
}

/// The issuers, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OidcProviderList {
    items: Vec<OidcProvider>,
}

/// An issuer to be configured.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateOidcProvider {
    /// 1 to 100 characters, shown on the button.
    name: String,
    /// The issuer's address, exactly as its tokens say it.
    issuer: String,
    client_id: String,
    /// Absent for a public client.
    #[schema(value_type = Option<String>, format = Password)]
    client_secret: Option<Secret>,
    /// `openid profile email` where absent.
    scopes: Option<String>,
    /// `groups` where absent.
    groups_claim: Option<String>,
    /// From an entry of that claim to the name of a role.
    roles: Option<BTreeMap<String, String>>,
    /// From an entry of that claim to the name of a group.
    groups: Option<BTreeMap<String, String>>,
    /// `false` where absent.
    allow_sign_up: Option<bool>,
    /// `false` where absent.
    trust_second_factor: Option<bool>,
    /// `true` where absent.
    is_active: Option<bool>,
}

/// What to change; absent members stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateOidcProvider {
    name: Option<String>,
    client_id: Option<String>,
    /// An empty text removes the secret.
    #[schema(value_type = Option<String>, format = Password)]
    client_secret: Option<Secret>,
    scopes: Option<String>,
    groups_claim: Option<String>,
    roles: Option<BTreeMap<String, String>>,
    groups: Option<BTreeMap<String, String>>,
    allow_sign_up: Option<bool>,
    trust_second_factor: Option<bool>,
    is_active: Option<bool>,
}

impl OidcProvider {
    fn of(identity: &Identity, row: ProviderRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            issuer: row.issuer,
            client_id: row.client_id,
            has_client_secret: row.encrypted_secret.is_some(),
            scopes: row.scopes,
            groups_claim: row.groups_claim,
            roles: names(row.roles_map),
            groups: names(row.groups_map),
            allow_sign_up: row.allow_sign_up,
            trust_second_factor: row.trust_second_factor,
            is_active: row.is_active,
            redirect_uri: identity.oidc_redirect_uri().ok(),
            created_at: row.created_at,
        }
    }
}

fn names(map: Value) -> BTreeMap<String, String> {
    serde_json::from_value(map).unwrap_or_default()
}

/// Lists the issuers with their configuration.
#[utoipa::path(get, path = "/oidc-providers", tag = "oidc-providers",
    responses((status = 200, body = OidcProviderList)))]
pub(crate) async fn list_oidc_providers(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<OidcProviderRead>,
) -> Result<Json<OidcProviderList>, ApiError> {
    let rows = identity.oidc_providers(&caller).await?;
    let items = rows.into_iter().map(|row| OidcProvider::of(&identity, row));
    Ok(Json(OidcProviderList { items: items.collect() }))
}

/// Configures an issuer. Takes all that its word gives: the rights of the mapped roles, and of the role
/// `user` where accounts are made, `group:manage` where groups are mapped, and all rights where it is
/// trusted with the second factor.
#[utoipa::path(post, path = "/oidc-providers", tag = "oidc-providers",
    request_body = CreateOidcProvider,
    responses(
        (status = 201, body = OidcProvider),
        (status = 403, body = ProblemDocument, description = "It gives what you do not have."),
        (status = 422, body = ProblemDocument, description = "A field is not acceptable."),
    ))]
pub(crate) async fn create_oidc_provider(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<OidcProviderWrite>,
    ApiJson(body): ApiJson<CreateOidcProvider>,
) -> Result<(StatusCode, Json<OidcProvider>), ApiError> {
    let change = ProviderChange {
        name: Some(body.name),
        client_id: Some(body.client_id),
        client_secret: body.client_secret,
        scopes: body.scopes,
        groups_claim: body.groups_claim,
        roles: body.roles,
        groups: body.groups,
        allow_sign_up: body.allow_sign_up,
        trust_second_factor: body.trust_second_factor,
        is_active: body.is_active,
    };
    let made = identity.create_oidc_provider(&caller, &body.issuer, change).await?;
    Ok((StatusCode::CREATED, Json(OidcProvider::of(&identity, made))))
}

/// Shows an issuer's configuration.
#[utoipa::path(get, path = "/oidc-providers/{id}", tag = "oidc-providers",
    params(("id" = Uuid, Path, description = "The issuer.")),
    responses((status = 200, body = OidcProvider), (status = 404, body = ProblemDocument)))]
pub(crate) async fn get_oidc_provider(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<OidcProviderRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<OidcProvider>, ApiError> {
    let row = identity.oidc_provider(&caller, id).await?;
    Ok(Json(OidcProvider::of(&identity, row)))
}

/// Changes an issuer's configuration; the issuer itself never changes. Takes all that its word gives,
/// before and after.
#[utoipa::path(patch, path = "/oidc-providers/{id}", tag = "oidc-providers",
    params(("id" = Uuid, Path, description = "The issuer.")),
    request_body = UpdateOidcProvider,
    responses(
        (status = 200, body = OidcProvider),
        (status = 403, body = ProblemDocument, description = "It gives what you do not have."),
        (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument, description = "A field is not acceptable."),
    ))]
pub(crate) async fn update_oidc_provider(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<OidcProviderWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<UpdateOidcProvider>,
) -> Result<Json<OidcProvider>, ApiError> {
    let change = ProviderChange {
        name: body.name,
        client_id: body.client_id,
        client_secret: body.client_secret,
        scopes: body.scopes,
        groups_claim: body.groups_claim,
        roles: body.roles,
        groups: body.groups,
        allow_sign_up: body.allow_sign_up,
        trust_second_factor: body.trust_second_factor,
        is_active: body.is_active,
    };
    let changed = identity.change_oidc_provider(&caller, id, change).await?;
    Ok(Json(OidcProvider::of(&identity, changed)))
}

/// Deletes an issuer with all links to it. Takes all that its word gives.
#[utoipa::path(delete, path = "/oidc-providers/{id}", tag = "oidc-providers",
    params(("id" = Uuid, Path, description = "The issuer.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 403, body = ProblemDocument, description = "It gives what you do not have."),
        (status = 404, body = ProblemDocument),
    ))]
pub(crate) async fn delete_oidc_provider(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<OidcProviderWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    identity.delete_oidc_provider(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

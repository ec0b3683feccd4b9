//! SCIM 2.0 (RFC 7643, RFC 7644): a directory, such as Entra ID or Okta, makes, changes and ends
//! people's accounts and groups here, below `/scim/v2`.
//!
//! - The directory proves itself by a token of its own kind, judged at every request; nothing else
//!   opens these addresses, and the token opens nothing else.
//! - Audit entries name the token as who acted.
//! - Who is provisioned has no password; they sign in through an issuer, or set one by recovery.
//! - Whoever the directory says is not active is out at once, whatever they signed in with. A
//!   suspension by an administrator is not the directory's to end.

mod auth;
mod discovery;
mod error;
mod filter;
mod group;
mod patch;
mod resource;
mod schemas;
mod user;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Identity;

impl Identity {
    /// The address of something below `/scim/v2`.
    pub(crate) fn scim_address(&self, path: &str) -> String {
        format!("{}/scim/v2{path}", self.public_base())
    }
}

/// The routes of SCIM, below `/scim/v2`.
pub fn scim_router(identity: Identity) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(discovery::get_scim_service_provider_config))
        .routes(routes!(discovery::list_scim_resource_types))
        .routes(routes!(discovery::get_scim_resource_type))
        .routes(routes!(discovery::list_scim_schemas))
        .routes(routes!(discovery::get_scim_schema))
        .routes(routes!(user::http::list_scim_users, user::http::create_scim_user))
        .routes(routes!(
            user::http::get_scim_user,
            user::http::replace_scim_user,
            user::http::patch_scim_user,
            user::http::delete_scim_user
        ))
        .routes(routes!(group::http::list_scim_groups, group::http::create_scim_group))
        .routes(routes!(
            group::http::get_scim_group,
            group::http::replace_scim_group,
            group::http::patch_scim_group,
            group::http::delete_scim_group
        ))
        .with_state(identity)
}

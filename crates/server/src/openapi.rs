//! The OpenAPI document: what the routes say of themselves, under one head.

use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Lyceum",
        description = "The API of a Lyceum server. Errors are problem+json documents with a \
                       stable code. Addresses under /v1 speak OpenAI's and Anthropic's protocols.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    // What the members of `invalid_field` name.
    components(schemas(lyceum_identity::Rule)),
    modifiers(&Security),
    security(("session" = []), ("bearer" = []))
)]
struct Document;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme(
            "session",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("lyceum_access"))),
        );
        // The token of a directory.
        components.add_security_scheme(
            "scim",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        );
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        );
    }
}

/// The head of the document, to which the routes are added.
pub fn base() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

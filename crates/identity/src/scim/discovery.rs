//! What the platform says of itself as a service provider (RFC 7643, sections 5 to 7).

use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::auth::Directory;
use super::error::{ScimError, ScimErrorDocument};
use super::resource::{COUNT_MAX, Scim, ScimList};
use super::schemas;
use crate::Identity;

/// Tells a directory what of SCIM is supported.
#[utoipa::path(get, path = "/ServiceProviderConfig", tag = "scim", security(("scim" = [])),
    responses(
        (status = 200, body = Object, content_type = "application/scim+json"),
        (status = 401, body = ScimErrorDocument),
    ))]
pub(crate) async fn get_scim_service_provider_config(
    State(identity): State<Identity>,
    _: Directory,
) -> Scim<Value> {
    let no = json!({ "supported": false });
    Scim(json!({
        "schemas": [schemas::SERVICE_PROVIDER_CONFIG],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": COUNT_MAX },
        "changePassword": no,
        "sort": no,
        "etag": no,
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "SCIM token",
            "description": "A token that an administrator makes for the directory.",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": { "resourceType": "ServiceProviderConfig",
                  "location": identity.scim_address("/ServiceProviderConfig") },
    }))
}

/// Lists the kinds of resources that a directory can provision.
#[utoipa::path(get, path = "/ResourceTypes", tag = "scim", security(("scim" = [])),
    responses(
        (status = 200, body = ScimList, content_type = "application/scim+json"),
        (status = 401, body = ScimErrorDocument),
    ))]
pub(crate) async fn list_scim_resource_types(
    State(identity): State<Identity>,
    _: Directory,
) -> Scim<ScimList> {
    Scim(ScimList::whole(resource_types(&identity)))
}

/// Describes one kind of resources.
#[utoipa::path(get, path = "/ResourceTypes/{name}", tag = "scim", security(("scim" = [])),
    params(("name" = String, Path, description = "`User` or `Group`.")),
    responses(
        (status = 200, body = Object, content_type = "application/scim+json"),
        (status = 401, body = ScimErrorDocument),
        (status = 404, body = ScimErrorDocument),
    ))]
pub(crate) async fn get_scim_resource_type(
    State(identity): State<Identity>,
    _: Directory,
    Path(name): Path<String>,
) -> Result<Scim<Value>, ScimError> {
    one(resource_types(&identity), &name, "resource type")
}

/// Lists the schemas of the resources.
#[utoipa::path(get, path = "/Schemas", tag = "scim", security(("scim" = [])),
    responses(
        (status = 200, body = ScimList, content_type = "application/scim+json"),
        (status = 401, body = ScimErrorDocument),
    ))]
pub(crate) async fn list_scim_schemas(
    State(identity): State<Identity>,
    _: Directory,
) -> Scim<ScimList> {
    Scim(ScimList::whole(all_schemas(&identity)))
}

/// Shows one schema.
#[utoipa::path(get, path = "/Schemas/{name}", tag = "scim", security(("scim" = [])),
    params(("name" = String, Path, description = "The schema's URN.")),
    responses(
        (status = 200, body = Object, content_type = "application/scim+json"),
        (status = 401, body = ScimErrorDocument),
        (status = 404, body = ScimErrorDocument),
    ))]
pub(crate) async fn get_scim_schema(
    State(identity): State<Identity>,
    _: Directory,
    Path(name): Path<String>,
) -> Result<Scim<Value>, ScimError> {
    one(all_schemas(&identity), &name, "schema")
}

fn one(all: Vec<Value>, id: &str, what: &str) -> Result<Scim<Value>, ScimError> {
    let found = all.into_iter().find(|resource| resource["id"] == id);
    found.map(Scim).ok_or_else(|| ScimError::not_found(what))
}

fn resource_types(identity: &Identity) -> Vec<Value> {
    let kind = |name: &str, endpoint: &str, schema: &str, extensions: Value| {
        json!({
            "schemas": [schemas::RESOURCE_TYPE], "id": name, "name": name, "endpoint": endpoint,
            "schema": schema, "schemaExtensions": extensions,
            "meta": { "resourceType": "ResourceType",
                      "location": identity.scim_address(&format!("/ResourceTypes/{name}")) },
        })
    };
    let enterprise = json!([{ "schema": schemas::ENTERPRISE_USER, "required": false }]);
    vec![
        kind("User", "/Users", schemas::USER, enterprise),
        kind("Group", "/Groups", schemas::GROUP, json!([])),
    ]
}

fn all_schemas(identity: &Identity) -> Vec<Value> {
    let schema = |id: &str, name: &str, attributes: Value| {
        json!({
            "schemas": [schemas::SCHEMA], "id": id, "name": name, "attributes": attributes,
            "meta": { "resourceType": "Schema",
                      "location": identity.scim_address(&format!("/Schemas/{id}")) },
        })
    };
    vec![
        schema(schemas::USER, "User", user_attributes()),
        schema(
            schemas::ENTERPRISE_USER,
            "Enterprise User",
            json!([text("organization"), text("department")]),
        ),
        schema(schemas::GROUP, "Group", group_attributes()),
    ]
}

fn user_attributes() -> Value {
    let read_only = |attribute| with(attribute, &json!({ "mutability": "readOnly" }));
    json!([
        with(text("userName"), &json!({ "required": true, "uniqueness": "server" })),
        with(text("externalId"), &json!({ "caseExact": true })),
        complex("name", false, json!([text("givenName"), text("familyName")])),
        text("displayName"),
        text("title"),
        complex("emails", true, json!([text("value"), text("type"), flag("primary")])),
        flag("active"),
        read_only(complex("groups", true, json!([text("value"), text("display"), text("$ref")]))),
    ])
}

fn group_attributes() -> Value {
    let fixed = |attribute| with(attribute, &json!({ "mutability": "immutable" }));
    json!([
        with(text("displayName"), &json!({ "required": true, "uniqueness": "server" })),
        with(text("externalId"), &json!({ "caseExact": true })),
        complex(
            "members",
            true,
            json!([fixed(text("value")), fixed(text("display")), fixed(text("$ref"))])
        ),
    ])
}

fn text(name: &str) -> Value {
    let more = json!({ "caseExact": false, "uniqueness": "none" });
    with(attribute(name, "string", false), &more)
}

fn flag(name: &str) -> Value {
    attribute(name, "boolean", false)
}

fn complex(name: &str, many: bool, parts: Value) -> Value {
    with(attribute(name, "complex", many), &json!({ "subAttributes": parts }))
}

fn attribute(name: &str, kind: &str, many: bool) -> Value {
    json!({ "name": name, "type": kind, "multiValued": many, "required": false,
            "mutability": "readWrite", "returned": "default" })
}

fn with(mut attribute: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        attribute[name.as_str()] = value.clone();
    }
    attribute
}

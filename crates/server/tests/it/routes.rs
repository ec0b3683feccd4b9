//! Every route of the OpenAPI document, called by nobody and by somebody else.

use std::collections::BTreeMap;

use lyceum_testkit::{Session, http_client};
use reqwest::{Method, Response, StatusCode, multipart};
use serde_json::{Map, Value, json};

use crate::world::{World, ask, id, knowledge_base, processed, upload};

/// Routes that anybody may call; the list may only shrink.
pub const PUBLIC: [&str; 24] = [
    "GET /api/v1/health",
    "GET /api/v1/ready",
    "GET /api/v1/setup",
    "POST /api/v1/setup",
    "GET /api/v1/auth/methods",
    "POST /api/v1/auth/sign-in",
    "POST /api/v1/auth/sign-in/pending",
    "POST /api/v1/auth/sign-in/second-factor",
    "POST /api/v1/auth/passkey/options",
    "POST /api/v1/auth/passkey",
    "POST /api/v1/auth/oidc/{id}/start",
    "GET /api/v1/auth/oidc/callback",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/sign-out",
    // The following take a one-time token, or tell only how one gets an account.
    "GET /api/v1/auth/registration",
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/register/confirm",
    "POST /api/v1/auth/invitation",
    "POST /api/v1/auth/invitation/accept",
    "POST /api/v1/auth/password-reset",
    "POST /api/v1/auth/password-reset/confirm",
    "POST /api/v1/auth/verify-email",
    // A picture whose address cannot be guessed.
    "GET /api/v1/avatars/{user_id}/{version}",
    "GET /api/v1/openapi.json",
];

/// An operation of the document.
pub struct Route {
    pub method: Method,
    pub path: String,
    pub operation: Value,
}

impl Route {
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// All operations, and the document.
pub async fn routes(world: &World) -> (Vec<Route>, Value) {
    let document = world.admin.get("/api/v1/openapi.json").await.unwrap();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            if operation.is_object() {
                routes.push(Route { method, path: path.clone(), operation: operation.clone() });
            }
        }
    }
    assert!(routes.len() > 50, "only {} routes", routes.len());
    (routes, document)
}

#[tokio::test]
async fn no_route_answers_without_a_credential() {
    let world = World::new().await.unwrap();
    let nobody = http_client().unwrap();
    let (routes, document) = routes(&world).await;
    let mut open = Vec::new();
    for route in &routes {
        if PUBLIC.contains(&route.name().as_str()) {
            continue;
        }
        let path = route.path.replace(['{', '}'], "");
        let request = nobody
            .request(route.method.clone(), format!("{}{path}", world.server.base_url))
            .json(&body_for(route, &document));
        let status = request.send().await.unwrap().status();
        if status != StatusCode::UNAUTHORIZED {
            open.push(format!("{} answers {status}", route.name()));
        }
    }
    assert!(open.is_empty(), "{open:#?}");
}

#[tokio::test]
async fn every_route_hides_what_belongs_to_another() {
    let world = World::new().await.unwrap();
    let foreign = belongings(&world, &world.alice).await;
    let (routes, document) = routes(&world).await;
    let mut wrong = Vec::new();
    let mut tried = 0;
    for route in routes.iter().filter(|route| route.path.contains('{')) {
        let Some(path) = with_ids(&route.path, &foreign) else {
            wrong.push(format!("{} has no case in this test", route.name()));
            continue;
        };
        let Some(path) = path else { continue };
        let answer = call(&world.bob, route, &path, &document).await;
        let status = answer.status();
        let allowed = match administrative(&route.path) {
            // A session opens nothing of a directory's.
            _ if route.path.starts_with("/scim/") => status == StatusCode::UNAUTHORIZED,
            true => status == StatusCode::FORBIDDEN,
            false => status == StatusCode::NOT_FOUND,
        };
        tried += 1;
        if !allowed {
            let text = answer.text().await.unwrap_or_default();
            wrong.push(format!("{} answers {status}: {text}", route.name()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 25, "only {tried} routes tried");
}

/// Addresses that an ordinary person has no right to at all.
pub fn administrative(path: &str) -> bool {
    const AREAS: [&str; 9] = [
        "users",
        "invitations",
        "system",
        "groups",
        "roles",
        "quotas",
        "rate-limits",
        "oidc-providers",
        "scim-tokens",
    ];
    AREAS
        .iter()
        .any(|area| path.strip_prefix("/api/v1/").is_some_and(|rest| rest.starts_with(area)))
        || path.contains("/distributions")
        || path.ends_with("/payload")
}

/// The path with another's ids; `Some(None)` for a path whose parameter is no id; `None` where
/// this test does not know the route.
pub fn with_ids(path: &str, foreign: &BTreeMap<&str, String>) -> Option<Option<String>> {
    if path == "/v1/models/{model}" {
        return Some(Some("/v1/models/somebody-elses".to_owned()));
    }
    if path.starts_with("/scim/v2/") {
        let path = path.replace("{id}", foreign.get("user")?);
        return Some(Some(path.replace("{name}", "User")));
    }
    let kind = match path.strip_prefix("/api/v1/")?.split('/').next()? {
        "conversations" => "conversation",
        "messages" => "message",
        "providers" => "provider",
        "models" => "model",
        "model-routes" => "model_route",
        "api-keys" => "api_key",
        "knowledge-bases" => "knowledge_base",
        "documents" => "document",
        "chunks" => "chunk",
        "users" | "quotas" | "rate-limits" => "user",
        "groups" | "roles" => "key",
        "invitations" => "invitation",
        // Public; no address of a picture can be guessed.
        "avatars" => return Some(None),
        "usage" => "call",
        "me" if path.starts_with("/api/v1/me/sessions/") => "session",
        "me" if path.starts_with("/api/v1/me/exports/") => "export",
        "me" if path.starts_with("/api/v1/me/preferences/") => return Some(None),
        // Whoever signs in may use any of the issuers.
        "auth" => return Some(None),
        // Nobody has any in this world, so any id is another's.
        "me" if path.starts_with("/api/v1/me/passkeys/") => "user",
        "me" if path.starts_with("/api/v1/me/oidc-accounts/") => "user",
        "oidc-providers" | "scim-tokens" => "user",
        "system" => "key",
        _ => return None,
    };
    let id = foreign.get(kind)?;
    let mut filled = String::new();
    for (index, part) in path.split('/').enumerate() {
        if index > 0 {
            filled.push('/');
        }
        match part {
            "{key}" => filled.push_str("anything"),
            "{scope}" => filled.push_str("users"),
            part if part.starts_with('{') => filled.push_str(id),
            part => filled.push_str(part),
        }
    }
    Some(Some(filled))
}

/// One of everything that a person can own.
pub async fn belongings(world: &World, owner: &Session) -> BTreeMap<&'static str, String> {
    let ids = world.model(owner, "ok").await.unwrap();
    let route = json!({ "name": "mine", "scope": "personal",
                        "targets": [{ "model_config_id": ids.model }] });
    let route = owner.post("/api/v1/model-routes", route).await.unwrap();
    let key = owner.post("/api/v1/api-keys", json!({ "name": "mine" })).await.unwrap();
    let sessions = owner.get("/api/v1/me/sessions").await.unwrap();
    let base = knowledge_base(owner, "mine").await.unwrap();
    let text = b"Alice keeps bees behind the library.".to_vec();
    let (_, document) = upload(owner, &base, "bees.txt", text).await.unwrap();
    let document = processed(owner, &id(&document).unwrap()).await.unwrap();
    assert_eq!(document["status"], "completed", "{document}");
    let document = id(&document).unwrap();
    let chunks = owner.get(&format!("/api/v1/documents/{document}/chunks")).await.unwrap();
    let conversation = json!({ "model_config_id": ids.model });
    let conversation = owner.post("/api/v1/conversations", conversation).await.unwrap();
    let conversation = id(&conversation).unwrap();
    let message = ask(owner, &conversation, json!({ "content": "Hello" })).await.unwrap();
    let calls = owner.get("/api/v1/usage/calls").await.unwrap();
    let me = owner.get("/api/v1/me").await.unwrap();
    let export = owner.post("/api/v1/me/exports", json!({})).await.unwrap();
    let invitation = world.admin.post("/api/v1/invitations", json!({})).await.unwrap();
    BTreeMap::from([
        ("conversation", conversation),
        ("message", id(&message).unwrap()),
        ("provider", ids.provider),
        ("model", ids.model),
        ("model_route", id(&route).unwrap()),
        ("api_key", id(&key).unwrap()),
        ("knowledge_base", base),
        ("document", document),
        ("chunk", id(&chunks["items"][0]).unwrap()),
        ("user", id(&me).unwrap()),
        ("call", id(&calls["items"][0]).unwrap()),
        ("export", id(&export).unwrap()),
        ("invitation", id(&invitation).unwrap()),
        ("session", id(&sessions["items"][0]).unwrap()),
        ("key", "anything".to_owned()),
    ])
}

/// Calls an operation with the smallest body that it takes.
pub async fn call(person: &Session, route: &Route, path: &str, document: &Value) -> Response {
    let request = person.request(route.method.clone(), path);
    let request = match is_multipart(route) {
        true => request.multipart(
            multipart::Form::new().part("file", multipart::Part::text("text").file_name("a.txt")),
        ),
        false if route.method == Method::GET => request,
        false => request.json(&body_for(route, document)),
    };
    request.send().await.unwrap()
}

fn is_multipart(route: &Route) -> bool {
    route.operation["requestBody"]["content"]["multipart/form-data"].is_object()
}

/// The smallest body that the route's schema accepts.
fn body_for(route: &Route, document: &Value) -> Value {
    let content = &route.operation["requestBody"]["content"]["application/json"];
    sample(&content["schema"], document)
}

/// The smallest value that a schema accepts.
pub fn sample(schema: &Value, document: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return sample(document.pointer(pointer).unwrap_or(&Value::Null), document);
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        let options = schema[choice].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(first) = options.iter().find(|option| option["type"] != "null") {
            return sample(first, document);
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").unwrap_or(&Value::Null),
        kind => kind,
    };
    match kind.as_str() {
        Some("object") => {
            let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
            let members = required
                .iter()
                .filter_map(Value::as_str)
                .map(|name| (name.to_owned(), sample(&schema["properties"][name], document)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Some("string") if schema["format"] == "uuid" => {
            json!("01890000-0000-7000-8000-000000000000")
        }
        Some("string") => json!("something long"),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        _ => json!({}),
    }
}

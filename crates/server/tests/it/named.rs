//! Every id that a request can name in its body or its query, as somebody else's: it is answered
//! like an id that nobody has, and never taken.

use std::collections::BTreeMap;

use lyceum_testkit::Session;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::routes::{Route, belongings, routes, sample, with_ids};
use crate::world::{World, id};

/// Stands for the id in what is to be sent, and in answers.
const ID: &str = "01890000-0000-7000-8000-00000000cafe";
/// An id that nothing has.
const NOBODYS: &str = "01890000-0000-7000-8000-000000000000";

/// What everybody may name, and ids of other things than objects.
const OPEN: [(&str, &str); 6] = [
    // One may share with anybody.
    ("PUT /api/v1/knowledge-bases/{id}/grants", "user"),
    // Whoever signs in may use any of the issuers.
    ("POST /api/v1/me/oidc-accounts", "provider_id"),
    // What this program is called at an issuer.
    ("POST /api/v1/oidc-providers", "client_id"),
    ("PATCH /api/v1/oidc-providers/{id}", "client_id"),
    // A passkey's own id is a part of what it proves.
    ("POST /api/v1/auth/passkey", "credential.id"),
    ("POST /api/v1/auth/sign-in/second-factor", "passkey.id"),
];

/// A place of a request where an id can stand.
struct Place<'a> {
    route: &'a Route,
    /// The way to it, such as `targets.model_config_id`.
    name: String,
    /// The smallest body that has it; nothing for a parameter of the query.
    body: Option<Value>,
}

impl Place<'_> {
    /// What kind of object is named; nothing where this test does not know.
    fn kind(&self) -> Option<&'static str> {
        if self.route.path.starts_with("/scim/") {
            return Some("user");
        }
        Some(match self.name.rsplit('.').next()? {
            "model_config_id" | "model" | "after_id" | "before_id" => "model",
            "embedding_model" => "embedding_model",
            "provider_config_id" => "provider",
            "knowledge_base_ids" | "object_id" | "resource_id" => "knowledge_base",
            "parent_id" | "message_id" | "leaf" => "message",
            "group_id" | "group_ids" | "groups" => "group",
            "user_id" | "user_ids" | "user" => "user",
            "api_key_id" => "api_key",
            // Nobody has any in this world, so any id is another's.
            "oidc_provider_id" => "user",
            _ => return None,
        })
    }

    /// Where to ask, with what is the asking person's own in the address.
    fn path(&self, own: &BTreeMap<&'static str, String>) -> Option<String> {
        match self.route.path.contains('{') {
            true => with_ids(&self.route.path, own).flatten(),
            false => Some(self.route.path.clone()),
        }
    }

    /// What somebody is answered who names the id here.
    async fn answer(&self, person: &Session, path: &str, id: &str) -> (StatusCode, String) {
        let method = self.route.method.clone();
        let request = match &self.body {
            Some(body) => {
                let body: Value = serde_json::from_str(&body.to_string().replace(ID, id)).unwrap();
                person.request(method, path).json(&body)
            }
            None => person.request(method, &format!("{path}?{}={id}", self.name)),
        };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        (status, answer.text().await.unwrap().replace(id, ID))
    }

    /// Why another's id is not answered as it should be; nothing where it is.
    fn judge(
        &self,
        foreign: &(StatusCode, String),
        nobodys: &(StatusCode, String),
    ) -> Option<&'static str> {
        if foreign != nobodys {
            return Some("tells another's id from nobody's");
        }
        let is_condition = self.body.is_none() && self.route.method == Method::GET;
        let refused = match foreign.0 {
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => true,
            // A session opens nothing of a directory's.
            StatusCode::UNAUTHORIZED => self.route.path.starts_with("/scim/"),
            // A condition that nothing of one's own fulfils.
            StatusCode::OK => is_condition,
            _ => false,
        };
        (!refused).then_some("does not refuse another's id")
    }
}

/// All places of an operation.
fn places<'a>(route: &'a Route, document: &Value) -> Vec<Place<'a>> {
    let parameters = route.operation["parameters"].as_array().into_iter().flatten();
    let asked = parameters.filter(|parameter| parameter["in"] == "query").flat_map(|parameter| {
        let name = parameter["name"].as_str().unwrap();
        let said = parameter["description"].as_str().unwrap_or_default();
        is_id(name, &parameter["schema"], said).then(|| (name.to_owned(), None))
    });
    let contents = route.operation["requestBody"]["content"].as_object().into_iter().flatten();
    let sent =
        contents.flat_map(|(_, content)| match content["schema"] == json!({ "type": "object" }) {
            true => vec![free(&route.path)],
            false => holders("", &content["schema"], document),
        });
    let sent = sent.map(|(name, mut body)| {
        if let Some(level) = body.get_mut("level") {
            *level = json!("view");
        }
        (name, Some(body))
    });
    let place = |(name, body)| Place { route, name, body };
    asked.chain(sent).map(place).collect()
}

/// A body that names a model, where the document says nothing of its members.
fn free(path: &str) -> (String, Value) {
    let messages = json!([{ "role": "user", "content": "Hello" }]);
    let (name, body) = match path {
        "/v1/chat/completions" | "/v1/messages" | "/v1/messages/count_tokens" => {
            ("model", json!({ "model": ID, "messages": messages, "max_tokens": 9 }))
        }
        "/v1/completions" => ("model", json!({ "model": ID, "prompt": "Hello" })),
        "/v1/responses" => ("model", json!({ "model": ID, "input": "Hello" })),
        "/v1/embeddings" => ("embedding_model", json!({ "model": ID, "input": "Hello" })),
        _ => ("what the document does not say", json!({})),
    };
    (name.to_owned(), body)
}

/// The smallest values of a schema that hold an id, each with the way to it.
fn holders(name: &str, schema: &Value, document: &Value) -> Vec<(String, Value)> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).unwrap();
        return holders(name, target, document);
    }
    let mut found = Vec::new();
    if is_id(name, schema, schema["description"].as_str().unwrap_or_default()) {
        found.push((name.to_owned(), json!(ID)));
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        let options = schema[choice].as_array().into_iter().flatten();
        found.extend(options.flat_map(|option| holders(name, option, document)));
    }
    if schema["items"].is_object() {
        let items = holders(name, &schema["items"], document);
        found.extend(items.into_iter().map(|(way, held)| (way, json!([held]))));
    }
    for (member, inner) in schema["properties"].as_object().into_iter().flatten() {
        for (way, held) in holders(member, inner, document) {
            let mut whole = sample(schema, document);
            whole[member] = held;
            let way = if name.is_empty() { way } else { format!("{name}.{way}") };
            found.push((way, whole));
        }
    }
    found
}

/// Whether a text is an id, by its format, by its name or by what is said of it.
fn is_id(name: &str, schema: &Value, said: &str) -> bool {
    let is_text = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "string"),
        kind => kind == "string",
    };
    let mut words = said.split(|c: char| !c.is_alphanumeric());
    let is_said = words.any(|word| matches!(word.to_ascii_lowercase().as_str(), "id" | "ids"));
    is_text
        && (schema["format"] == "uuid"
            || name.ends_with("_id")
            || name.ends_with("_ids")
            || is_said)
}

/// One of everything that a person can own or be in.
async fn everything(
    world: &World,
    person: &Session,
    group: &str,
) -> BTreeMap<&'static str, String> {
    let mut all = belongings(world, person).await;
    let embeds = embedding_model(person, &all["provider"]).await;
    all.insert("embedding_model", embeds);
    let group = world.admin.post("/api/v1/groups", json!({ "name": group })).await.unwrap();
    let group = id(&group).unwrap();
    let member = format!("/api/v1/groups/{group}/members/{}", all["user"]);
    world.admin.send(Method::PUT, &member, json!({})).await.unwrap();
    all.insert("group", group);
    all
}

async fn embedding_model(owner: &Session, provider: &str) -> String {
    let model = json!({ "provider_config_id": provider, "model": "embedder", "kind": "embedding",
                        "dimensions": 8 });
    id(&owner.post("/api/v1/models", model).await.unwrap()).unwrap()
}

/// What the organisation has and gave to one person only.
async fn given_to(world: &World, person: &str) -> BTreeMap<&'static str, String> {
    let provider = json!({ "provider": "custom", "name": "shared", "scope": "organization",
                           "audience": "selected", "base_url": world.upstream.base_url,
                           "api_key": "sk-upstream-key-1234" });
    let provider = id(&world.admin.post("/api/v1/providers", provider).await.unwrap()).unwrap();
    let model = json!({ "provider_config_id": provider, "model": "ok", "kind": "chat" });
    let model = id(&world.admin.post("/api/v1/models", model).await.unwrap()).unwrap();
    let embedding_model = embedding_model(&world.admin, &provider).await;
    let path = format!("/api/v1/providers/{provider}/distributions");
    world.admin.post(&path, json!({ "user_ids": [person] })).await.unwrap();
    BTreeMap::from([("provider", provider), ("model", model), ("embedding_model", embedding_model)])
}

#[tokio::test]
async fn ids_of_others_in_bodies_and_queries_are_answered_like_nobodys() {
    let world = World::new().await.unwrap();
    let alices = everything(&world, &world.alice, "readers").await;
    let given = given_to(&world, &alices["user"]).await;
    let own = everything(&world, &world.bob, "writers").await;
    let (routes, document) = routes(&world).await;
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for place in routes.iter().flat_map(|route| places(route, &document)) {
        let route = place.route.name();
        if OPEN.contains(&(route.as_str(), place.name.as_str())) {
            continue;
        }
        let name = format!("{route}: {}", place.name);
        let (Some(kind), Some(path)) = (place.kind(), place.path(&own)) else {
            wrong.push(format!("{name} has no case in this test"));
            continue;
        };
        let nobodys = place.answer(&world.bob, &path, NOBODYS).await;
        for foreign in [&alices, &given].into_iter().filter_map(|others| others.get(kind)) {
            let answer = place.answer(&world.bob, &path, foreign).await;
            let fault = place.judge(&answer, &nobodys);
            wrong.extend(fault.map(|fault| format!("{name} {fault}: {answer:?}, {nobodys:?}")));
            tried += 1;
        }
        // The id alone is why: with one's own in its place, it is done.
        if nobodys.0 == StatusCode::NOT_FOUND {
            let answer = place.answer(&world.bob, &path, &own[kind]).await;
            if !answer.0.is_success() && answer.0 != StatusCode::CONFLICT {
                wrong.push(format!("{name} does not even take one's own: {answer:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 60, "only {tried} tried");
}

//! Query parameters, of which each operation takes those that the document names and no other.

use lyceum_testkit::http_client;
use reqwest::{Client, Method, StatusCode, header};
use serde_json::Value;

use crate::routes::{Route, routes};
use crate::world::World;

/// Operations that ignore what they do not know, since others decide what they are sent: issuers, and
/// watchers that outwit caches. The list may only shrink.
const OPEN: [&str; 3] =
    ["GET /api/v1/auth/oidc/callback", "GET /api/v1/health", "GET /api/v1/ready"];

/// What an operation asked by nobody with these parameters answers: its status and its code.
async fn answer(
    nobody: &Client,
    base_url: &str,
    route: &Route,
    query: &str,
) -> (StatusCode, String, Value) {
    let path = route.path.replace(['{', '}'], "");
    let request = nobody.request(route.method.clone(), format!("{base_url}{path}?{query}"));
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let problem: Value = answer.json().await.unwrap_or_default();
    (status, problem["code"].as_str().unwrap_or_default().to_owned(), problem)
}

#[tokio::test]
async fn every_operation_takes_the_parameters_that_it_documents_and_no_other() {
    let world = World::new().await.unwrap();
    let (nobody, base_url) = (http_client().unwrap(), world.server.base_url.as_str());
    let (routes, _) = routes(&world).await;
    let (mut open, mut wrong, mut tried) = (Vec::new(), Vec::new(), 0);
    for route in routes.iter().filter(|route| route.path.starts_with("/api/v1/")) {
        if route.operation["x-open-query"] == true {
            open.push(route.name());
            continue;
        }
        let parameters = route.operation["parameters"].as_array().into_iter().flatten();
        let names: Vec<&str> = parameters
            .filter(|parameter| parameter["in"] == "query")
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        let (status, code, problem) = answer(&nobody, base_url, route, "unheard_of=1").await;
        let detail = problem["detail"].as_str().unwrap_or_default();
        let names_all = names.iter().all(|name| detail.contains(name));
        if status != StatusCode::BAD_REQUEST || code != "unknown_parameter" || !names_all {
            wrong.push(format!("{} takes what is unheard of: {status} {problem}", route.name()));
        }
        if !names.is_empty() {
            tried += 1;
            let (status, code, problem) = answer(&nobody, base_url, route, &names.join("=&")).await;
            if code == "unknown_parameter" {
                wrong.push(format!("{} refuses its own: {status} {problem}", route.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 25, "only {tried} have parameters");
    assert_eq!(open, OPEN);
}

#[tokio::test]
async fn a_parameter_that_is_misspelt_is_told_and_those_of_an_issuer_are_not_asked_for() {
    let world = World::new().await.unwrap();
    for (path, told) in [
        (
            "/api/v1/usage/calls/01890000-0000-7000-8000-000000000000?end_user=x",
            "There is no query parameter 'end_user'; this takes none.",
        ),
        (
            "/api/v1/usage/calls?end_usr=x",
            "There is no query parameter 'end_usr'; this takes: from, to, user_id, api_key_id, \
             group_id, provider_config_id, provider, model, purpose, end_user, status, limit, cursor.",
        ),
    ] {
        let answer = world.alice.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "unknown_parameter", "{path}");
        assert_eq!(problem["detail"], told, "{path}");
    }
    world.alice.get("/api/v1/usage/calls?end%5Fuser=x&limit=1").await.unwrap();
    // Clients of other products may send what they like.
    world.alice.get("/v1/models?anything=1").await.unwrap();
    // Some issuers send these two, too.
    let path = "/api/v1/auth/oidc/callback?state=s&code=c&session_state=x&scope=openid";
    let landed = world.alice.request(Method::GET, path).send().await.unwrap();
    assert_eq!(landed.url().path(), "/sign-in", "{landed:?}");
}

//! Every operation of the document × every role × whose the object is; and each right alone, and all
//! but it. What is expected follows from the document, which states the right that each operation asks
//! for, and from what the role gives.

use std::collections::{BTreeMap, BTreeSet};

use lyceum_testkit::{PASSWORD, Session};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::routes::{PUBLIC, Route, administrative, belongings, call, routes, with_ids};
use crate::world::{World, id};

/// What their owners may find missing, since it is made by something that this test does not do.
const MAY_BE_MISSING: [&str; 4] = [
    "/api/v1/api-keys/{id}/rate-limit",
    "/api/v1/conversations/{id}/configs/{key}",
    "/api/v1/messages/{id}/explanation",
    "/v1/models/{model}",
];

/// Somebody, and the rights that they have.
struct Caller {
    name: &'static str,
    session: Session,
    rights: Vec<String>,
    is_key: bool,
}

impl Caller {
    fn has(&self, right: &str) -> bool {
        let (resource, action) = right.split_once(':').unwrap();
        self.rights.iter().any(|pattern| {
            let (of, may) = pattern.split_once(':').unwrap();
            (of == "*" || of == resource) && (may == "*" || may == action)
        })
    }

    fn has_all(&self) -> bool {
        self.rights.iter().any(|right| right == "*:*")
    }
}

/// A person with these roles.
async fn person(world: &World, name: &'static str, roles: &[&str]) -> Caller {
    let body = json!({ "username": name, "email": format!("{name}@example.org"),
                       "password": PASSWORD, "roles": roles });
    world.admin.post("/api/v1/users", body).await.unwrap();
    let session = world.server.sign_in(name).await.unwrap();
    // As the roles say, not as the person is told.
    let all = world.admin.get("/api/v1/roles").await.unwrap();
    let all = all["items"].as_array().unwrap();
    let given = all.iter().filter(|role| roles.contains(&role["name"].as_str().unwrap()));
    let rights = given.flat_map(|role| role["permissions"].as_array().unwrap().clone());
    let rights = rights.map(|right| right.as_str().unwrap().to_owned()).collect();
    Caller { name, session, rights, is_key: false }
}

/// A key of somebody, which may do less.
async fn key(owner: &Caller, name: &'static str, rights: &[&str]) -> Caller {
    let body = json!({ "name": name, "permissions": rights });
    let key = owner.session.post("/api/v1/api-keys", body).await.unwrap();
    let session = owner.session.with_key(key["key"].as_str().unwrap());
    let rights = rights.iter().map(|right| (*right).to_owned()).collect();
    Caller { name, session, rights, is_key: true }
}

async fn everybody(world: &World) -> Vec<Caller> {
    let mut all = vec![person(world, "nobody", &[]).await];
    for (name, role) in
        [("ulla", "user"), ("tess", "tester"), ("dev", "developer"), ("boss", "admin")]
    {
        all.push(person(world, name, &[role]).await);
    }
    let narrow = key(&all[1], "narrow key", &["profile:read", "conversation:read"]).await;
    let of_admin = key(&all[4], "administrator's key", &["user:read", "quota:*"]).await;
    all.extend([narrow, of_admin]);
    all
}

/// The ids that a call is made with: another's, or for what only administrators have to do with
/// nobody's, so that nothing is destroyed.
fn ids_for(route: &Route, foreign: &BTreeMap<&'static str, String>) -> Option<Option<String>> {
    match administrative(&route.path) {
        false => with_ids(&route.path, foreign),
        true => {
            let nobodys =
                foreign.keys().map(|kind| (*kind, "01890000-0000-7000-8000-000000000000"));
            with_ids(&route.path, &nobodys.map(|(kind, id)| (kind, id.to_owned())).collect())
        }
    }
}

/// Where a route is called, and whether that is another's; nothing where this test has no case for it.
/// Paths whose parameter is no id are tried with any.
fn target(route: &Route, foreign: &BTreeMap<&'static str, String>) -> Option<(String, bool)> {
    let has_parameter = route.path.contains('{');
    let path = match ids_for(route, foreign) {
        Some(path) => path,
        None if !has_parameter => Some(route.path.clone()),
        None => return None,
    };
    let is_foreign = has_parameter && path.is_some() && !administrative(&route.path);
    Some((path.unwrap_or_else(|| route.path.replace(['{', '}'], "")), is_foreign))
}

/// Calls a route as somebody; answers what is wrong with how that ends.
async fn try_out(
    caller: &Caller,
    route: &Route,
    (path, is_foreign): &(String, bool),
    right: Option<&str>,
    document: &Value,
) -> Option<String> {
    let answer = call(&caller.session, route, path, document).await;
    let status = answer.status();
    let body = match status.is_success() {
        // Some of these are streams.
        true => String::new(),
        false => answer.text().await.unwrap(),
    };
    let fault = match right {
        Some(right) => judge(&route.method, *is_foreign, caller, right, (status, &body)),
        None => (status != StatusCode::UNAUTHORIZED).then_some("opens what is a directory's"),
    };
    fault.map(|fault| format!("{}: {} {fault}: {status} {body}", route.name(), caller.name))
}

/// Why an answer is not what the right, the role and the owner lead to; nothing where it is.
fn judge(
    method: &Method,
    is_foreign: bool,
    caller: &Caller,
    right: &str,
    (status, body): (StatusCode, &str),
) -> Option<&'static str> {
    // In whatever form: addresses of other products answer as those do.
    let named = format!("You need the right {right} for this.");
    let refused = status == StatusCode::FORBIDDEN && body.contains(&named);
    if !caller.has(right) {
        return (!refused).then_some("lacks the right and is not told so");
    }
    // Whoever lacks what an act would give is refused for that, and keys may be for being keys.
    let beyond = caller.is_key || body.contains("permission_not_held");
    let forbidden = status == StatusCode::FORBIDDEN && !beyond;
    if refused || forbidden || status == StatusCode::UNAUTHORIZED {
        return Some("has the right and is refused");
    }
    if status.is_server_error() {
        return Some("breaks it");
    }
    match is_foreign {
        false => None,
        // Keys may be refused before an object is looked for.
        true if caller.is_key && status == StatusCode::FORBIDDEN => None,
        // An administrator sees some of what is others', and changes nothing of it.
        true if caller.has_all() => {
            (status.is_success() && method != Method::GET).then_some("changes another's")
        }
        true => (status != StatusCode::NOT_FOUND).then_some("learns of another's"),
    }
}

#[tokio::test]
async fn every_operation_asks_each_role_for_the_right_that_it_states() {
    let world = World::new().await.unwrap();
    let foreign = belongings(&world, &world.alice).await;
    let everybody = everybody(&world).await;
    let (routes, document) = routes(&world).await;
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for route in routes.iter().filter(|route| !PUBLIC.contains(&route.name().as_str())) {
        let of_directories = route.path.starts_with("/scim/");
        let right = route.operation["x-right"].as_str();
        if right.is_none() && !of_directories {
            wrong.push(format!("{} states no right", route.name()));
            continue;
        }
        let Some(target) = target(route, &foreign) else {
            wrong.push(format!("{} has no case in this test", route.name()));
            continue;
        };
        for caller in &everybody {
            tried += 1;
            wrong.extend(try_out(caller, route, &target, right, &document).await);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 1000, "only {tried} calls");
}

/// A person whose one role is this test's to change; answers the role's address, too.
async fn pliant(world: &World, name: &'static str) -> (Caller, String) {
    let role = json!({ "name": name, "permissions": ["profile:read"] });
    let role = world.admin.post("/api/v1/roles", role).await.unwrap();
    (person(world, name, &[name]).await, format!("/api/v1/roles/{}", id(&role).unwrap()))
}

#[tokio::test]
async fn each_right_is_enough_for_what_asks_for_it_and_no_other_is() {
    let world = World::new().await.unwrap();
    let foreign = belongings(&world, &world.alice).await;
    let known = world.admin.get("/api/v1/rights").await.unwrap();
    let known: Vec<String> = serde_json::from_value(known["items"].clone()).unwrap();
    let (mut with_it, its_role) = pliant(&world, "with_it").await;
    let (mut without, other_role) = pliant(&world, "without").await;
    let (routes, document) = routes(&world).await;
    let of = |route: &Route| route.operation["x-right"].as_str().map(str::to_owned);
    let rights: BTreeSet<String> = routes.iter().filter_map(of).collect();
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for right in rights.iter().map(String::as_str) {
        with_it.rights = vec![right.to_owned()];
        without.rights = known.iter().filter(|other| *other != right).cloned().collect();
        for (caller, role) in [(&with_it, &its_role), (&without, &other_role)] {
            let given = json!({ "permissions": caller.rights });
            world.admin.send(Method::PATCH, role, given).await.unwrap();
        }
        for route in routes.iter().filter(|route| of(route).as_deref() == Some(right)) {
            // That there is one for each is told by the test above.
            let Some(target) = target(route, &foreign) else { continue };
            for caller in [&with_it, &without] {
                tried += 1;
                wrong.extend(try_out(caller, route, &target, Some(right), &document).await);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 250, "only {tried} calls");
}

#[tokio::test]
async fn owners_and_those_they_share_with_reach_what_is_theirs() {
    let world = World::new().await.unwrap();
    let own = belongings(&world, &world.alice).await;
    let carol = person(&world, "carol", &["user"]).await;
    let base = format!("/api/v1/knowledge-bases/{}", own["knowledge_base"]);
    let share = json!({ "user": "carol", "level": "view" });
    world.alice.send(Method::PUT, &format!("{base}/grants"), share).await.unwrap();
    let (routes, document) = routes(&world).await;
    let (mut wrong, mut owned, mut granted) = (Vec::new(), 0, 0);
    for route in routes.iter().filter(|route| {
        route.path.contains('{')
            && !administrative(&route.path)
            && !route.path.starts_with("/scim/")
            && !PUBLIC.contains(&route.name().as_str())
    }) {
        let Some(Some(path)) = with_ids(&route.path, &own) else { continue };
        let is_read = route.method == Method::GET;
        if is_read && !MAY_BE_MISSING.contains(&route.path.as_str()) {
            let status = call(&world.alice, route, &path, &document).await.status();
            owned += 1;
            if status.is_server_error()
                || [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND]
                    .contains(&status)
            {
                wrong.push(format!("{}: its owner gets {status}", route.name()));
            }
        }
        let shared = ["/api/v1/knowledge-bases/", "/api/v1/documents/", "/api/v1/chunks/"];
        if shared.iter().any(|area| route.path.starts_with(area)) {
            let status = call(&carol.session, route, &path, &document).await.status();
            granted += 1;
            // Who may view reads everything but with whom else it is shared, and changes nothing.
            let expected = match is_read && !route.path.contains("/grants") {
                true => status.is_success(),
                false => status.is_client_error(),
            };
            if !expected {
                wrong.push(format!("{}: who may view gets {status}", route.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(owned > 12 && granted > 8, "only {owned} and {granted} tried");
    let base = world.alice.get(&base).await.unwrap();
    assert_eq!(id(&base).unwrap(), own["knowledge_base"], "nothing was changed");
}

#[tokio::test]
async fn the_preset_roles_give_rights_that_are_known() {
    let world = World::new().await.unwrap();
    let known = world.admin.get("/api/v1/rights").await.unwrap();
    let known: Vec<_> =
        known["items"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let roles = world.admin.get("/api/v1/roles").await.unwrap();
    let presets =
        roles["items"].as_array().unwrap().iter().filter(|role| role["is_preset"] == true);
    let mut patterns = 0;
    for pattern in presets.flat_map(|role| role["permissions"].as_array().unwrap()) {
        let (resource, action) = pattern.as_str().unwrap().split_once(':').unwrap();
        patterns += 1;
        let is_known = known.iter().any(|right| {
            let (of, may) = right.split_once(':').unwrap();
            (resource == "*" || of == resource) && (action == "*" || may == action)
        });
        assert!(is_known, "{pattern} is not among {known:?}");
    }
    assert!(patterns > 20, "{patterns}");
}

use serde_json::{Value, json};

use crate::app::{App, Client};
use crate::scim_token::{directory, refused};

const USERS: &str = "/scim/v2/Users";

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn found(directory: &mut Client, list: &str, filter: &str) -> Vec<String> {
    let path = format!("/scim/v2/{list}?filter={}", encoded(filter));
    let answer = directory.get(&path).await.expect(200);
    let resources = answer["Resources"].as_array().unwrap();
    assert_eq!(answer["totalResults"], resources.len(), "{answer}");
    let name = |one: &Value| {
        one.get("userName").or(one.get("displayName")).unwrap().as_str().unwrap().to_owned()
    };
    let mut names: Vec<_> = resources.iter().map(name).collect();
    names.sort();
    names
}

#[tokio::test]
async fn people_and_groups_are_found_by_what_is_kept_of_them() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut directory = directory(&app, &mut root).await;
    let mut ids = Vec::new();
    for (name, external, active, shown) in [
        ("ada@example.org", "A1", true, "Ada Lovelace"),
        ("bob", "B2", false, "Bob 100%"),
        ("ben@example.net", "b2", true, "O'Ben"),
    ] {
        let email = if name.contains('@') { name.to_owned() } else { format!("{name}@x.org") };
        let person = json!({ "userName": name, "externalId": external, "active": active,
                             "displayName": shown, "emails": [{ "value": email }],
                             "name": { "familyName": "Byron" } });
        ids.push(directory.post(USERS, person).await.expect(201)["id"].clone());
    }
    let ada = ids[0].as_str().unwrap();
    for (filter, names) in [
        ("userName eq \"ADA@example.org\"", vec!["ada@example.org"]),
        ("userName eq \"ada\"", vec![]),
        ("userName eq \"root\"", vec!["root"]),
        ("userName sw \"b\"", vec!["ben@example.net", "bob"]),
        ("userName co \"EXAMPLE\"", vec!["ada@example.org", "ben@example.net"]),
        ("userName ew \".net\"", vec!["ben@example.net"]),
        ("emails.value eq \"BOB@x.org\"", vec!["bob"]),
        ("emails co \"x.org\"", vec!["bob"]),
        ("externalId eq \"B2\"", vec!["bob"]),
        ("externalId eq \"b2\"", vec!["ben@example.net"]),
        ("not (externalId pr)", vec!["root"]),
        ("active eq false", vec!["bob"]),
        ("active eq true and externalId pr", vec!["ada@example.org", "ben@example.net"]),
        ("displayName eq \"ada lovelace\"", vec!["ada@example.org"]),
        // Neither quotes nor wildcards are SQL's.
        ("displayName co \"%\"", vec!["bob"]),
        ("displayName sw \"O'\"", vec!["ben@example.net"]),
        ("displayName eq \"') OR true --\"", vec![]),
        ("name.familyName eq \"BYRON\" and not (userName sw \"b\")", vec!["ada@example.org"]),
        ("userName eq \"bob\" or userName eq \"root\"", vec!["bob", "root"]),
        ("userName eq \"bob\" and active eq true or userName eq \"root\"", vec!["root"]),
        ("userName eq \"bob\" and (active eq true or externalId eq \"B2\")", vec!["bob"]),
        (&format!("id eq \"{ada}\""), vec!["ada@example.org"]),
        ("id eq \"nonsense\"", vec![]),
    ] {
        assert_eq!(found(&mut directory, "Users", filter).await, names, "{filter}");
    }
    for filter in [
        "userName",
        "active eq \"true\"",
        "userName eq 1",
        "password eq \"x\"",
        "userName gt \"a\"",
    ] {
        let path = format!("{USERS}?filter={}", encoded(filter));
        refused(directory.get(&path).await, 400, Some("invalidFilter"));
    }

    for (name, external, members) in
        [("Byrons", "G1", json!([{ "value": ada }])), ("Others", "G2", json!([]))]
    {
        let group = json!({ "displayName": name, "externalId": external, "members": members });
        directory.post("/scim/v2/Groups", group).await.expect(201);
    }
    for (filter, names) in [
        ("displayName eq \"byrons\"", vec!["Byrons"]),
        ("displayName co \"r\"", vec!["Byrons", "Others"]),
        ("externalId eq \"G2\" or displayName sw \"x\"", vec!["Others"]),
        (&format!("members.value eq \"{ada}\""), vec!["Byrons"]),
        (&format!("displayName eq \"Others\" and members eq \"{ada}\""), vec![]),
        ("members pr", vec!["Byrons"]),
    ] {
        assert_eq!(found(&mut directory, "Groups", filter).await, names, "{filter}");
    }
    for filter in ["userName eq \"ada\"", "members co \"a\""] {
        let path = format!("/scim/v2/Groups?filter={}", encoded(filter));
        refused(directory.get(&path).await, 400, Some("invalidFilter"));
    }
}

#[tokio::test]
async fn lists_go_page_by_page() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut directory = directory(&app, &mut root).await;
    for number in 1..=4 {
        app.clock.advance(std::time::Duration::from_secs(1));
        let person = json!({ "userName": format!("p{number}@example.org") });
        directory.post(USERS, person).await.expect(201);
    }
    let mut seen = Vec::new();
    for start in [1, 3, 5, 7] {
        let page = directory.get(&format!("{USERS}?startIndex={start}&count=2")).await.expect(200);
        assert_eq!((&page["totalResults"], &page["startIndex"]), (&json!(5), &json!(start)));
        let resources = page["Resources"].as_array().unwrap();
        assert_eq!(page["itemsPerPage"], resources.len());
        seen.extend(resources.iter().map(|one| one["userName"].as_str().unwrap().to_owned()));
    }
    let expected = ["root", "p1@example.org", "p2@example.org", "p3@example.org", "p4@example.org"];
    assert_eq!(seen, expected);
    let none = directory.get(&format!("{USERS}?count=0")).await.expect(200);
    assert_eq!((&none["totalResults"], &none["Resources"]), (&json!(5), &json!([])));
    let odd = directory.get(&format!("{USERS}?startIndex=-3&count=-1")).await.expect(200);
    assert_eq!((&odd["startIndex"], &odd["itemsPerPage"]), (&json!(1), &json!(0)));
    refused(directory.get(&format!("{USERS}?count=x")).await, 400, Some("invalidValue"));
}

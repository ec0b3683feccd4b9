use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use axum::body::Bytes;
use futures::stream;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, Client, id};

/// The files of an archive.
fn unpack(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut files = BTreeMap::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        files.insert(name, content);
    }
    files
}

/// Something of everything, some of it through the other domains' tables.
async fn furnish(app: &App, user: Uuid, word: &str) {
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    for sql in [
        "INSERT INTO chat.conversations (id, user_id, title, last_message_at, created_at,
                                        updated_at)
         VALUES ($1, $1, $2, now(), now(), now())",
        "INSERT INTO chat.messages
           (id, conversation_id, user_id, sequence_number, role, content, status, created_at,
            updated_at)
         VALUES ($1, $1, $1, 1, 'user', $2, 'completed', now(), now())",
        "INSERT INTO identity.user_preferences (id, user_id, key, value)
         VALUES ($1, $1, 'note', to_jsonb($2::text))",
        "INSERT INTO knowledge.knowledge_bases
           (id, owner_id, name, collection_name, embedding_model, vector_dimension)
         VALUES ($1, $1, $2, 'kb_' || md5($2), 'none', 384)",
        "INSERT INTO knowledge.documents
           (id, knowledge_base_id, uploaded_by, title, filename, file_path, file_size, mime_type,
            content_hash)
         VALUES ($1, $1, $1, $2, $2 || '.txt', 'documents/' || $1::text || '/original', 1, 'text/plain',
                 sha256('x'))",
    ] {
        sqlx::query(sql)
            .bind(user)
            .bind(word)
            .execute(&mut *tx)
            .await
            .unwrap_or_else(|error| panic!("{error}: {sql}"));
    }
    tx.commit().await.unwrap();
    let file = stream::iter([Ok::<_, std::io::Error>(Bytes::from(format!("the file of {word}")))]);
    app.objects.put(&format!("documents/{user}/original"), file, 1_000).await.unwrap();
}

async fn me(client: &mut Client) -> Uuid {
    id(&client.get("/api/v1/me").await.expect(200))
}

#[tokio::test]
async fn an_export_has_all_of_ones_own_and_nothing_of_others_nor_any_secret() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    // The administrator, whom row-level security shows more, exports no more.
    let (root_id, ada_id) = (me(&mut root).await, me(&mut ada).await);
    furnish(&app, root_id, "rootword").await;
    furnish(&app, ada_id, "adaword").await;
    let key = ada.post("/api/v1/api-keys", json!({ "name": "adakey" })).await.expect(201);
    let mut picture = Cursor::new(Vec::new());
    image::RgbaImage::new(2, 2).write_to(&mut picture, image::ImageFormat::Png).unwrap();
    ada.upload("/api/v1/me/avatar", picture.into_inner()).await.expect(200);
    root.patch(&format!("/api/v1/users/{ada_id}"), json!({ "department": "Engines" }))
        .await
        .expect(200);

    for (client, word, other) in
        [(&mut ada, "adaword", "rootword"), (&mut root, "rootword", "adaword")]
    {
        let user = me(client).await;
        let made = client.post("/api/v1/me/exports", json!({})).await.expect(202);
        assert_eq!(made["status"], "pending");
        client.post("/api/v1/me/exports", json!({})).await.refused(409, "export_running");
        let path = format!("/api/v1/me/exports/{}", id(&made));
        client.get(&format!("{path}/file")).await.refused(409, "export_not_ready");
        app.finish_jobs().await;
        assert_eq!(client.get(&path).await.expect(200)["status"], "ready");
        let answer = client.get(&format!("{path}/file")).await;
        assert_eq!(answer.headers["content-type"], "application/zip");
        assert_eq!(answer.headers["content-length"], answer.bytes.len().to_string().as_str());
        let files = unpack(&answer.bytes);
        let table = |name: &str| -> Vec<Value> {
            let content = files.get(name).unwrap_or_else(|| panic!("{name}: {:?}", files.keys()));
            serde_json::from_slice(content).unwrap()
        };
        assert_eq!(table("identity/users.json").len(), 1);
        assert_eq!(table("identity/users.json")[0]["id"], json!(user));
        assert_eq!(table("chat/conversations.json")[0]["title"], word);
        assert_eq!(table("chat/messages.json")[0]["content"], word);
        assert_eq!(table("knowledge/knowledge_bases.json")[0]["name"], word);
        assert_eq!(table("knowledge/documents.json")[0]["title"], word);
        assert_eq!(table("identity/user_preferences.json")[0]["value"], word);
        assert_eq!(table("identity/user_sessions.json").len(), 1);
        assert_eq!(table("gateway/usage_statistics.json").len(), 0);
        let file = &files[&format!("files/documents/{user}/original")];
        assert_eq!(file, format!("the file of {word}").as_bytes());
        assert!(
            table("ops/audit_logs.json")
                .iter()
                .any(|entry| entry["action"] == "sign_in" || entry["action"] == "create")
        );
        let pictures = files.keys().filter(|name| name.starts_with("files/avatars/"));
        let pictures: Vec<_> = pictures.collect();
        if word == "adaword" {
            let folder = format!("files/avatars/{user}/");
            assert!(matches!(&pictures[..], [one] if one.starts_with(&folder)), "{pictures:?}");
            assert!(files[pictures[0]].starts_with(b"RIFF"), "a WebP");
            assert_eq!(table("identity/api_keys.json")[0]["name"], "adakey");
            let done_to = table("ops/audit_logs.json");
            let change =
                done_to.iter().find(|entry| entry["new_values"]["department"] == "Engines");
            let change = change.expect("what the administrator did to the account");
            assert!(change.get("ip_address").is_none() && change.get("user_agent").is_none());
        } else {
            assert!(pictures.is_empty(), "{pictures:?}");
        }
        for (name, content) in &files {
            let text = String::from_utf8_lossy(content);
            for secret in [
                other,
                "password_hash",
                "key_hash",
                "token_hash",
                "refresh_hash",
                "$argon2",
                "encrypted_key",
            ] {
                assert!(!text.contains(secret), "{secret} stands in {name}: {text}");
            }
            assert!(!text.contains(key["key"].as_str().unwrap()), "{name}");
        }
    }
}

#[tokio::test]
async fn an_export_is_its_owners_alone_and_not_for_api_keys() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let made = ada.post("/api/v1/me/exports", json!({})).await.expect(202);
    app.finish_jobs().await;
    let path = format!("/api/v1/me/exports/{}", id(&made));
    for foreign in [path.clone(), format!("{path}/file")] {
        root.get(&foreign).await.refused(404, "not_found");
    }
    assert_eq!(root.get("/api/v1/me/exports").await.expect(200)["items"], json!([]));
    let key = ada
        .post("/api/v1/api-keys", json!({ "name": "k", "permissions": ["profile:*"] }))
        .await
        .expect(201);
    let mut program = app.visitor();
    program.bearer = Some(key["key"].as_str().unwrap().to_owned());
    program.post("/api/v1/me/exports", json!({})).await.refused(403, "session_required");
    program.get(&format!("{path}/file")).await.refused(403, "session_required");

    for _ in 0..4 {
        ada.post("/api/v1/me/exports", json!({})).await.expect(202);
        app.finish_jobs().await;
    }
    ada.post("/api/v1/me/exports", json!({})).await.refused(409, "too_many");
    let page = ada.get("/api/v1/me/exports?limit=2").await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let next = page["next_cursor"].as_str().unwrap();
    let rest = ada.get(&format!("/api/v1/me/exports?limit=5&cursor={next}")).await.expect(200);
    assert_eq!(rest["items"].as_array().unwrap().len(), 3);

    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    let recorded: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM ops.audit_logs WHERE resource_type = 'data_export'
           AND action = 'create'",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert_eq!(recorded, 5);
}

#[tokio::test]
async fn an_export_that_fails_leaves_no_file_and_is_told() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let user = me(&mut root).await;
    let made = root.post("/api/v1/me/exports", json!({})).await.expect(202);
    // The only attempt, and a folder in the file's place.
    let mut owner = {
        use sqlx::ConnectOptions as _;
        app.test.owner.connect().await.unwrap()
    };
    sqlx::query("UPDATE graphile_worker._private_jobs SET max_attempts = 1")
        .execute(&mut owner)
        .await
        .unwrap();
    let blocking = format!("results/exports/{user}/{}.zip/blocking", id(&made));
    let file = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))]);
    app.objects.put(&blocking, file, 10).await.unwrap();
    let working = app.work().await;
    let path = format!("/api/v1/me/exports/{}", id(&made));
    let state = async {
        loop {
            let state = root.get(&path).await.expect(200);
            if state["status"] == "failed" {
                break state;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let state = tokio::time::timeout(std::time::Duration::from_secs(30), state).await.unwrap();
    assert!(state["finished_at"].is_string());
    working.shutdown().await;
    assert_eq!(app.objects.list("results/exports").await.unwrap(), [blocking]);
    root.get(&format!("{path}/file")).await.refused(409, "export_not_ready");
    root.post("/api/v1/me/exports", json!({})).await.expect(202);
}

#[tokio::test]
async fn what_a_former_administrator_did_to_others_is_exported_without_its_values() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut boss = app.user(&mut root, "boss").await;
    app.user(&mut root, "ada").await;
    let (boss_id, users) = (me(&mut boss).await, "/api/v1/users");
    let found = root.get(&format!("{users}?q=ada")).await.expect(200);
    let ada_id = id(&found["items"][0]);
    let roles = |names: Value| json!({ "roles": names });
    let path = format!("{users}/{boss_id}");
    root.patch(&path, roles(json!(["admin"]))).await.expect(200);
    let change = json!({ "department": "Secret Engines" });
    boss.patch(&format!("{users}/{ada_id}"), change).await.expect(200);
    let group = boss.post("/api/v1/groups", json!({ "name": "Hush" })).await.expect(201);
    let member = format!("/api/v1/groups/{}/members/{ada_id}", id(&group));
    boss.put(&member, Value::Null).await.expect(204);
    boss.patch("/api/v1/me", json!({ "position": "Boss of Looms" })).await.expect(200);
    root.patch(&path, roles(json!(["user"]))).await.expect(200);

    let made = boss.post("/api/v1/me/exports", json!({})).await.expect(202);
    app.finish_jobs().await;
    let path = format!("/api/v1/me/exports/{}/file", id(&made));
    let files = unpack(&boss.get(&path).await.bytes);
    let entries: Vec<Value> = serde_json::from_slice(&files["ops/audit_logs.json"]).unwrap();
    let about = |action: &str, resource: &str, target: Uuid| {
        let target = json!(target);
        entries.iter().find(move |entry| {
            entry["action"] == action
                && entry["resource_type"] == resource
                && entry["resource_id"] == target
                && entry["user_id"] == json!(boss_id)
        })
    };
    for (action, resource, target) in [
        ("update", "user", ada_id),
        ("create", "group", id(&group)),
        ("create", "group_member", id(&group)),
    ] {
        let entry = about(action, resource, target).expect("that it was done is told");
        assert!(entry.get("old_values").is_none() && entry.get("new_values").is_none(), "{entry}");
        assert!(entry["ip_address"].is_string() || entry["ip_address"].is_null());
    }
    let own = entries.iter().any(|entry| entry["new_values"]["position"] == "Boss of Looms");
    assert!(own, "{entries:?}");
    let signed_in = entries.iter().find(|entry| entry["action"] == "sign_in").unwrap();
    assert_eq!(signed_in["new_values"]["method"], "password");
    let text = entries.iter().map(Value::to_string).collect::<String>();
    for secret in ["Secret Engines", "Hush"] {
        assert!(!text.contains(secret), "{text}");
    }
}

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::ConnectOptions as _;

use crate::app::{App, Client, PASSWORD, id, token_of};

async fn path_of(client: &mut Client) -> String {
    format!("/api/v1/users/{}", id(&client.get("/api/v1/me").await.expect(200)))
}

fn leave(password: &str) -> Value {
    json!({ "password": password })
}

#[tokio::test]
async fn who_leaves_is_out_at_once_and_can_be_brought_back() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let path = path_of(&mut ada).await;
    let body = json!({ "name": "k", "permissions": ["profile:*"] });
    let key = ada.post("/api/v1/api-keys", body).await.expect(201);
    let mut program = app.visitor();
    program.bearer = Some(key["key"].as_str().unwrap().to_owned());
    let made = root.post(&format!("{path}/password-reset"), json!({})).await.expect(201);
    let link = token_of(made["link"].as_str().unwrap());

    program.post("/api/v1/me/deletion", leave(PASSWORD)).await.refused(403, "session_required");
    ada.post("/api/v1/me/deletion", leave("wrong password")).await.refused(422, "wrong_password");
    let mut copy = ada.clone();
    ada.post("/api/v1/me/deletion", leave(PASSWORD)).await.expect(204);
    assert!(ada.cookies.is_empty());
    copy.get("/api/v1/me").await.refused(401, "unauthenticated");
    copy.post("/api/v1/auth/refresh", json!({})).await.refused(401, "session_ended");
    program.get("/api/v1/me").await.refused(401, "unauthenticated");
    app.visitor().sign_in("ada").await.refused(401, "invalid_credentials");
    let reset = json!({ "token": link, "password": "a new and longer one" });
    app.visitor()
        .post("/api/v1/auth/password-reset/confirm", reset)
        .await
        .refused(404, "link_invalid");
    root.get(&path).await.refused(404, "not_found");
    let deleted = root.get("/api/v1/users?deleted=true").await.expect(200);
    assert_eq!(deleted["items"].as_array().unwrap().len(), 1);
    assert_eq!(deleted["items"][0]["username"], "ada");
    assert!(deleted["items"][0]["deleted_at"].is_string());
    let living = root.get("/api/v1/users").await.expect(200);
    assert_eq!(living["items"].as_array().unwrap().len(), 1);

    // Brought back without any of the old credentials.
    let back = root.post(&format!("{path}/restore"), json!({})).await.expect(200);
    assert_eq!((&back["username"], &back["roles"]), (&json!("ada"), &json!(["user"])));
    copy.get("/api/v1/me").await.refused(401, "unauthenticated");
    program.get("/api/v1/me").await.refused(401, "unauthenticated");
    ada.sign_in("ada").await.expect(200);
    assert_eq!(ada.get("/api/v1/api-keys").await.expect(200)["items"], json!([]));
    root.post(&format!("{path}/restore"), json!({})).await.refused(404, "not_found");
}

#[tokio::test]
async fn without_a_password_a_recent_sign_in_is_enough() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let (mut bob, mut eve) = (app.user(&mut root, "bob").await, app.user(&mut root, "eve").await);
    let first = json!({ "new": "a first password" });
    // Whoever has one shows it.
    ada.post("/api/v1/me/deletion", json!({})).await.refused(422, "wrong_password");
    ada.post("/api/v1/me/password", first.clone()).await.refused(422, "wrong_password");
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    sqlx::query("UPDATE identity.users SET password_hash = NULL WHERE username <> 'root'")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    ada.post("/api/v1/me/password", first.clone()).await.expect(204);
    app.visitor().sign_in_with("ada", "a first password").await.expect(200);
    ada.post("/api/v1/me/deletion", json!({})).await.refused(422, "wrong_password");
    bob.post("/api/v1/me/deletion", json!({})).await.expect(204);
    bob.get("/api/v1/me").await.refused(401, "unauthenticated");
    app.clock.advance(Duration::from_secs(601));
    for body in [json!({}), leave(PASSWORD)] {
        eve.post("/api/v1/me/deletion", body).await.refused(403, "reauthentication_required");
    }
    eve.post("/api/v1/me/password", first).await.refused(403, "reauthentication_required");
}

#[tokio::test]
async fn the_right_to_delete_needs_no_other_and_gives_no_other() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let (mut eve, mut ada) = (app.user(&mut root, "eve").await, app.user(&mut root, "ada").await);
    let (root_path, path) = (path_of(&mut root).await, path_of(&mut ada).await);
    let (eve_path, ada_id) = (path_of(&mut eve).await, path.rsplit('/').next().unwrap().to_owned());
    let eve_id: uuid::Uuid = eve_path.rsplit('/').next().unwrap().parse().unwrap();
    let role = json!({ "name": "remover", "permissions": ["user:delete"] });
    root.post("/api/v1/roles", role).await.expect(201);
    root.patch(&eve_path, json!({ "roles": ["user", "remover"] })).await.expect(200);

    eve.delete(&path).await.expect(204);
    eve.post(&format!("{path}/restore"), json!({})).await.expect(200);
    eve.delete(&root_path).await.refused(403, "permission_not_held");
    eve.get(&path).await.refused(403, "forbidden");
    eve.patch(&path, json!({ "status": "suspended" })).await.refused(403, "forbidden");
    // By SQL, she marks and nothing else; who may write does all but mark.
    let mark = "UPDATE identity.users SET deleted_at = now() WHERE id = $1::text::uuid";
    let suspend = "UPDATE identity.users SET status = 'suspended' WHERE id = $1::text::uuid";
    for (rights, allowed, refused) in
        [(["user:delete"], mark, suspend), (["user:write"], suspend, mark)]
    {
        let roles = root.get("/api/v1/roles").await.expect(200);
        let roles = roles["items"].as_array().unwrap();
        let remover = roles.iter().find(|role| role["name"] == "remover").unwrap();
        let role = format!("/api/v1/roles/{}", id(remover));
        root.patch(&role, json!({ "permissions": rights })).await.expect(200);
        let mut tx = app.test.db.begin_as(eve_id).await.unwrap();
        let done = sqlx::query(allowed).bind(&ada_id).execute(&mut *tx).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{allowed}");
        tx.rollback().await.unwrap();
        let mut tx = app.test.db.begin_as(eve_id).await.unwrap();
        let error = sqlx::query(refused).bind(&ada_id).execute(&mut *tx).await.unwrap_err();
        let code = error.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned());
        assert_eq!(code.as_deref(), Some("42501"), "{refused}: {error}");
    }
}

#[tokio::test]
async fn name_and_address_of_a_deleted_account_are_free() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let path = path_of(&mut ada).await;
    root.delete(&path).await.expect(204);
    ada.get("/api/v1/me").await.refused(401, "unauthenticated");
    root.delete(&path).await.refused(404, "not_found");
    let mut next = app.user(&mut root, "ada").await;
    let restore = format!("{path}/restore");
    root.post(&restore, json!({})).await.refused(409, "username_taken");
    let next_path = path_of(&mut next).await;
    root.delete(&next_path).await.expect(204);
    root.post(&restore, json!({})).await.expect(200);
    root.post(&format!("{next_path}/restore"), json!({})).await.refused(409, "username_taken");
}

#[tokio::test]
async fn only_with_the_right_and_never_the_last_administrator() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let (root_path, ada_path) = (path_of(&mut root).await, path_of(&mut ada).await);
    ada.delete(&root_path).await.refused(403, "forbidden");
    ada.post(&format!("{ada_path}/restore"), json!({})).await.refused(403, "forbidden");
    root.delete(&root_path).await.refused(409, "last_administrator");
    root.post("/api/v1/me/deletion", leave(PASSWORD)).await.refused(409, "last_administrator");
    root.get("/api/v1/me").await.expect(200);
    root.patch(&ada_path, json!({ "roles": ["admin"] })).await.expect(200);
    root.post("/api/v1/me/deletion", leave(PASSWORD)).await.expect(204);
    ada.post(&format!("{root_path}/restore"), json!({})).await.expect(200);
}

#[tokio::test]
async fn the_files_of_the_purged_go_and_those_of_others_stay() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let mut picture = std::io::Cursor::new(Vec::new());
    image::RgbaImage::new(2, 2).write_to(&mut picture, image::ImageFormat::Png).unwrap();
    let picture = picture.into_inner();
    ada.upload("/api/v1/me/avatar", picture.clone()).await.expect(200);
    root.upload("/api/v1/me/avatar", picture).await.expect(200);
    ada.post("/api/v1/me/exports", json!({})).await.expect(202);
    app.finish_jobs().await;
    let path = path_of(&mut ada).await;
    root.delete(&path).await.expect(204);
    sweep(&app).await;
    assert_eq!(app.objects.list("avatars").await.unwrap().len(), 2, "it can be brought back");
    assert_eq!(app.objects.list("results/exports").await.unwrap().len(), 1);
    // As the purge of deleted rows does, some weeks later.
    let mut owner = app.test.owner.connect().await.unwrap();
    sqlx::query("DELETE FROM identity.users WHERE deleted_at IS NOT NULL")
        .execute(&mut owner)
        .await
        .unwrap();
    sweep(&app).await;
    let left = app.objects.list("avatars").await.unwrap();
    let root_id = id(&root.get("/api/v1/me").await.expect(200));
    assert_eq!(left.len(), 1);
    assert!(left[0].contains(&root_id.to_string()));
    assert!(app.objects.list("results/exports").await.unwrap().is_empty());
}

/// Runs the daily clean-up.
async fn sweep(app: &App) {
    let mut owner = app.test.owner.connect().await.unwrap();
    sqlx::query("SELECT app.enqueue_job('identity.purge_expired', '{}', NULL, NULL, 1, NULL, 0)")
        .execute(&mut owner)
        .await
        .unwrap();
    app.finish_jobs().await;
}

#[tokio::test]
async fn an_export_is_kept_for_a_week() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let made = root.post("/api/v1/me/exports", json!({})).await.expect(202);
    app.finish_jobs().await;
    let path = format!("/api/v1/me/exports/{}", id(&made));
    app.clock.advance(Duration::from_secs(7 * 24 * 3600 - 60));
    root.sign_in("root").await.expect(200);
    assert_eq!(root.get(&format!("{path}/file")).await.status, 200);
    app.clock.advance(Duration::from_secs(60));
    root.get(&format!("{path}/file")).await.refused(409, "export_not_ready");
    sweep(&app).await;
    root.get(&path).await.refused(404, "not_found");
    assert!(app.objects.list("results/exports").await.unwrap().is_empty());
}

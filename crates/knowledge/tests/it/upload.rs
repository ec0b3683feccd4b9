//! Uploading: what is refused, what is the same, what is left behind.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use lyceum_knowledge::KnowledgeSettings;

use crate::files;
use crate::world::{BOUNDARY, World, form, id, upload_request};

#[tokio::test]
async fn bad_files_are_refused_with_a_clear_error_and_leave_nothing() {
    let settings = KnowledgeSettings { max_file_bytes: 100_000, ..Default::default() };
    let world = World::with(settings).await;
    world.user("ann").await;
    let base = world.base("ann", "b").await;
    let (status, problem) = world.upload("ann", base, "a.txt", b"").await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (422, Some("empty_file")));
    let (status, problem) = world.upload("ann", base, "a.pdf", b"\x89PNG\r\n\x1a\n\0\0").await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (415, Some("unsupported_type")));
    assert!(problem["supported"].as_array().unwrap().iter().any(|kind| kind == "docx"));
    let (status, problem) = world.upload("ann", base, "a.txt", &vec![b'a'; 120_000]).await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (413, Some("file_too_large")));
    let missing = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n--{BOUNDARY}--\r\n"
    );
    let request = upload_request("ann", base, "a", b"").map(|_| Body::from(missing));
    assert_eq!(world.raw(request).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(world.number("SELECT count(*) FROM knowledge.documents").await, 0);
    assert!(world.knowledge.objects.list("documents").await.unwrap().is_empty());
}

#[tokio::test]
async fn the_length_is_refused_before_the_body_is_read() {
    let world = World::new().await;
    world.user("ann").await;
    let base = world.base("ann", "b").await;
    // Whoever reads this body fails.
    let body = futures::stream::once(async { panic!("was read") as Result<Bytes, std::io::Error> });
    let request = Request::builder()
        .method("POST")
        .uri(format!("/knowledge-bases/{base}/documents"))
        .header("authorization", "ann")
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .header("content-length", 200_000_000)
        .body(Body::from_stream(body))
        .unwrap();
    assert_eq!(world.raw(request).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let world = World::new().await;
    world.user("ann").await;
    let base = world.base("ann", "b").await;
    let whole = form("a.txt", &vec![b'a'; 300_000]);
    let part = Bytes::from(whole[..200_000].to_vec());
    let broken = futures::stream::iter([Ok(part), Err(std::io::Error::other("cut"))]);
    let request = upload_request("ann", base, "a.txt", b"").map(|_| Body::from_stream(broken));
    let request = {
        let (mut parts, body) = request.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        Request::from_parts(parts, body)
    };
    assert_eq!(world.raw(request).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(world.number("SELECT count(*) FROM knowledge.documents").await, 0);
    assert!(world.knowledge.objects.list("documents").await.unwrap().is_empty());
}

#[tokio::test]
async fn the_same_bytes_are_one_document_also_at_the_same_time() {
    let world = World::new().await;
    world.user("ann").await;
    let base = world.base("ann", "b").await;
    let uploads = (0..8).map(|n| {
        let world = &world;
        async move { world.upload("ann", base, &format!("{n}.txt"), b"the same text").await }
    });
    let answers = futures::future::join_all(uploads).await;
    let new = answers.iter().filter(|(status, _)| *status == StatusCode::ACCEPTED).count();
    let same = answers.iter().filter(|(status, _)| *status == StatusCode::OK).count();
    assert_eq!((new, same), (1, 7), "{answers:?}");
    assert!(answers.iter().all(|(_, document)| document["id"] == answers[0].1["id"]));
    assert_eq!(world.knowledge.objects.list("documents").await.unwrap().len(), 1);
    let (status, _) = world.upload("ann", base, "other.txt", b"another text").await;
    assert_eq!(status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn names_are_labels_and_files_are_attachments() {
    let world = World::new().await;
    world.user("ann").await;
    let base = world.base("ann", "b").await;
    let (status, document) =
        world.upload("ann", base, "../../报告.html", b"<html><script>1</script>hi").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!((&document["filename"], &document["title"]), (&"报告.html".into(), &"报告".into()));
    let path = format!("/documents/{}/file", id(&document));
    let request = Request::builder().uri(path).header("authorization", "ann");
    let response = world.raw(request.body(Body::empty()).unwrap()).await;
    let get = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert!(get("content-disposition").starts_with("attachment; "));
    assert_eq!(get("x-content-type-options"), "nosniff");
    assert!(get("content-security-policy").contains("sandbox"));
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    assert_eq!(&bytes[..], b"<html><script>1</script>hi");
    let stored = world.knowledge.objects.list("documents").await.unwrap();
    assert_eq!(stored, [format!("documents/{base}/{}/original", id(&document))]);
    let inside = std::fs::canonicalize(world.folder.path()).unwrap();
    assert!(inside.join(&stored[0]).exists());
}

#[tokio::test]
async fn what_is_anothers_is_not_there() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    world.user("bob").await;
    let base = world.base("ann", "b").await;
    let document = world.ingest("ann", ann, base, "a.docx", &files::docx("H", "Text here.")).await;
    let document = id(&document);
    let (_, chunks) =
        world.send("ann", "GET", &format!("/documents/{document}/chunks"), None).await;
    let chunk = id(&chunks["items"][0]);
    let question = serde_json::json!({"query": "text"});
    for (method, path, body) in [
        ("GET", format!("/knowledge-bases/{base}"), None),
        ("PATCH", format!("/knowledge-bases/{base}"), Some(serde_json::json!({"name": "x"}))),
        ("DELETE", format!("/knowledge-bases/{base}"), None),
        ("GET", format!("/knowledge-bases/{base}/documents"), None),
        ("POST", format!("/knowledge-bases/{base}/search"), Some(question.clone())),
        ("GET", format!("/documents/{document}"), None),
        ("DELETE", format!("/documents/{document}"), None),
        ("POST", format!("/documents/{document}/retry"), None),
        ("GET", format!("/documents/{document}/text"), None),
        ("GET", format!("/documents/{document}/file"), None),
        ("GET", format!("/documents/{document}/chunks"), None),
        ("GET", format!("/chunks/{chunk}"), None),
    ] {
        let (status, problem) = world.send("bob", method, &path, body).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}: {problem}");
    }
    let (status, _) = world.upload("bob", base, "x.txt", b"x y z").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    // Shared with everybody, it can be read and asked, and still not changed.
    let share = serde_json::json!({"visibility": "organization"});
    world.send("ann", "PATCH", &format!("/knowledge-bases/{base}"), Some(share)).await;
    let path = format!("/knowledge-bases/{base}/search");
    assert_eq!(world.send("bob", "POST", &path, Some(question)).await.0, StatusCode::OK);
    assert_eq!(world.upload("bob", base, "x.txt", b"x y z").await.0, StatusCode::FORBIDDEN);
    let path = format!("/documents/{document}");
    assert_eq!(world.send("bob", "DELETE", &path, None).await.0, StatusCode::FORBIDDEN);
    assert_eq!(world.send("bob", "GET", &path, None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_database_itself_keeps_people_apart() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let bob = world.user("bob").await;
    let base = world.base("ann", "b").await;
    world.ingest("ann", ann, base, "a.txt", b"Some text to hide.").await;
    let mut tx = world.test.db.begin_as(bob).await.unwrap();
    for table in
        ["knowledge_bases", "documents", "document_texts", "document_chunks", "word_counts"]
    {
        let mut query =
            sqlx::QueryBuilder::<sqlx::Postgres>::new("SELECT count(*) FROM knowledge.");
        let count: i64 = query.push(table).build_query_scalar().fetch_one(&mut *tx).await.unwrap();
        assert_eq!(count, 0, "{table}");
    }
    let found: Vec<(uuid::Uuid, f32)> = sqlx::query_as(
        "SELECT * FROM knowledge.search_words($1, '{}', 'text', '{text}', '{1}', 1, true, 10, 10)",
    )
    .bind(vec![base])
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    assert!(found.is_empty());
    let stolen =
        sqlx::query("UPDATE knowledge.documents SET title = 'mine'").execute(&mut *tx).await;
    assert_eq!(stolen.unwrap().rows_affected(), 0);
}

#[tokio::test]
async fn storage_quotas_of_the_uploader_and_their_group_hold_exactly() {
    let world = World::new().await;
    world.user("ann").await;
    world.user("bob").await;
    let base = world.base("ann", "b").await;
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    sqlx::raw_sql(
        "WITH made AS (INSERT INTO identity.groups (id, name) VALUES (app.new_id(), 'team')
                       RETURNING id),
              member AS (INSERT INTO identity.group_members (group_id, user_id)
                         SELECT made.id, u.id FROM made, identity.users u),
              own AS (INSERT INTO identity.user_quotas (id, user_id, max_storage_bytes, period_start)
                      SELECT app.new_id(), u.id, 1000, '2026-01-01' FROM identity.users u
                      WHERE u.username = 'ann')
         INSERT INTO identity.user_quotas (id, group_id, max_storage_bytes, period_start)
         SELECT app.new_id(), made.id, 1500, '2026-01-01' FROM made",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    // Eight at once, room for three.
    let names: Vec<String> = (0..8).map(|number| format!("{number}.txt")).collect();
    let files: Vec<Vec<u8>> = (b'a'..b'i').map(|letter| vec![letter; 300]).collect();
    let uploads =
        names.iter().zip(&files).map(|(name, bytes)| world.upload("ann", base, name, bytes));
    let answers = futures::future::join_all(uploads).await;
    let stored: Vec<_> = answers.iter().filter(|(status, _)| status.is_success()).collect();
    assert_eq!(stored.len(), 3, "{answers:?}");
    let (status, problem) = answers.iter().find(|(status, _)| !status.is_success()).unwrap();
    assert_eq!((status.as_u16(), problem["code"].as_str()), (413, Some("storage_quota_exceeded")));
    assert_eq!((problem["limit"].as_i64(), problem["used"].as_i64()), (Some(1000), Some(900)));
    assert!(problem["detail"].as_str().unwrap().starts_with("You may store 1000 bytes"));
    assert_eq!(world.knowledge.objects.list("documents").await.unwrap().len(), 3);
    // Four fifths of either are not reached by the group yet.
    assert_eq!(world.number("SELECT count(*) FROM gateway.quota_warnings").await, 1);
    // The group has 600 left; bob is bound by nothing else.
    let other = world.base("bob", "b").await;
    let (status, _) = world.upload("bob", other, "big.txt", &vec![b'x'; 500]).await;
    assert!(status.is_success());
    let (status, problem) = world.upload("bob", other, "more.txt", &[b'y'; 200]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(problem["detail"].as_str().unwrap().starts_with("Your group may store 1500 bytes"));
    // What is deleted is free at once, for both.
    let document = id(&stored[0].1);
    let path = format!("/documents/{document}");
    assert!(world.send("ann", "DELETE", &path, None).await.0.is_success());
    let (status, problem) = world.upload("bob", other, "more.txt", &[b'y'; 200]).await;
    assert!(status.is_success(), "{problem}");
    // So is a whole knowledge base.
    let path = format!("/knowledge-bases/{base}");
    assert!(world.send("ann", "DELETE", &path, None).await.0.is_success());
    let used = world
        .number("SELECT sum(gateway.storage_used(id, NULL, NULL))::bigint FROM identity.users");
    assert_eq!(used.await, 700);
}

#[tokio::test]
async fn the_storage_quota_of_a_key_holds_for_what_is_uploaded_with_it() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let key = world.key(ann, "ann-key").await;
    world.key(ann, "other-key").await;
    let base = world.base("ann", "b").await;
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    sqlx::query(
        "INSERT INTO identity.user_quotas (id, api_key_id, max_storage_bytes, period_start)
         VALUES (app.new_id(), $1, 1000, '2026-01-01')",
    )
    .bind(key)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    // What comes without the key, or with another one, is not the key's.
    for (who, letter) in [("ann", b'y'), ("other-key", b'z')] {
        let (status, problem) = world.upload(who, base, "own.txt", &[letter; 900]).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{problem}");
    }
    // Eight at once, room for three.
    let files: Vec<Vec<u8>> = (b'a'..b'i').map(|letter| vec![letter; 300]).collect();
    let uploads = files.iter().map(|bytes| world.upload("ann-key", base, "a.txt", bytes));
    let answers = futures::future::join_all(uploads).await;
    let stored: Vec<_> = answers.iter().filter(|(status, _)| status.is_success()).collect();
    assert_eq!(stored.len(), 3, "{answers:?}");
    let (status, problem) = answers.iter().find(|(status, _)| !status.is_success()).unwrap();
    assert_eq!((status.as_u16(), problem["code"].as_str()), (413, Some("storage_quota_exceeded")));
    assert_eq!(problem["scope"], "api_key");
    assert_eq!((problem["limit"].as_i64(), problem["used"].as_i64()), (Some(1000), Some(900)));
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("This API key may store 1000 bytes of documents and has 900;"));
    assert_eq!(world.number("SELECT count(*) FROM gateway.quota_warnings").await, 1);
    // What is deleted is free at once, also where the owner deletes it.
    let path = format!("/documents/{}", id(&stored[0].1));
    assert!(world.send("ann", "DELETE", &path, None).await.0.is_success());
    let (status, problem) = world.upload("ann-key", base, "m.txt", &[b'm'; 300]).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{problem}");
    let used = "SELECT gateway.storage_used(NULL, NULL, api_key_id) FROM identity.user_quotas";
    assert_eq!(world.number(used).await, 900);
    // It counts for the owner as well, whose quota may be the stricter one.
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    sqlx::query(
        "INSERT INTO identity.user_quotas (id, user_id, max_storage_bytes, period_start)
         VALUES (app.new_id(), $1, 2720, '2026-01-01')",
    )
    .bind(ann)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let (status, problem) = world.upload("ann-key", base, "n.txt", &[b'n'; 50]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{problem}");
    assert_eq!((&problem["scope"], problem["used"].as_i64()), (&"user".into(), Some(2700)));
    // A key that is gone leaves its documents.
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    sqlx::query("DELETE FROM identity.api_keys").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let kept = "SELECT count(*) FROM knowledge.documents WHERE api_key_id IS NULL";
    assert_eq!(world.number(kept).await, 6);
}

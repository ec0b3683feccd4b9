//! Ingestion that stops anywhere and goes on.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use lyceum_jobs::{Job as _, JobError, Jobs};
use lyceum_knowledge::KnowledgeSettings;
use serde_json::json;
use sqlx::ConnectOptions as _;
use uuid::Uuid;

use crate::files;
use crate::world::{World, id};

async fn chunks(world: &World) -> i64 {
    world.number("SELECT count(*) FROM knowledge.document_chunks").await
}

/// Once the gateway knows what binds ann, her calls reach the model in the order in which they are
/// made.
async fn known_to_the_gateway(world: &World, ann: Uuid) {
    let other = world.base("ann", "other").await;
    world.ingest("ann", ann, other, "before.txt", b"Something before.").await;
    world.write("DELETE FROM knowledge.documents").await;
    world.model.texts.lock().unwrap().clear();
}

#[tokio::test]
async fn every_kind_of_file_becomes_exact_chunks() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let base = world.base("ann", "b").await;
    let long = files::long_text(40);
    let pages = ["The first page of the file.", "第二页说知识库。"];
    for (name, bytes) in [
        ("a.docx", files::docx("标题", &"A sentence of a paragraph. ".repeat(30))),
        ("a.xlsx", files::xlsx()),
        ("a.pptx", files::pptx()),
        ("a.pdf", files::pdf(&pages)),
        ("a.md", format!("# One\n\n{long}\n\n## Two\n\nEnd.").into_bytes()),
        ("a.html", format!("<html><body><h1>T</h1><p>{long}</p></body></html>").into_bytes()),
        ("a.csv", "name,city\nAda,London\n李,北京\n".as_bytes().to_vec()),
        ("a.txt", encoding_rs::GB18030.encode(&long).0.into_owned()),
    ] {
        let document = world.ingest("ann", ann, base, name, &bytes).await;
        assert_eq!(document["status"], "completed", "{name}: {document}");
        assert_eq!((&document["stage"], &document["progress"]), (&json!("done"), &json!(100)));
        let path = format!("/documents/{}/chunks?limit=200", id(&document));
        let (_, list) = world.send("ann", "GET", &path, None).await;
        let list = list["items"].as_array().unwrap().clone();
        assert_eq!(list.len() as i64, document["chunk_count"].as_i64().unwrap());
        for (at, chunk) in list.iter().enumerate() {
            assert_eq!(chunk["chunk_index"], at);
            let path = format!("/documents/{}/text?page={}", id(&document), chunk["page"]);
            let (_, page) = world.send("ann", "GET", &path, None).await;
            let text: Vec<char> = page["text"].as_str().unwrap().chars().collect();
            let place = |name: &str| chunk[name].as_u64().unwrap() as usize;
            let cut: String = text[place("start_offset")..place("end_offset")].iter().collect();
            assert_eq!(cut, chunk["content"], "{name}");
        }
    }
    let (_, base) = world.send("ann", "GET", &format!("/knowledge-bases/{base}"), None).await;
    assert_eq!(base["document_count"], 8);
    assert_eq!(base["chunk_count"], chunks(&world).await);
    let counted = world.number("SELECT sum(chunks)::bigint FROM knowledge.word_counts").await;
    let real =
        "SELECT sum(cardinality(tsvector_to_array(words)))::bigint FROM knowledge.document_chunks";
    assert_eq!(counted, world.number(real).await);
}

#[tokio::test]
async fn what_cannot_be_read_fails_with_its_reason_and_is_not_tried_again() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let base = world.base("ann", "b").await;
    for (name, bytes, code) in [
        ("a.pdf", include_bytes!("../fixtures/encrypted.pdf").to_vec(), "encrypted_pdf"),
        ("b.pdf", files::pdf(&[""]), "ocr_needed"),
        ("c.docx", files::zip_bomb(), "zip_bomb"),
    ] {
        let document = world.ingest("ann", ann, base, name, &bytes).await;
        assert_eq!(
            (&document["status"], &document["error"]["code"]),
            (&json!("failed"), &json!(code))
        );
        let (status, again) = world.upload("ann", base, name, &bytes).await;
        assert_eq!((status, id(&again)), (StatusCode::OK, id(&document)));
    }
    assert_eq!(chunks(&world).await, 0);
}

#[tokio::test]
async fn a_completed_document_says_what_of_it_could_not_be_read() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let base = world.base("ann", "b").await;
    let picture = files::PICTURE;
    let pages = ["The first page.", picture, "", "The fourth.", picture, picture, picture];
    for (name, bytes, unread) in [
        ("a.pdf", files::pdf(&pages), json!(["2", "5–7"])),
        ("a.xlsx", files::damaged_xlsx(), json!(["Broken"])),
        ("b.xlsx", files::xlsx(), json!(null)),
    ] {
        let document = world.ingest("ann", ann, base, name, &bytes).await;
        assert_eq!(document["status"], "completed", "{name}: {document}");
        assert_eq!(document["unread"], unread, "{name}");
    }
}

#[tokio::test]
async fn a_killed_job_goes_on_where_it_stopped() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let base = world.base("ann", "b").await;
    known_to_the_gateway(&world, ann).await;
    let (_, document) = world.upload("ann", base, "a.txt", files::long_text(60).as_bytes()).await;
    let document = id(&document);
    // Three calls to the model are answered; then the process "dies" while the fourth waits.
    world.model.open.store(3, Ordering::SeqCst);
    let mut dying = Box::pin(world.attempt(ann, document, 1));
    loop {
        tokio::select! {
            outcome = &mut dying => panic!("ended: {outcome:?}"),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
        if chunks(&world).await == 12 {
            break;
        }
    }
    drop(dying);
    let (_, shown) = world.send("ann", "GET", &format!("/documents/{document}"), None).await;
    assert_eq!((&shown["status"], &shown["stage"]), (&json!("processing"), &json!("embedding")));
    let question = json!({"query": "thing1"});
    let path = format!("/knowledge-bases/{base}/search");
    let (_, found) = world.send("ann", "POST", &path, Some(question.clone())).await;
    assert_eq!(found["items"], json!([]), "half a document is not found");

    let before = world.model.texts.lock().unwrap().len();
    world.model.open.store(usize::MAX, Ordering::SeqCst);
    world.attempt(ann, document, 2).await.unwrap();
    let (_, shown) = world.send("ann", "GET", &format!("/documents/{document}"), None).await;
    assert_eq!(shown["status"], "completed");
    let total = shown["chunk_count"].as_u64().unwrap() as usize;
    assert_eq!(chunks(&world).await as usize, total);
    assert_eq!(before, 12);
    let embedded = world.model.texts.lock().unwrap().len();
    assert_eq!(embedded, total, "nothing is embedded twice");
    let (_, found) = world.send("ann", "POST", &path, Some(question)).await;
    assert!(found["items"][0]["content"].as_str().unwrap().contains("thing1"));
}

#[tokio::test]
async fn failures_are_noted_and_the_last_one_fails_the_document() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let base = world.base("ann", "b").await;
    let (_, document) = world.upload("ann", base, "a.txt", files::long_text(9).as_bytes()).await;
    let document = id(&document);
    let path = format!("/documents/{document}");
    world.model.failing.store(100, Ordering::SeqCst);
    let outcome = world.attempt(ann, document, 1).await;
    assert!(matches!(outcome, Err(JobError::Retry(_))), "{outcome:?}");
    let (_, shown) = world.send("ann", "GET", &path, None).await;
    assert_eq!(
        (&shown["status"], &shown["error"]["code"]),
        (&json!("processing"), &json!("engine_unavailable"))
    );
    let (status, _) = world.send("ann", "POST", &format!("{path}/retry"), None).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let last = lyceum_knowledge::IngestDocument::MAX_ATTEMPTS;
    assert!(matches!(world.attempt(ann, document, last).await, Err(JobError::Fatal(_))));
    let (_, shown) = world.send("ann", "GET", &path, None).await;
    assert_eq!(shown["status"], "failed");
    world.model.failing.store(0, Ordering::SeqCst);
    let (status, shown) = world.send("ann", "POST", &format!("{path}/retry"), None).await;
    assert_eq!((status, &shown["status"]), (StatusCode::ACCEPTED, &json!("pending")));
    world.attempt(ann, document, 1).await.unwrap();
    let (_, shown) = world.send("ann", "GET", &path, None).await;
    assert_eq!((&shown["status"], &shown["error"]), (&json!("completed"), &json!(null)));
}

#[tokio::test]
async fn a_document_that_ends_the_process_each_time_is_given_up_until_a_person_asks() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let base = world.base("ann", "b").await;
    let (_, document) = world.upload("ann", base, "a.txt", b"A short text.").await;
    let document = id(&document);
    let path = format!("/documents/{document}");
    let eight_kills = "UPDATE knowledge.documents SET processing_status = 'processing',
                       stage = 'parsing', attempts = 8, error_code = NULL";
    world.write(eight_kills).await;
    assert!(matches!(world.attempt(ann, document, 1).await, Err(JobError::Fatal(_))));
    let (_, shown) = world.send("ann", "GET", &path, None).await;
    assert_eq!((&shown["status"], &shown["error"]["code"]), (&json!("failed"), &json!("gave_up")));
    // The sweep comes to the same end, and enqueues nothing.
    world.write(eight_kills).await;
    let mut owner = world.test.owner.connect().await.unwrap();
    sqlx::raw_sql(
        "ALTER TABLE knowledge.documents DISABLE TRIGGER touch_updated_at;
         UPDATE knowledge.documents SET updated_at = now() - interval '2 hours';
         ALTER TABLE knowledge.documents ENABLE TRIGGER touch_updated_at;
         DELETE FROM graphile_worker._private_jobs;",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    sweep(&world).await;
    let (_, shown) = world.send("ann", "GET", &path, None).await;
    assert_eq!((&shown["status"], &shown["error"]["code"]), (&json!("failed"), &json!("gave_up")));
    let jobs: i64 = sqlx::query_scalar("SELECT count(*) FROM graphile_worker._private_jobs")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(jobs, 0);
    let (status, _) = world.send("ann", "POST", &format!("{path}/retry"), None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    world.attempt(ann, document, 1).await.unwrap();
    let (_, shown) = world.send("ann", "GET", &path, None).await;
    assert_eq!(shown["status"], "completed");
}

#[tokio::test]
async fn a_document_deleted_while_it_is_read_leaves_nothing() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let base = world.base("ann", "b").await;
    known_to_the_gateway(&world, ann).await;
    let (_, document) = world.upload("ann", base, "a.txt", files::long_text(60).as_bytes()).await;
    let document = id(&document);
    world.model.open.store(2, Ordering::SeqCst);
    let mut job = Box::pin(world.attempt(ann, document, 1));
    loop {
        tokio::select! {
            outcome = &mut job => panic!("ended: {outcome:?}"),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
        if chunks(&world).await == 8 {
            break;
        }
    }
    let (status, _) = world.send("ann", "DELETE", &format!("/documents/{document}"), None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    world.model.open.store(usize::MAX, Ordering::SeqCst);
    drop(job);
    world.attempt(ann, document, 2).await.unwrap();
    purge(&world).await;
    assert_eq!(chunks(&world).await, 0);
}

async fn sweep(world: &World) {
    let context = lyceum_jobs::JobContext {
        job_id: 1,
        attempt: 1,
        max_attempts: 3,
        shutdown: lyceum_jobs::CancellationToken::new(),
    };
    lyceum_knowledge::Sweep {}.run(world.knowledge.clone(), context).await.unwrap();
}

/// Lets the real queue do what waits in it.
async fn purge(world: &World) {
    let jobs = Jobs::new(world.test.owner.clone());
    let jobs = lyceum_knowledge::register_jobs(jobs, world.knowledge.clone());
    let jobs = lyceum_knowledge::register_ingestion(jobs, world.knowledge.clone());
    let handle = jobs.start().await.unwrap();
    let waiting = "SELECT count(*) FROM knowledge.documents WHERE deleted_at IS NOT NULL
                   OR processing_status IN ('pending', 'processing')";
    until(world, waiting, 0).await;
    handle.shutdown().await;
    assert_eq!(world.number(waiting).await, 0);
}

/// Waits until a query answers `wanted`.
async fn until(world: &World, sql: &'static str, wanted: i64) {
    for _ in 0..2_000 {
        if world.number(sql).await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never {wanted}: {sql}");
}

#[tokio::test]
async fn documents_that_wait_to_be_read_hold_up_no_other_work() {
    let world =
        World::with(KnowledgeSettings { ingest_concurrency: 1, ..Default::default() }).await;
    let ann = world.user("ann").await;
    let base = world.base("ann", "b").await;
    let gone = world.ingest("ann", ann, base, "gone.txt", b"Text that goes.").await;
    // From now on no document gets beyond its first call of the model.
    world.model.open.store(0, Ordering::SeqCst);
    for n in 0..4 {
        world.upload("ann", base, &format!("{n}.txt"), format!("Text {n}.").as_bytes()).await;
    }
    let worker = || Jobs::new(world.test.owner.clone()).concurrency(1);
    let reading = lyceum_knowledge::register_ingestion(worker(), world.knowledge.clone());
    let reading = reading.start().await.unwrap();
    let others = lyceum_knowledge::register_jobs(worker(), world.knowledge.clone());
    let others = others.start().await.unwrap();
    let being_read =
        "SELECT count(*) FROM knowledge.documents WHERE processing_status = 'processing'";
    until(&world, being_read, 1).await;
    world.send("ann", "DELETE", &format!("/documents/{}", id(&gone)), None).await;
    until(&world, "SELECT count(*) FROM knowledge.documents WHERE deleted_at IS NOT NULL", 0).await;
    assert_eq!(world.number(being_read).await, 1);
    reading.shutdown().await;
    others.shutdown().await;
}

#[tokio::test]
async fn the_queue_ingests_and_deletion_removes_rows_words_vectors_and_files() {
    let world = World::new().await;
    world.user("ann").await;
    let base = world.base("ann", "b").await;
    let mut documents: Vec<Uuid> = Vec::new();
    for n in 0..3 {
        let text = format!("{} unique{n}", files::long_text(12 + n));
        let (_, document) = world.upload("ann", base, &format!("{n}.txt"), text.as_bytes()).await;
        documents.push(id(&document));
    }
    purge(&world).await;
    let path = format!("/knowledge-bases/{base}");
    let (_, shown) = world.send("ann", "GET", &path, None).await;
    assert_eq!(shown["chunk_count"], chunks(&world).await);
    for document in &documents[..2] {
        world.send("ann", "DELETE", &format!("/documents/{document}"), None).await;
        let gone = world.send("ann", "GET", &format!("/documents/{document}"), None).await.0;
        assert_eq!(gone, StatusCode::NOT_FOUND);
    }
    purge(&world).await;
    let (_, shown) = world.send("ann", "GET", &path, None).await;
    assert_eq!(
        (&shown["document_count"], &shown["chunk_count"]),
        (&json!(1), &json!(chunks(&world).await))
    );
    assert_eq!(
        world.number("SELECT count(*) FROM knowledge.word_counts WHERE word = 'unique0'").await,
        0
    );
    assert_eq!(
        world.number("SELECT count(*) FROM knowledge.word_counts WHERE word = 'unique2'").await,
        1
    );
    assert_eq!(world.knowledge.objects.list("documents").await.unwrap().len(), 1);
    assert_eq!(world.send("ann", "DELETE", &path, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.send("ann", "GET", &path, None).await.0, StatusCode::NOT_FOUND);
    purge(&world).await;
    assert_eq!(world.number("SELECT count(*) FROM knowledge.documents").await, 0);
    assert!(world.knowledge.objects.list("documents").await.unwrap().is_empty());
}

#[tokio::test]
async fn the_sweep_removes_old_files_without_a_row_and_no_others() {
    let world = World::new().await;
    world.user("ann").await;
    let base = world.base("ann", "b").await;
    let (_, kept) = world.upload("ann", base, "a.txt", b"text that stays").await;
    let bytes = || futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from("x"))]);
    // An id of version 7 from 2020, and one from now: an upload that still runs.
    let old: Uuid = "016f5e66-e800-7000-8000-000000000000".parse().unwrap();
    for id in [old, lyceum_core::new_id()] {
        let path = format!("documents/{base}/{id}/original");
        world.knowledge.objects.put(&path, bytes(), 10).await.unwrap();
    }
    // What an upload that was killed in the middle leaves, and one that runs.
    let folder = world.folder.path().join("documents").join(base.to_string());
    let day_before = std::time::SystemTime::now() - Duration::from_secs(25 * 3600);
    for (name, at) in [("killed#1", Some(day_before)), ("running#1", None)] {
        let file = std::fs::File::create(folder.join(name)).unwrap();
        if let Some(at) = at {
            file.set_modified(at).unwrap();
        }
    }
    sweep(&world).await;
    assert!(!folder.join("killed#1").exists() && folder.join("running#1").exists());
    let left = world.knowledge.objects.list("documents").await.unwrap();
    assert_eq!(left.len(), 2);
    assert!(left.iter().any(|path| path.contains(&id(&kept).to_string())));
    assert!(!left.iter().any(|path| path.contains(&old.to_string())));
}

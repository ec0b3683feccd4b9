//! `kill -9` while documents are uploaded and read: what was acknowledged is completed after the
//! restart, each chunk once and in all indexes, and nothing stays of what was not.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures::channel::mpsc;
use lyceum_jobs::EnqueueOptions;
use lyceum_knowledge::Sweep;
use reqwest::{Body, Method, multipart};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::world::{World, id, number, processed, upload};

/// Embeds as the test lets it, with vectors of a length that has an index.
const MODEL: &str = "gated-384";
/// Answers that let everything pass.
const ALL: usize = 1_000_000;
const MEGABYTE: usize = 1 << 20;

/// A knowledge base of small chunks whose model is [`MODEL`].
async fn gated_base(world: &World) -> String {
    let provider = json!({ "provider": "custom", "name": "mock", "scope": "personal",
                           "base_url": world.upstream.base_url, "api_key": "sk-upstream-key-1234" });
    let provider = world.alice.post("/api/v1/providers", provider).await.unwrap();
    let model = json!({ "provider_config_id": provider["id"], "model": MODEL,
                        "kind": "embedding", "dimensions": 384 });
    world.alice.post("/api/v1/models", model).await.unwrap();
    let base = json!({ "name": "letters", "embedding_model": MODEL,
                       "chunk_size": 64, "chunk_overlap": 0 });
    id(&world.alice.post("/api/v1/knowledge-bases", base).await.unwrap()).unwrap()
}

/// A text of several batches of chunks, each of which holds the word.
fn letters(word: &str) -> Vec<u8> {
    let line = |n: usize| format!("Entry {n}: the {word} keeper wrote {} letters.\n\n", n * 7);
    (0..200).map(line).collect::<String>().into_bytes()
}

/// A page of nine megabytes of which one sentence is text: long to send, quick to read.
fn page(word: &str) -> Vec<u8> {
    let mut page = b"<!DOCTYPE html><html><body><script>".to_vec();
    page.resize(9 * MEGABYTE, b'x');
    page.extend(format!("</script><p>The {word} keeper wrote.</p></body></html>").bytes());
    page
}

/// Uploads a text and answers the document, which is acknowledged.
async fn acknowledged(world: &World, base: &str, word: &str) -> String {
    let uploaded = upload(&world.alice, base, &format!("{word}.txt"), letters(word)).await;
    let (status, document) = uploaded.unwrap();
    assert_eq!(status, 202, "{document}");
    id(&document).unwrap()
}

/// The ids of the base's documents, in the order in which they came.
async fn documents(world: &World, base: &str) -> Vec<String> {
    let path = format!("/api/v1/knowledge-bases/{base}/documents");
    let found = world.alice.get(&path).await.unwrap();
    found["items"].as_array().unwrap().iter().rev().map(|item| id(item).unwrap()).collect()
}

/// Asserts that the document is complete, and is found by its word.
async fn assert_found(world: &World, base: &str, document: &str, word: &str) {
    let done = processed(&world.alice, document).await.unwrap();
    assert_eq!(done["status"], "completed", "{done}");
    let path = format!("/api/v1/knowledge-bases/{base}/search");
    let answer = world.alice.post(&path, json!({ "query": word })).await.unwrap();
    let mut found = answer["items"].as_array().unwrap().iter();
    let is_it = found.any(|chunk| {
        chunk["document_id"] == document && chunk["content"].as_str().unwrap().contains(word)
    });
    assert!(is_it, "{word} is not found: {answer}");
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Asserts that there are the files of these documents and no others.
fn assert_files(objects: &Path, base: &str, documents: &[String]) {
    let folder = objects.join("documents").join(base);
    let mut wanted: Vec<_> =
        documents.iter().map(|document| folder.join(document).join("original")).collect();
    let mut found = files(objects);
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted);
}

/// Waits until there is something.
async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2_000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

/// Lets the hourly sweep run now, and waits until it has removed the file.
async fn swept(world: &World, file: &Path) {
    assert!(file.exists(), "{} is what the sweep is for", file.display());
    let mut database = world.database().await.unwrap();
    lyceum_jobs::enqueue(&mut database, &Sweep {}, EnqueueOptions::default()).await.unwrap();
    until("the sweep removes the file", || (!file.exists()).then_some(())).await;
}

#[tokio::test]
async fn an_upload_that_a_kill_cut_off_leaves_nothing_and_can_be_made_again() {
    let world = World::new().await.unwrap();
    let base = gated_base(&world).await;
    let mut known = Vec::new();
    for word in ["harbour", "meadow"] {
        known.push(acknowledged(&world, &base, word).await);
    }
    let objects = world.data.path().join("objects");
    let file = page("lighthouse");
    let (sender, parts) = mpsc::unbounded::<Result<Vec<u8>, std::io::Error>>();
    sender.unbounded_send(Ok(file[..6 * MEGABYTE].to_vec())).unwrap();
    let part = multipart::Part::stream(Body::wrap_stream(parts)).file_name("page.html");
    let path = format!("/api/v1/knowledge-bases/{base}/documents");
    let request = world.alice.request(Method::POST, &path);
    let sending = tokio::spawn(request.multipart(multipart::Form::new().part("file", part)).send());
    let is_begun = |file: &PathBuf| {
        file.ends_with("original#1") && file.metadata().is_ok_and(|found| found.len() > 0)
    };
    let begun = || files(&objects).into_iter().find(is_begun);
    let part_of_it = until("a part of the file is on the disk", begun).await;

    let world = world.crash_and_restart().await.unwrap();
    sending.await.unwrap().unwrap_err();
    drop(sender);
    assert_eq!(documents(&world, &base).await, known);
    // A day later.
    let day_before = SystemTime::now() - Duration::from_secs(25 * 3_600);
    let left = std::fs::File::options().write(true).open(&part_of_it).unwrap();
    left.set_modified(day_before).unwrap();
    swept(&world, &part_of_it).await;
    assert_files(&objects, &base, &known);

    world.upstream.release(ALL);
    let (status, document) = upload(&world.alice, &base, "page.html", file).await.unwrap();
    assert_eq!(status, 202, "{document}");
    known.push(id(&document).unwrap());
    for (document, word) in known.iter().zip(["harbour", "meadow", "lighthouse"]) {
        assert_found(&world, &base, document, word).await;
    }
    assert_files(&objects, &base, &known);
}

#[tokio::test]
async fn a_file_whose_row_was_not_committed_before_the_kill_goes_and_can_be_uploaded_again() {
    let world = World::new().await.unwrap();
    let base = gated_base(&world).await;
    world.upstream.release(ALL);
    // The file is stored, its row has to wait.
    let mut holder = world.database().await.unwrap();
    let lock = "BEGIN; LOCK TABLE knowledge.documents IN SHARE MODE";
    sqlx::raw_sql(lock).execute(&mut holder).await.unwrap();
    let (alice, place) = (world.alice.clone(), base.clone());
    let sending =
        tokio::spawn(async move { upload(&alice, &place, "a.txt", letters("orchard")).await });
    let objects = world.data.path().join("objects");
    let stored = || files(&objects).into_iter().find(|file| file.ends_with("original"));
    let stored = until("the file is stored", stored).await;

    let world = world.crash_and_restart().await.unwrap();
    assert!(sending.await.unwrap().is_err());
    assert_eq!(documents(&world, &base).await, [""; 0]);
    let document = acknowledged(&world, &base, "orchard").await;
    // Much later: the name of its folder, an id of version 7, tells when it came.
    let folder = stored.parent().unwrap();
    let long_ago = folder.with_file_name("016f5e66-e800-7000-8000-000000000000");
    std::fs::rename(folder, &long_ago).unwrap();
    swept(&world, &long_ago.join("original")).await;
    assert_found(&world, &base, &document, "orchard").await;
    assert_files(&objects, &base, &[document]);
}

/// How far documents are at each kill: a query that counts those that are.
const REACHED: [&str; 4] = [
    "SELECT count(*) FROM knowledge.documents",
    "SELECT count(*) FROM knowledge.documents WHERE stage = 'embedding'",
    "SELECT count(*) FROM knowledge.document_chunks",
    "SELECT count(*) FROM knowledge.documents WHERE processing_status = 'completed'",
];

/// Completed documents that do not have each of their chunks once.
const HALF_DONE: &str = "SELECT count(*) FROM knowledge.documents d
    WHERE processing_status = 'completed'
      AND ((chunk_count, chunk_count, chunk_count - 1)
           = (SELECT count(*)::integer, count(DISTINCT chunk_index)::integer, max(chunk_index)
              FROM knowledge.document_chunks c WHERE c.document_id = d.id)) IS NOT TRUE";

/// Lets one batch of chunks after another pass until documents are so far.
async fn until_reached(world: &World, reached: &'static str) {
    let mut database = world.database().await.unwrap();
    let (mut asked, mut idle) = (0, 0);
    for _ in 0..2_000 {
        if number(&mut database, reached).await > 0 {
            return;
        }
        let now = world.upstream.calls_of(MODEL);
        idle = if now == asked { idle + 1 } else { 0 };
        asked = now;
        // One for each that is asked for; and another where nothing happens for a second, as a call
        // of the program that was killed may have taken one.
        if idle % 100 == 0 {
            world.upstream.release(1);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {reached}");
}

/// Asserts that the indexes for words and vectors know exactly the chunks that there are.
async fn assert_indexed(database: &mut PgConnection) {
    let chunks = number(database, "SELECT count(*) FROM knowledge.document_chunks").await;
    let counted =
        number(database, "SELECT sum(chunk_count)::bigint FROM knowledge.knowledge_bases").await;
    assert_eq!(counted, chunks);
    sqlx::raw_sql("SET enable_seqscan = off").execute(&mut *database).await.unwrap();
    assert!(number(database, "SELECT count(*) FROM knowledge.word_counts").await > 0);
    let miscounted = "SELECT count(*) FROM knowledge.word_counts w WHERE w.chunks <>
        (SELECT count(*) FROM knowledge.document_chunks c
         WHERE c.words @@ quote_literal(w.word)::tsquery)";
    assert_eq!(through(database, "document_chunks_words", miscounted).await, 0);
    let settings = "SET enable_sort = off; SET enable_bitmapscan = off;
        SET hnsw.ef_search = 1000; SET hnsw.iterative_scan = relaxed_order";
    sqlx::raw_sql(settings).execute(&mut *database).await.unwrap();
    let nearest = "SELECT count(DISTINCT id) FROM (
        SELECT id FROM knowledge.document_chunks WHERE dimension = 384
        ORDER BY embedding::halfvec(384) <=>
            (SELECT embedding::halfvec(384) FROM knowledge.document_chunks LIMIT 1)
        LIMIT 10000) found";
    assert_eq!(through(database, "document_chunks_embedding_384", nearest).await, chunks);
}

/// The number that a query answers by way of an index.
async fn through(database: &mut PgConnection, index: &str, sql: &'static str) -> i64 {
    let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {sql}")))
        .fetch_all(&mut *database)
        .await
        .unwrap();
    assert!(plan.iter().any(|line| line.contains(index)), "not by {index}: {plan:#?}");
    number(database, sql).await
}

#[tokio::test]
async fn documents_that_kills_meet_at_each_stage_are_completed_with_each_chunk_once() {
    let mut world = World::new().await.unwrap();
    let base = gated_base(&world).await;
    let words = ["harbour", "meadow", "lighthouse", "orchard"];
    let mut known = Vec::new();
    for word in words {
        known.push(acknowledged(&world, &base, word).await);
    }
    for (kill, reached) in REACHED.into_iter().enumerate() {
        until_reached(&world, reached).await;
        world = match kill % 2 {
            0 => world.crash_and_restart().await.unwrap(),
            _ => world.crash_with_database_and_restart().await.unwrap(),
        };
        assert_eq!(documents(&world, &base).await, known, "{reached}");
        let mut database = world.database().await.unwrap();
        assert_eq!(number(&mut database, HALF_DONE).await, 0, "{reached}");
    }
    world.upstream.release(ALL);
    for (document, word) in known.iter().zip(words) {
        assert_found(&world, &base, document, word).await;
    }
    let mut database = world.database().await.unwrap();
    assert_eq!(number(&mut database, HALF_DONE).await, 0);
    assert_indexed(&mut database).await;
}

//! Hybrid retrieval over 100,000 chunks of one base, and over 1 % of them: latency of the whole
//! question and recall of the search by meaning against exact search.
//!
//! `cargo bench --profile release -p lyceum-knowledge -- [chunks]`

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lyceum_core::Clock;
use lyceum_gateway::Gateway;
use lyceum_http::{Outgoing, OutgoingPolicy};
use lyceum_knowledge::parse::{ParseLimits, Parser};
use lyceum_knowledge::{Asker, Knowledge, KnowledgeSettings, NewKnowledgeBase, Parts, words};
use lyceum_llm::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, LlmError, LocalModel, LocalModels,
    ModelKind,
};
use lyceum_store::{Keyring, Objects};
use lyceum_testkit::{TestDb, caller};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

const DIMENSION: usize = 384;
const CLUSTERS: usize = 500;
const QUESTIONS: usize = 400;

/// A small generator of its own, so that every run has the same data.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    fn normal(&mut self) -> f32 {
        (0..6).map(|_| self.unit()).sum::<f32>() - 3.0
    }

    fn vector(&mut self, around: Option<&[f32]>) -> Vec<f32> {
        let spread = if around.is_some() { 0.7 } else { 1.0 };
        (0..DIMENSION).map(|at| around.map_or(0.0, |a| a[at]) + spread * self.normal()).collect()
    }

    /// A word as frequent as words are (Zipf).
    fn word(&mut self) -> String {
        let rank = (50_000f32.powf(self.unit()) - 1.0) as u64;
        format!("w{rank}")
    }
}

/// Answers the vector of the question whose number comes first.
struct Prepared(Vec<Vec<f32>>);

#[async_trait]
impl EmbeddingModel for Prepared {
    async fn embed(&self, request: EmbeddingRequest) -> Result<EmbeddingResponse, LlmError> {
        let number = |text: &String| -> usize { text.split(' ').next().unwrap().parse().unwrap() };
        let embeddings = request.input.iter().map(|text| self.0[number(text)].clone()).collect();
        Ok(EmbeddingResponse { model: request.model, embeddings, usage: None })
    }
}

#[tokio::main]
async fn main() {
    let chunks: usize = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(100_000);
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let centres: Vec<Vec<f32>> = (0..CLUSTERS).map(|_| random.vector(None)).collect();
    let questions: Vec<Vec<f32>> =
        (0..QUESTIONS).map(|at| random.vector(Some(&centres[at % CLUSTERS]))).collect();
    let test = TestDb::new().await;
    let knowledge = domain(&test, questions.clone()).await;
    let ann = lyceum_testkit::user(&test.db, "ann").await;
    let base = |name: &str| NewKnowledgeBase {
        name: name.to_owned(),
        description: String::new(),
        embedding_model: None,
        chunk_size: None,
        chunk_overlap: None,
    };
    let large = knowledge.create_base(&caller(ann), base("large")).await.unwrap().id;
    let small = knowledge.create_base(&caller(ann), base("small")).await.unwrap().id;
    let middle = knowledge.create_base(&caller(ann), base("middle")).await.unwrap().id;
    let mut owner = test.owner.connect().await.unwrap();
    let started = Instant::now();
    let shares = [(large, chunks * 89 / 100), (middle, chunks / 10), (small, chunks / 100)];
    load(&mut owner, &mut random, &centres, ann, &shares).await;
    println!("machine: {} cores; {chunks} chunks loaded in {:?}", cores(), started.elapsed());
    for (name, base, size) in
        [("89 %", large, shares[0].1), ("10 %", middle, shares[1].1), ("1 %", small, shares[2].1)]
    {
        measure(&knowledge, &mut owner, &mut random, ann, base, &questions, name, size).await;
    }
    owner.close().await.unwrap();
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

async fn domain(test: &TestDb, questions: Vec<Vec<f32>>) -> Knowledge {
    let local = LocalModel {
        id: "prepared".to_owned(),
        display_name: "Prepared".to_owned(),
        kind: ModelKind::Embedding,
        context_length: 512,
        dimensions: Some(384),
        licence: "Apache-2.0".to_owned(),
        installed: true,
        default: true,
    };
    let local = LocalModels {
        embedding: Arc::new(Prepared(questions)),
        catalogue: [local].into(),
        ..LocalModels::absent()
    };
    let tokens = Arc::clone(&local.tokens);
    let outgoing = Outgoing::new(OutgoingPolicy { allowed_private_hosts: vec![] }).unwrap();
    let (keyring, clock) = (Keyring::generate().unwrap(), Clock::system());
    let gateway = Gateway::new(test.db.clone(), keyring, outgoing, local, clock.clone()).await;
    let parts = Parts {
        db: test.db.clone(),
        objects: Objects::folder(&std::env::temp_dir().join("lyceum-bench")).unwrap(),
        gateway: gateway.unwrap(),
        tokens,
        parser: Parser::this_program(ParseLimits::default()),
        clock,
    };
    Knowledge::new(parts, KnowledgeSettings::default())
}

/// Writes rows without the vector index and builds it afterwards.
async fn load(
    owner: &mut PgConnection,
    random: &mut Random,
    centres: &[Vec<f32>],
    ann: Uuid,
    shares: &[(Uuid, usize)],
) {
    owner.execute("SET ROLE lyceum_maintenance").await.unwrap();
    for (base, count) in shares {
        let document = lyceum_core::new_id();
        sqlx::query(
            "INSERT INTO knowledge.documents (id, knowledge_base_id, uploaded_by, title, filename,
               file_path, file_size, mime_type, content_hash, processing_status, stage)
             VALUES ($1, $2, $3, 'x', 'x', 'x', 1, 'x', sha256($1::text::bytea), 'completed', 'done')",
        )
        .bind(document)
        .bind(base)
        .bind(ann)
        .execute(&mut *owner)
        .await
        .unwrap();
        owner.execute("RESET ROLE; DROP INDEX IF EXISTS knowledge.document_chunks_embedding_384; SET ROLE lyceum_maintenance").await.unwrap();
        let numbers: Vec<i32> = (0..*count as i32).collect();
        for batch in numbers.chunks(1_000) {
            let texts: Vec<String> = batch
                .iter()
                .map(|_| (0..200).map(|_| random.word()).collect::<Vec<_>>().join(" "))
                .collect();
            let vectors: Vec<String> = batch
                .iter()
                .map(|_| {
                    let centre = random.next() as usize % CLUSTERS;
                    text(&random.vector(Some(&centres[centre])))
                })
                .collect();
            let words: Vec<String> = texts.iter().map(|text| words::vector(text).0).collect();
            let ids: Vec<Uuid> = batch.iter().map(|_| lyceum_core::new_id()).collect();
            sqlx::query(
                "INSERT INTO knowledge.document_chunks (id, knowledge_base_id, document_id,
                   chunk_index, content, token_count, word_count, page, start_offset, end_offset,
                   words, dimension, embedding)
                 SELECT id, $1, $2, n, content, 300, 200, 1, 0, 9, words::tsvector, 384,
                        vector::halfvec
                 FROM unnest($3::uuid[], $4::integer[], $5::text[], $6::text[], $7::text[])
                      AS r (id, n, content, words, vector)",
            )
            .bind(base)
            .bind(document)
            .bind(ids)
            .bind(batch.to_vec())
            .bind(texts)
            .bind(words)
            .bind(vectors)
            .execute(&mut *owner)
            .await
            .unwrap();
        }
        sqlx::query("SELECT knowledge.count_words($1, $2, 1)")
            .bind(base)
            .bind(document)
            .execute(&mut *owner)
            .await
            .unwrap();
        sqlx::query(
            "UPDATE knowledge.knowledge_bases SET chunk_count = $2, word_count = $2 * 200 WHERE id = $1",
        )
        .bind(base)
        .bind(*count as i64)
        .execute(&mut *owner)
        .await
        .unwrap();
    }
    owner.execute("RESET ROLE").await.unwrap();
    owner.execute("SET maintenance_work_mem = '1GB'").await.unwrap();
    owner
        .execute(
            "CREATE INDEX document_chunks_embedding_384 ON knowledge.document_chunks
             USING hnsw ((embedding::halfvec(384)) halfvec_cosine_ops)
             WITH (m = 16, ef_construction = 200) WHERE dimension = 384",
        )
        .await
        .unwrap();
    owner.execute("VACUUM ANALYZE knowledge.document_chunks").await.unwrap();
}

fn text(vector: &[f32]) -> String {
    let numbers: Vec<String> = vector.iter().map(ToString::to_string).collect();
    format!("[{}]", numbers.join(","))
}

#[expect(clippy::too_many_arguments, reason = "one measurement")]
async fn measure(
    knowledge: &Knowledge,
    owner: &mut PgConnection,
    random: &mut Random,
    ann: Uuid,
    base: Uuid,
    questions: &[Vec<f32>],
    name: &str,
    size: usize,
) {
    let mut times: Vec<Duration> = Vec::new();
    let (mut hits, mut wanted) = (0, 0);
    for round in 0..2 {
        for (at, vector) in questions.iter().enumerate() {
            let words: Vec<String> = (0..8).map(|_| random.word()).collect();
            let question = format!("{at} {}", words.join(" "));
            let asker = Asker { user_id: ann, api_key_id: None, request_id: lyceum_core::new_id() };
            let started = Instant::now();
            let found = knowledge.retrieve(asker, &[base], &question, Some(40)).await.unwrap();
            // The first round warms the caches.
            if round == 0 {
                continue;
            }
            times.push(started.elapsed());
            // Exact search is slow; every fourth question is enough.
            if at % 4 != 0 {
                continue;
            }
            let exact: Vec<Uuid> = sqlx::query_scalar(
                "SELECT id FROM knowledge.document_chunks WHERE knowledge_base_id = $1
                 ORDER BY embedding <=> (SELECT $2::text::halfvec) LIMIT 10",
            )
            .bind(base)
            .bind(text(vector))
            .fetch_all(&mut *owner)
            .await
            .unwrap();
            wanted += exact.len();
            hits += found
                .chunks
                .iter()
                .filter(|c| {
                    c.dense_rank.is_some_and(|rank| rank <= 10) && exact.contains(&c.chunk_id)
                })
                .count();
        }
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{name} of the chunks ({size}): hybrid p50 {:?} p95 {:?} p99 {:?} max {:?}; recall@10 {:.3}",
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0),
        hits as f64 / wanted as f64
    );
}

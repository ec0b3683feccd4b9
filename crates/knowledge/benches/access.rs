//! Deciding who may do what among 10,000 people in 500 groups, 5,000 knowledge bases and 100,000
//! grants: a right from memory and from the database, the level at an object, and lists of 50
//! through the router, signing by API key, under row-level security.
//!
//! `cargo bench --profile release -p lyceum-knowledge --bench access`

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::{Extension, Router};
use http::Request;
use http::request::Parts as RequestParts;
use lyceum_core::Clock;
use lyceum_gateway::Gateway;
use lyceum_http::{Authenticator, Outgoing, OutgoingPolicy};
use lyceum_identity::{Identity, IdentityConfig, SigningKey};
use lyceum_knowledge::parse::{ParseLimits, Parser};
use lyceum_knowledge::{Knowledge, KnowledgeSettings, Parts};
use lyceum_llm::LocalModels;
use lyceum_store::{Keyring, Objects};
use lyceum_testkit::TestDb;
use sqlx::ConnectOptions as _;
use tower::ServiceExt as _;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

const REPEATS: usize = 5;
const ROUNDS: usize = 1_000;
const PEOPLE: usize = 10_000;
const BASES: usize = 5_000;

/// Ids from numbers, so that the rows can be made in SQL and named here.
fn id(kind: &str, number: usize) -> Uuid {
    format!("01980000-{kind}-7000-8000-{number:012x}").parse().unwrap()
}

fn key(person: usize) -> String {
    format!("lyc_{person:043}")
}

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }
}

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let test = TestDb::new().await;
    let began = Instant::now();
    let grants = load(&test).await;
    println!("{PEOPLE} people, {BASES} bases, {grants} grants in {:?}", began.elapsed());
    assert!(grants >= 100_000);
    let clock = Clock::system();
    let signing = SigningKey::generate().unwrap();
    let objects = Objects::folder(&std::env::temp_dir().join("lyceum-bench")).unwrap();
    let keyring = Keyring::generate().unwrap();
    let outgoing = Outgoing::new(OutgoingPolicy::default()).unwrap();
    let gateway = Gateway::new(
        test.db.clone(),
        keyring.clone(),
        outgoing.clone(),
        LocalModels::absent(),
        clock.clone(),
    );
    let gateway = gateway.await.unwrap();
    let identity = Identity::new(
        test.db.clone(),
        objects.clone(),
        clock.clone(),
        &signing,
        keyring,
        outgoing,
        IdentityConfig::default(),
    );
    let app = application(&test, identity.clone(), gateway, objects, clock);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for repeat in 0..REPEATS {
        // Keys that nobody used before: their first use is looked up, the next ones are not.
        let first = repeat * ROUNDS;
        let fresh = authenticate(&identity, first..first + ROUNDS / 2, 1).await;
        report("right from the database, p99", fresh, 5.0);
        let known = authenticate(&identity, first..first + 100, ROUNDS / 100).await;
        report("right from memory, p99", known, 1.0);
        let decided = decide(&test, &mut random).await;
        report("level at an object from the database, p99", decided, 5.0);
        let mut lists = Vec::new();
        for _ in 0..ROUNDS / 2 {
            let person = first + random.below(100);
            lists.push(get(&app, "/knowledge-bases?limit=50", person).await);
        }
        report("list of 50 knowledge bases, p99", lists, 20.0);
        let mut lists = Vec::new();
        for _ in 0..ROUNDS / 10 {
            lists.push(get(&app, "/groups?limit=50", 0).await);
        }
        report("list of 50 groups, p99", lists, 20.0);
    }
}

fn report(name: &str, mut times: Vec<Duration>, goal: f64) {
    times.sort();
    let p99 = times[(times.len() - 1) * 99 / 100].as_secs_f64() * 1e3;
    println!("{name}\t{p99:.3}\t-\tms\t<={goal}");
}

/// Times the authentication of keys, each so many times in turn, after one use where it is known.
async fn authenticate(
    identity: &Identity,
    people: std::ops::Range<usize>,
    times: usize,
) -> Vec<Duration> {
    let requests: Vec<RequestParts> = people.map(parts).collect();
    let mut taken = Vec::new();
    for round in 0..times + usize::from(times > 1) {
        for request in &requests {
            let began = Instant::now();
            let caller = identity.authenticate(request).await.unwrap();
            assert!(caller.may("knowledge_base", "read"));
            if round > 0 || times == 1 {
                taken.push(began.elapsed());
            }
        }
    }
    taken
}

fn parts(person: usize) -> RequestParts {
    let bearer = format!("Bearer {}", key(person));
    Request::get("/").header("authorization", bearer).body(()).unwrap().into_parts().0
}

async fn decide(test: &TestDb, random: &mut Random) -> Vec<Duration> {
    let mut taken = Vec::new();
    for _ in 0..ROUNDS {
        let (person, base) = (id("0001", random.below(PEOPLE)), id("0003", random.below(BASES)));
        let began = Instant::now();
        let mut tx = test.db.begin_as(person).await.unwrap();
        let _level: bool = sqlx::query_scalar("SELECT app.can($1, 'use', 'knowledge_base', $2)")
            .bind(person)
            .bind(base)
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        taken.push(began.elapsed());
    }
    taken
}

async fn get(app: &Router, path: &str, person: usize) -> Duration {
    let bearer = format!("Bearer {}", key(person));
    let request = Request::get(path).header("authorization", bearer).body(Body::empty()).unwrap();
    let began = Instant::now();
    let response = app.clone().oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let taken = began.elapsed();
    let page: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(page["items"].as_array().unwrap().len(), 50, "{path}");
    taken
}

fn application(
    test: &TestDb,
    identity: Identity,
    gateway: Gateway,
    objects: Objects,
    clock: Clock,
) -> Router {
    let db = test.db.clone();
    let tokens = LocalModels::absent().tokens;
    let parser = Parser::this_program(ParseLimits::default());
    let parts = Parts { db, objects, gateway, tokens, parser, clock };
    let knowledge = Knowledge::new(parts, KnowledgeSettings::default());
    let authenticator: Arc<dyn Authenticator> = Arc::new(identity.clone());
    let routes: OpenApiRouter =
        lyceum_knowledge::router(knowledge).merge(lyceum_identity::router(identity));
    routes.split_for_parts().0.layer(Extension(authenticator))
}

/// Fills the database; answers the number of grants. Person 0 administers.
async fn load(test: &TestDb) -> i64 {
    let mut owner = test.owner.connect().await.unwrap();
    let person = "('01980000-0001-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid";
    let statements = [
        "SET session_replication_role = replica".to_owned(),
        format!(
            "INSERT INTO identity.users (id, username, email)
             SELECT {person}, 'p' || n, 'p' || n || '@example.org'
             FROM generate_series(0, {PEOPLE} - 1) n"
        ),
        "INSERT INTO identity.user_roles (user_id, role_id)
         SELECT u.id, r.id FROM identity.users u JOIN identity.roles r
             ON r.name = CASE u.username WHEN 'p0' THEN 'admin' ELSE 'user' END"
            .to_owned(),
        format!(
            "INSERT INTO identity.api_keys (id, user_id, name, key_hash, hint, permissions)
             SELECT {person}, {person}, 'k',
                    sha256(convert_to('lyc_' || lpad(n::text, 43, '0'), 'UTF8')), '…', '[\"*:*\"]'
             FROM generate_series(0, {PEOPLE} - 1) n"
        ),
        "INSERT INTO identity.groups (id, name)
         SELECT ('01980000-0002-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'g' || n
         FROM generate_series(0, 499) n"
            .to_owned(),
        // Each person is in three groups.
        format!(
            "INSERT INTO identity.group_members (group_id, user_id)
             SELECT ('01980000-0002-7000-8000-'
                     || lpad(to_hex((n * 7 + k * 131) % 500), 12, '0'))::uuid, {person}
             FROM generate_series(0, {PEOPLE} - 1) n, generate_series(0, 2) k"
        ),
        format!(
            "INSERT INTO knowledge.knowledge_bases
               (id, owner_id, name, collection_name, embedding_model, vector_dimension, visibility)
             SELECT b.id, {person}, 'b' || n, 'kb_' || replace(b.id::text, '-', ''), 'm', 8,
                    CASE WHEN n % 100 = 0 THEN 'organization' ELSE 'private' END
             FROM generate_series(0, {BASES} - 1) n,
                  LATERAL (SELECT ('01980000-0003-7000-8000-'
                                   || lpad(to_hex(n), 12, '0'))::uuid AS id) b"
        ),
        // 18 people and 2 groups for each base.
        format!(
            "INSERT INTO knowledge.knowledge_base_grants
               (id, knowledge_base_id, user_id, group_id, permission)
             SELECT gen_random_uuid(), b.id,
                    CASE WHEN k > 1 THEN ('01980000-0001-7000-8000-'
                        || lpad(to_hex((n * 17 + k * 499) % {PEOPLE}), 12, '0'))::uuid END,
                    CASE WHEN k <= 1 THEN ('01980000-0002-7000-8000-'
                        || lpad(to_hex((n * 3 + k * 251) % 500), 12, '0'))::uuid END,
                    (ARRAY['view', 'use', 'edit'])[k % 3 + 1]
             FROM generate_series(0, {BASES} - 1) n, generate_series(0, 19) k,
                  LATERAL (SELECT ('01980000-0003-7000-8000-'
                                   || lpad(to_hex(n), 12, '0'))::uuid AS id) b"
        ),
        "ANALYZE identity.users, identity.user_roles, identity.api_keys, identity.groups,
                 identity.group_members, knowledge.knowledge_bases,
                 knowledge.knowledge_base_grants"
            .to_owned(),
    ];
    for statement in statements {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut owner).await.unwrap();
    }
    sqlx::query_scalar("SELECT count(*) FROM knowledge.knowledge_base_grants")
        .fetch_one(&mut owner)
        .await
        .unwrap()
}

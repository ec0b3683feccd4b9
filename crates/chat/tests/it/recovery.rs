use std::time::Duration;

use chrono::TimeDelta;
use lyceum_core::Clock;
use lyceum_testkit::TestDb;
use serde_json::json;
use sqlx::ConnectOptions as _;
use uuid::Uuid;

use crate::support::{Client, Node, Step, chunk, settings};

/// A node on a runtime of its own, so that all its tasks can die at once.
struct Doomed {
    runtime: tokio::runtime::Runtime,
    node: Node,
}

impl Doomed {
    /// The pool belongs to the runtime, too.
    fn start(database: &TestDb, name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let options = database.app_options();
        let name = name.to_owned();
        let node = std::thread::scope(|scope| {
            let start = scope.spawn(|| {
                runtime.block_on(async {
                    let db = lyceum_store::Db::connect(options, 4).await.unwrap();
                    Node::new(db, settings(&name), Clock::system()).await
                })
            });
            start.join().unwrap()
        });
        Self { runtime, node }
    }

    async fn run<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> T {
        self.runtime.spawn(task).await.unwrap()
    }

    /// Everything stops where it stands; nothing is tidied up.
    fn crash(self) {
        self.runtime.shutdown_background();
    }
}

async fn ask(client: Client, script: Vec<Step>, node: &Doomed) -> (String, String) {
    node.node.model.will(script);
    node.run(async move {
        let id = client.conversation(json!({})).await;
        let (_, answer) = client.ask(&id, json!({ "content": "go" })).await;
        (id, answer)
    })
    .await
}

/// Waits until a checkpoint with this text is on disk; a crash before it leaves less.
async fn checkpointed(client: &Client, conversation: &str, text: &str) {
    loop {
        let page = client.page(conversation, "").await;
        if page[1]["content"] == text {
            assert_eq!(page[1]["status"], "streaming");
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_crash_leaves_what_was_said() {
    let database = TestDb::new().await;
    let user = lyceum_testkit::user(&database.db, "ada").await;
    let doomed = Doomed::start(&database, "one");
    let client = doomed.node.client(user);
    let (id, answer) = ask(client, vec![Step::Say("说到一半 "), Step::Gate], &doomed).await;
    let survivor = Node::new(database.db.clone(), settings("one"), Clock::system()).await;
    let client = survivor.client(user);
    checkpointed(&client, &id, "说到一半 ").await;
    doomed.crash();

    assert_eq!(survivor.chat.recover().await.unwrap(), 1);
    assert_eq!(survivor.chat.recover().await.unwrap(), 0);
    let done = client.done(&answer).await;
    assert_eq!(done["status"], "error");
    assert_eq!(done["error"]["code"], "interrupted");
    assert_eq!(done["content"], "说到一半 ");
    let found = client.get("/conversations?q=%E8%AF%B4%E5%88%B0").await;
    assert_eq!(found["items"][0]["id"].as_str(), Some(id.as_str()));
    let again = client.call("POST", &format!("/messages/{answer}/regenerate"), None).await;
    let again = again.expect(201)["assistant_message"]["id"].as_str().unwrap().to_owned();
    assert_eq!(client.done(&again).await["content"], "You said: go");
}

/// Sets a running answer back, as if the node had died earlier.
async fn rewrite(database: &TestDb, statement: &'static str) {
    let mut connection = database.owner.connect().await.unwrap();
    sqlx::query("SET ROLE lyceum_maintenance").execute(&mut connection).await.unwrap();
    let changed = sqlx::query(statement).execute(&mut connection).await.unwrap();
    assert_eq!(changed.rows_affected(), 1);
}

const NOT_BEGUN: &str = "UPDATE chat.messages
    SET status = 'pending', context = NULL, request_id = NULL
    WHERE status IN ('pending', 'streaming')";

#[tokio::test]
async fn an_answer_that_was_not_begun_is_begun_after_the_crash() {
    let database = TestDb::new().await;
    let user = lyceum_testkit::user(&database.db, "ada").await;
    let doomed = Doomed::start(&database, "one");
    let client = doomed.node.client(user);
    let (_, answer) = ask(client, vec![Step::Gate], &doomed).await;
    doomed.crash();
    let survivor = Node::new(database.db.clone(), settings("one"), Clock::system()).await;
    rewrite(&database, NOT_BEGUN).await;
    assert_eq!(survivor.chat.recover().await.unwrap(), 1);
    let done = survivor.client(user).done(&answer).await;
    assert_eq!(done["status"], "completed");
    assert_eq!(done["content"], "You said: go");
}

#[tokio::test]
async fn an_answer_that_was_asked_for_again_may_be_another_one_also_after_the_crash() {
    let database = TestDb::new().await;
    let user = lyceum_testkit::user(&database.db, "ada").await;
    let doomed = Doomed::start(&database, "one");
    let (client, model) = (doomed.node.client(user), doomed.node.model.clone());
    let chunks = vec![chunk("Handbook", "Seventeen days of leave.", true)];
    let base = doomed.node.retriever.base(chunks.clone());
    let again = doomed.run(async move {
        let id = client.conversation(json!({ "knowledge_base_ids": [base] })).await;
        let first = client.answer(&id, "How many days of leave are there?").await;
        model.will([Step::Gate]);
        let regenerate = format!("/messages/{}/regenerate", first["id"].as_str().unwrap());
        let again = client.call("POST", &regenerate, None).await.expect(201);
        again["assistant_message"]["id"].as_str().unwrap().to_owned()
    });
    let again = again.await;
    doomed.crash();
    let survivor = Node::new(database.db.clone(), settings("one"), Clock::system()).await;
    survivor.retriever.bases.lock().unwrap().push(base);
    *survivor.retriever.chunks.lock().unwrap() = chunks;
    rewrite(&database, NOT_BEGUN).await;
    assert_eq!(survivor.chat.recover().await.unwrap(), 1);
    let done = survivor.client(user).done(&again).await;
    assert_eq!(done["status"], "completed", "{done}");
    // The first answer from documents is the likeliest one, at 0.
    let asked: Vec<_> = survivor.model.requests().iter().map(|asked| asked.temperature).collect();
    assert_eq!(asked, [None]);
}

/// A question that `user` asked with a key limited to `scripted`, and whose answer was not begun before
/// the crash: the key, the conversation and the answer.
async fn asked_with_a_key(database: &TestDb, user: Uuid) -> (Uuid, String, String) {
    let key = lyceum_core::new_id();
    let mut tx = database.db.begin_maintenance().await.unwrap();
    sqlx::query(
        "INSERT INTO identity.api_keys (id, user_id, name, key_hash, hint, permissions, models)
         VALUES ($1, $2, 'ci', sha256('ci'), '', '[]', '{scripted}')",
    )
    .bind(key)
    .bind(user)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let doomed = Doomed::start(database, "one");
    let client = Client { key: Some(key), ..doomed.node.client(user) };
    let (id, answer) = ask(client, vec![Step::Gate], &doomed).await;
    doomed.crash();
    rewrite(database, NOT_BEGUN).await;
    (key, id, answer)
}

#[tokio::test]
async fn an_answer_that_a_key_asked_for_is_begun_by_that_key_after_the_crash() {
    let database = TestDb::new().await;
    let user = lyceum_testkit::user(&database.db, "ada").await;
    let (key, id, answer) = asked_with_a_key(&database, user).await;
    let survivor = Node::new(database.db.clone(), settings("one"), Clock::system()).await;
    let client = survivor.client(user);
    let base = survivor.retriever.base(vec![chunk("Handbook", "Go on.", true)]);
    let with_base = json!({ "knowledge_base_ids": [base] });
    client.call("PATCH", &format!("/conversations/{id}"), Some(with_base)).await.expect(200);
    assert_eq!(survivor.chat.recover().await.unwrap(), 1);
    assert_eq!(client.done(&answer).await["status"], "completed");
    assert_eq!(*survivor.retriever.keys.lock().unwrap(), [Some(key)]);
}

#[tokio::test]
async fn an_answer_is_not_begun_for_a_key_that_may_no_longer_ask_the_model() {
    for change in [
        "UPDATE identity.api_keys SET models = '{another}'",
        "UPDATE identity.api_keys SET status = 'revoked'",
        "UPDATE identity.api_keys SET expires_at = now() - interval '1 minute'",
        "DELETE FROM identity.api_keys",
    ] {
        let database = TestDb::new().await;
        let user = lyceum_testkit::user(&database.db, "ada").await;
        let (_, _, answer) = asked_with_a_key(&database, user).await;
        rewrite(&database, change).await;
        let survivor = Node::new(database.db.clone(), settings("one"), Clock::system()).await;
        assert_eq!(survivor.chat.recover().await.unwrap(), 1, "{change}");
        let done = survivor.client(user).done(&answer).await;
        assert_eq!(done["error"]["code"], "interrupted", "{change}");
        assert!(survivor.model.requests().is_empty(), "{change}");
    }
}

#[tokio::test]
async fn an_old_answer_that_was_not_begun_is_not_begun_behind_the_persons_back() {
    let database = TestDb::new().await;
    let user = lyceum_testkit::user(&database.db, "ada").await;
    let doomed = Doomed::start(&database, "one");
    let client = doomed.node.client(user);
    let (_, answer) = ask(client, vec![Step::Gate], &doomed).await;
    doomed.crash();
    let survivor = Node::new(database.db.clone(), settings("one"), Clock::system()).await;
    rewrite(
        &database,
        "UPDATE chat.messages SET status = 'pending', created_at = created_at - interval '1 hour'
         WHERE status IN ('pending', 'streaming')",
    )
    .await;
    assert_eq!(survivor.chat.recover().await.unwrap(), 1);
    assert_eq!(survivor.client(user).done(&answer).await["error"]["code"], "interrupted");
    assert!(survivor.model.requests().is_empty());
}

#[tokio::test]
async fn another_nodes_answer_is_left_alone_until_that_node_is_silent() {
    let database = TestDb::new().await;
    let user = lyceum_testkit::user(&database.db, "ada").await;
    let doomed = Doomed::start(&database, "one");
    let client = doomed.node.client(user);
    let (id, answer) = ask(client, vec![Step::Say("half"), Step::Gate], &doomed).await;
    let two = Node::new(database.db.clone(), settings("two"), Clock::system()).await;
    checkpointed(&two.client(user), &id, "half").await;
    assert_eq!(two.chat.recover().await.unwrap(), 0, "node one is alive");
    doomed.crash();
    let later = Clock::fixed(Clock::system().now() + TimeDelta::minutes(5));
    let two = Node::new(database.db.clone(), settings("two"), later).await;
    assert_eq!(two.chat.recover().await.unwrap(), 1);
    assert_eq!(two.client(user).done(&answer).await["status"], "error");
}

#[tokio::test]
async fn any_node_shows_and_stops_an_answer() {
    let database = TestDb::new().await;
    let user = lyceum_testkit::user(&database.db, "ada").await;
    let one = Node::new(database.db.clone(), settings("one"), Clock::system()).await;
    let two = Node::new(database.db.clone(), settings("two"), Clock::system()).await;
    let (here, there) = (one.client(user), two.client(user));
    one.model.will([
        Step::Reason("why"),
        Step::Say("first "),
        Step::Gate,
        Step::Say("second"),
        Step::Gate,
    ]);
    let id = here.conversation(json!({})).await;
    let (_, answer) = here.ask(&id, json!({ "content": "go" })).await;
    let mut stream = there.events(&answer, None).await;
    stream.until("first ").await;
    one.model.open(1);
    let second = stream.next().await.unwrap();
    assert_eq!(second.data["text"], "second");
    assert_eq!(second.id, "whyfirst second".len() as u64, "an id means the same on every node");
    there.call("POST", &format!("/messages/{answer}/stop"), None).await.expect(204);
    let events = stream.all().await;
    let done = &events.last().unwrap().data["message"];
    assert_eq!(done["status"], "stopped");
    assert_eq!(done["content"], "first second");
}

#[tokio::test]
async fn shutting_down_keeps_the_text() {
    let database = TestDb::new().await;
    let user = lyceum_testkit::user(&database.db, "ada").await;
    let node = Node::new(database.db.clone(), settings("one"), Clock::system()).await;
    node.chat.watch_other_nodes();
    let client = node.client(user);
    node.model.will([Step::Say("half"), Step::Gate]);
    let id = client.conversation(json!({})).await;
    let (_, answer) = client.ask(&id, json!({ "content": "go" })).await;
    client.events(&answer, None).await.until("half").await;
    node.chat.shutdown().await;
    let done = client.done(&answer).await;
    assert_eq!(done["error"]["code"], "interrupted");
    assert_eq!(done["content"], "half");
}

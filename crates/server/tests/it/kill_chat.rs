//! `kill -9` while people make conversations and ask in them: what was acknowledged is there once
//! and in order, an answer is whole or says that it is not, and a call that was cut off has its row.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use lyceum_testkit::Session;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::world::{World, finished, id, number};

/// Callers of each person, fewer than may have answers running at once.
const CALLERS: usize = 4;
/// Questions that are acknowledged between one kill and the next.
const QUESTIONS: usize = 40;

/// A question on its way.
#[derive(Clone)]
struct Question {
    path: String,
    body: Value,
    /// Alice, or else Bob.
    of_alice: bool,
}

impl Question {
    /// Sends it, under its own words as the key.
    async fn send(&self, person: &Session) -> anyhow::Result<Value> {
        let request = person.request(Method::POST, &self.path).json(&self.body);
        let key = self.body["content"].as_str().unwrap_or_default();
        let answer = request.header("Idempotency-Key", key).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        anyhow::ensure!(status.is_success(), "{status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}

/// What the callers were told.
#[derive(Default)]
struct Told {
    conversations: Vec<String>,
    /// By the question's words: what its sender was answered.
    sent: BTreeMap<String, Value>,
    /// Those that were sent and not answered.
    open: BTreeMap<String, Question>,
    /// Answers as they were at their end.
    ended: Vec<Value>,
}

/// Somebody who asks on and on, in conversations of their own and in one that others ask in, too.
struct Caller {
    name: String,
    person: Session,
    of_alice: bool,
    model: String,
    shared: String,
    told: Arc<Mutex<Told>>,
}

impl Caller {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    /// Ends with the error that the kill is to its caller.
    async fn talk(self) -> anyhow::Result<()> {
        for round in 0.. {
            let own = conversation(&self.person, &self.model).await?;
            self.told().conversations.push(own.clone());
            for (turn, place) in [&own, &own, &self.shared].into_iter().enumerate() {
                let words = format!("{} asks {round} {turn}", self.name);
                let mut body = json!({ "content": words });
                if place == &self.shared {
                    // Beside the others' questions, whose answers may be running.
                    body["parent_id"] = Value::Null;
                }
                let path = format!("/api/v1/conversations/{place}/messages");
                let question = Question { path, body, of_alice: self.of_alice };
                self.told().open.insert(words.clone(), question.clone());
                let sent = question.send(&self.person).await?;
                let answer = id(&sent["assistant_message"])?;
                self.told().open.remove(&words);
                self.told().sent.insert(words, sent);
                let ended = finished(&self.person, &answer).await?;
                self.told().ended.push(ended);
            }
        }
        Ok(())
    }
}

fn person(world: &World, is_alice: bool) -> &Session {
    if is_alice { &world.alice } else { &world.bob }
}

/// A conversation with a title, so that no model is asked for one.
async fn conversation(person: &Session, model: &str) -> anyhow::Result<String> {
    let new = json!({ "title": "Letters", "model_config_id": model });
    id(&person.post("/api/v1/conversations", new).await?)
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    id: Uuid,
    conversation_id: Uuid,
    parent_id: Option<Uuid>,
    role: String,
    content: String,
    status: String,
    error_code: Option<String>,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
}

/// A row of the ledger.
#[derive(Debug, sqlx::FromRow)]
struct Call {
    message_id: Uuid,
    status: String,
    error_code: Option<String>,
    estimated: bool,
    prompt_tokens: i64,
    completion_tokens: i64,
}

/// All messages, and what the ledger has of their answers.
struct Found {
    rows: Vec<Row>,
    ledger: Vec<Call>,
    conversations: Vec<Uuid>,
}

/// Waits until a query answers a number, within half a minute.
async fn until(database: &mut PgConnection, sql: &'static str, wanted: i64) {
    for _ in 0..1_500 {
        if number(database, sql).await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never {wanted}: {sql}");
}

/// What is there once no answer runs any more: those that were not begun are begun by the restart.
async fn found(world: &World) -> Found {
    let mut database = world.database().await.unwrap();
    let running = "SELECT count(*) FROM chat.messages WHERE status IN ('pending', 'streaming')";
    until(&mut database, running, 0).await;
    let unsettled = "SELECT count(*) FROM chat.conversations WHERE status = 'active'";
    assert_eq!(number(&mut database, unsettled).await, 0);
    // The database lets no number come twice.
    let with_gaps = "SELECT count(*) FROM chat.conversations c
        WHERE ((last_sequence, last_sequence, message_count)
               = (SELECT count(*), coalesce(max(sequence_number), 0), count(*)
                  FROM chat.messages m WHERE m.conversation_id = c.id)) IS NOT TRUE";
    assert_eq!(number(&mut database, with_gaps).await, 0);
    let rows = "SELECT id, conversation_id, parent_id, role, content, status, error_code,
                       prompt_tokens, completion_tokens
                FROM chat.messages";
    let rows = sqlx::query_as(rows).fetch_all(&mut database).await.unwrap();
    let ledger = "SELECT message_id, status, error_code, estimated, prompt_tokens,
                         completion_tokens
                  FROM gateway.usage_statistics
                  WHERE purpose = 'chat' AND message_id IS NOT NULL";
    let ledger = sqlx::query_as(ledger).fetch_all(&mut database).await.unwrap();
    let conversations = sqlx::query_scalar("SELECT id FROM chat.conversations");
    let conversations = conversations.fetch_all(&mut database).await.unwrap();
    Found { rows, ledger, conversations }
}

fn uuid(answer: &Value) -> Uuid {
    id(answer).unwrap().parse().unwrap()
}

impl Found {
    /// Asserts that what was told is there, and that nothing else is shown as done.
    fn compare(&self, told: &Told) {
        for conversation in &told.conversations {
            assert!(self.conversations.contains(&conversation.parse().unwrap()), "{conversation}");
        }
        let by_id: HashMap<Uuid, &Row> = self.rows.iter().map(|row| (row.id, row)).collect();
        let asked = |words: &String| {
            self.rows.iter().filter(|row| row.role == "user" && row.content == *words).count()
        };
        for (words, sent) in &told.sent {
            assert_eq!(asked(words), 1, "{words}");
            let question = by_id[&uuid(&sent["user_message"])];
            let answer = by_id[&uuid(&sent["assistant_message"])];
            assert_eq!(&question.content, words);
            assert_eq!(answer.parent_id, Some(question.id));
            assert_eq!(answer.conversation_id, question.conversation_id);
        }
        for ended in &told.ended {
            let row = by_id[&uuid(ended)];
            assert_eq!((row.status.as_str(), &ended["status"]), ("completed", &json!("completed")));
            assert_eq!(ended["content"], row.content);
        }
        for answer in self.rows.iter().filter(|row| row.role == "assistant") {
            let question = by_id[&answer.parent_id.unwrap()];
            self.compare_answer(answer, &format!("You said: {}", question.content));
        }
    }

    fn compare_answer(&self, answer: &Row, whole: &str) {
        let calls = self.ledger.iter().filter(|call| call.message_id == answer.id);
        let calls: Vec<&str> = calls.map(|call| call.status.as_str()).collect();
        match answer.status.as_str() {
            "completed" => {
                assert_eq!(answer.content, whole);
                assert_eq!(calls, ["completed"], "{answer:?}");
            }
            "error" => {
                assert_eq!(answer.error_code.as_deref(), Some("interrupted"), "{answer:?}");
                assert!(whole.starts_with(&answer.content), "{answer:?}");
                assert!(calls.len() <= 1, "{calls:?} of {answer:?}");
            }
            _ => panic!("neither done nor interrupted: {answer:?}"),
        }
    }

    /// Asserts that an answer was cut off after a word, and what its call took until then is known.
    fn compare_cut(&self, cut: Uuid) {
        let answer = self.rows.iter().find(|row| row.id == cut).unwrap();
        assert_eq!((answer.status.as_str(), answer.content.as_str()), ("error", "You "));
        let calls: Vec<&Call> = self.ledger.iter().filter(|call| call.message_id == cut).collect();
        let [call] = calls.as_slice() else { panic!("{calls:?}") };
        assert_eq!((call.status.as_str(), call.estimated), ("failed", true), "{call:?}");
        assert_eq!(call.error_code.as_deref(), Some("interrupted"));
        assert!(call.prompt_tokens > 0 && call.completion_tokens > 0, "{call:?}");
        assert_eq!(answer.prompt_tokens, Some(call.prompt_tokens));
        assert_eq!(answer.completion_tokens, Some(call.completion_tokens));
    }
}

/// Waits until the node has noted the call behind an answer, and that something of it came.
async fn noted(world: &World, answer: Uuid) {
    let answer = json!(answer);
    let is_it = |line: &str| {
        let call: Value = serde_json::from_str(line).unwrap();
        call["message_id"] == answer && call["completion_tokens"].as_i64() > Some(0)
    };
    for _ in 0..1_500 {
        let files = std::fs::read_dir(world.data.path().join("ledger")).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let notes = files.filter(|path| path.extension().is_some_and(|kind| kind == "running"));
        let text: String = notes.filter_map(|path| std::fs::read_to_string(path).ok()).collect();
        if text.lines().any(is_it) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never noted: {answer}");
}

/// Asks a model that says one word and no more; comes back when the word is on the disk.
async fn ask_for_one_word(world: &World, model: &str, words: &str) -> Uuid {
    let place = conversation(&world.alice, model).await.unwrap();
    let path = format!("/api/v1/conversations/{place}/messages");
    let sent = world.alice.post(&path, json!({ "content": words })).await.unwrap();
    world.upstream.release(1);
    let said = "SELECT count(*) FROM chat.messages WHERE status = 'streaming' AND content = 'You '
                AND model = 'gated'";
    until(&mut world.database().await.unwrap(), said, 1).await;
    let answer = uuid(&sent["assistant_message"]);
    noted(world, answer).await;
    answer
}

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_once_and_no_answer_is_more_than_it_says() {
    let mut world = World::new().await.unwrap();
    let gated = world.model(&world.alice, "gated").await.unwrap().model;
    let mut places = Vec::new();
    for person in [&world.bob, &world.alice] {
        let quick = world.model(person, "ok").await.unwrap().model;
        let slow = world.model(person, "slow").await.unwrap().model;
        let shared = conversation(person, &slow).await.unwrap();
        places.push(([quick, slow], shared));
    }
    let told = Arc::new(Mutex::new(Told::default()));
    let mut cuts = Vec::new();
    for kill in 0..2 {
        cuts.push(ask_for_one_word(&world, &gated, &format!("cut {kill}")).await);
        let mut callers = Vec::new();
        for nth in 0..2 * CALLERS {
            let of_alice = nth % 2 == 1;
            let (models, shared) = &places[usize::from(of_alice)];
            let caller = Caller {
                name: format!("{kill}-{nth}"),
                person: person(&world, of_alice).clone(),
                of_alice,
                model: models[nth / 2 % 2].clone(),
                shared: shared.clone(),
                told: told.clone(),
            };
            callers.push(tokio::spawn(caller.talk()));
        }
        let enough = QUESTIONS * (kill + 1);
        world.upstream.wait_for(|_| told.lock().unwrap().sent.len() >= enough).await;
        world = match kill {
            0 => world.crash_and_restart().await.unwrap(),
            _ => world.crash_with_database_and_restart().await.unwrap(),
        };
        for caller in callers {
            let error = caller.await.unwrap().unwrap_err();
            assert!(error.is::<reqwest::Error>(), "{error:#}");
        }
        // Whoever got no answer sends the question again.
        let open = std::mem::take(&mut told.lock().unwrap().open);
        for (words, question) in open {
            let sent = question.send(person(&world, question.of_alice)).await.unwrap();
            told.lock().unwrap().sent.insert(words, sent);
        }
        let found = found(&world).await;
        found.compare(&told.lock().unwrap());
        cuts.iter().for_each(|cut| found.compare_cut(*cut));
        let path = "/api/v1/usage/summary?model=gated";
        let usage = world.alice.get(path).await.unwrap();
        let (total, all) = (&usage["total"], json!(cuts.len()));
        assert_eq!((&total["calls"], &total["errors"]), (&all, &all), "{total}");
        assert!(total["completion_tokens"].as_u64() >= all.as_u64(), "{total}");
    }
}

use axum::routing::{get, post};
use http::StatusCode;
use lyceum_testkit::http_client;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::*;

struct Listening {
    url: String,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<io::Result<()>>,
}

async fn start(app: Router) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, asked) = oneshot::channel();
    let stopped = async { asked.await.unwrap_or_default() };
    let ended = tokio::spawn(listen(listener, app, Duration::from_secs(5), stopped));
    Listening { url, stop, ended }
}

/// Tells when it is dropped.
struct Dropped(Arc<Notify>);
impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

async fn thread_name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn small_calls_stay_on_the_thread_of_their_connection_and_nothing_else_does() {
    let app = Router::new()
        .route("/v1/messages", post(thread_name))
        .route("/v1/embeddings", post(thread_name))
        .route("/api/v1/thread", post(thread_name))
        .route("/", get(thread_name));
    let Listening { url, stop: _running, .. } = start(app).await;
    let client = http_client().unwrap();
    let ask = async |path: &str, bytes: usize| {
        let request = client.post(format!("{url}{path}")).body(vec![b' '; bytes]);
        request.send().await.unwrap().text().await.unwrap()
    };
    let lane = ask("/v1/messages", 100).await;
    assert!(lane.starts_with("lane-"), "{lane}");
    assert_eq!(ask("/v1/messages", 0).await, lane, "the connection moved");
    assert!(!ask("/v1/messages", BRIEF as usize + 1).await.starts_with("lane-"));
    assert!(!ask("/v1/embeddings", 100).await.starts_with("lane-"));
    assert!(!ask("/api/v1/thread", 100).await.starts_with("lane-"));
    let unknown = reqwest::Body::wrap_stream(futures::stream::iter([Ok::<_, io::Error>("x")]));
    let chunked = client.post(format!("{url}/v1/messages")).body(unknown).send().await.unwrap();
    assert!(!chunked.text().await.unwrap().starts_with("lane-"), "its size was unknown");
}

#[tokio::test]
async fn the_pieces_of_other_answers_are_made_elsewhere_until_the_client_goes_away() {
    let dropped = Arc::new(Notify::new());
    let drops = dropped.clone();
    let pieces = async move || {
        let dropped = Dropped(drops);
        let names = futures::stream::unfold(dropped, async |dropped| {
            let name = thread_name().await;
            Some((Ok::<_, io::Error>(format!("{name};")), dropped))
        });
        Body::from_stream(names)
    };
    let app = Router::new().route("/export", get(pieces));
    let Listening { url, stop: _running, .. } = start(app).await;
    let mut answer = http_client().unwrap().get(format!("{url}/export")).send().await.unwrap();
    for _ in 0..3 {
        let piece = answer.chunk().await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&piece).contains("lane-"), "{piece:?}");
    }
    drop(answer);
    dropped.notified().await;
}

#[tokio::test]
async fn who_still_sends_what_is_refused_hears_why() {
    let app = Router::new().route("/upload", post(async || StatusCode::PAYLOAD_TOO_LARGE));
    let Listening { url, stop: _running, .. } = start(app).await;
    for _ in 0..10 {
        let megabyte = bytes::Bytes::from(vec![0; 1 << 20]);
        let pieces = (0..16).map(move |_| Ok::<_, io::Error>(megabyte.clone()));
        let body = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
        let request = http_client().unwrap().post(format!("{url}/upload")).body(body);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[tokio::test]
async fn a_stop_lets_what_is_under_way_end_on_either_kind_of_thread() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, waited) = (begun.clone(), go_on.clone());
    let slow = async move || {
        told.notify_one();
        waited.notified().await;
        "ended"
    };
    let app = Router::new().route("/v1/messages", get(slow.clone())).route("/slow", get(slow));
    let Listening { url, stop, ended } = start(app).await;
    let mut answers = Vec::new();
    for path in ["/v1/messages", "/slow"] {
        let request = http_client().unwrap().get(format!("{url}{path}"));
        answers.push(tokio::spawn(async move { request.send().await?.text().await }));
        begun.notified().await;
    }
    stop.send(()).unwrap();
    for answer in answers {
        go_on.notify_one();
        assert_eq!(answer.await.unwrap().unwrap(), "ended");
    }
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_request_back_on_either_kind_of_thread() {
    let (begun, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, drops) = (begun.clone(), dropped.clone());
    let endless = async move || {
        let _dropped = Dropped(drops);
        told.notify_one();
        std::future::pending::<()>().await;
    };
    let app =
        Router::new().route("/v1/messages", get(endless.clone())).route("/endless", get(endless));
    let Listening { url, stop: _running, .. } = start(app).await;
    for path in ["/v1/messages", "/endless"] {
        let request = http_client().unwrap().get(format!("{url}{path}")).send();
        let asking = tokio::spawn(request);
        begun.notified().await;
        asking.abort();
        dropped.notified().await;
    }
}

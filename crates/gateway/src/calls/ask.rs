use lyceum_llm::{ChatModel, ChatRequest, ChatStream, LlmError};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::models::Target;

/// Asks `port`, which is that of `target`, for an answer. Pictures that the request names may have to be
/// fetched and put into it, each of them megabytes: that is done on the `common` runtime, for other
/// callers wait for the thread of a connection. It ends with whoever waits for it.
pub(super) async fn ask(
    common: &Handle,
    target: &Target,
    port: &dyn ChatModel,
    request: ChatRequest,
) -> Result<ChatStream, LlmError> {
    match target {
        Target::Chat(shared) if request.names_pictures() => {
            let port = shared.clone();
            let asking = async move { port.chat(request).await }.in_current_span();
            let asked = AbortOnDropHandle::new(common.spawn(asking)).await;
            asked.unwrap_or_else(|error| Err(LlmError::Internal(Box::new(error))))
        }
        _ => port.chat(request).await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use serde_json::{Value, json};
    use tokio::runtime::Builder;

    use super::*;

    /// Tells which runtime asks it.
    struct Teller;

    #[async_trait]
    impl ChatModel for Teller {
        async fn chat(&self, _: ChatRequest) -> Result<ChatStream, LlmError> {
            Err(LlmError::Rejected(Handle::current().id().to_string()))
        }
    }

    /// Asks from a thread as those that serve connections are; the runtimes of thread and port.
    fn from_a_lane(common: &Handle, content: &Value) -> (String, String) {
        let messages = json!([{ "role": "user", "content": content }]);
        let request = json!({ "model": "m", "messages": messages });
        let request: ChatRequest = serde_json::from_value(request).unwrap();
        let lane = Builder::new_current_thread().build().unwrap();
        let target = Target::Chat(Arc::new(Teller));
        let asking = ask(common, &target, target.chat().unwrap(), request);
        match lane.block_on(asking) {
            Err(LlmError::Rejected(runtime)) => (lane.handle().id().to_string(), runtime),
            _ => panic!("it told nothing"),
        }
    }

    #[tokio::test]
    async fn pictures_are_fetched_on_the_common_runtime_and_nothing_else_is() {
        let common = Handle::current();
        let picture = |url: &str| json!([{ "type": "image_url", "image_url": { "url": url } }]);
        for (content, elsewhere) in [
            (picture("https://example.com/a.png"), true),
            (picture("data:image/png;base64,AAAA"), false),
            (json!([{ "type": "text", "text": "https://example.com/a.png" }]), false),
            (json!("hello"), false),
        ] {
            let (handle, asked) = (common.clone(), content.clone());
            let asking = tokio::task::spawn_blocking(move || from_a_lane(&handle, &asked));
            let (lane, port) = asking.await.unwrap();
            let expected = if elsewhere { common.id().to_string() } else { lane };
            assert_eq!(port, expected, "{content}");
        }
    }

    #[tokio::test]
    async fn a_fetch_ends_with_whoever_waits_for_it() {
        struct Slow(Arc<()>);

        #[async_trait]
        impl ChatModel for Slow {
            async fn chat(&self, _: ChatRequest) -> Result<ChatStream, LlmError> {
                let _held = self.0.clone();
                std::future::pending().await
            }
        }

        let held = Arc::new(());
        let target = Target::Chat(Arc::new(Slow(held.clone())));
        let part = json!({ "type": "image_url", "image_url": "https://example.com/a.png" });
        let messages = json!([{ "role": "user", "content": [part] }]);
        let request = json!({ "model": "m", "messages": messages });
        let request: ChatRequest = serde_json::from_value(request).unwrap();
        let common = Handle::current();
        let mut asking = Box::pin(ask(&common, &target, target.chat().unwrap(), request));
        // The port's, the test's, and that of the call under way.
        while Arc::strong_count(&held) < 3 {
            assert!(futures::poll!(&mut asking).is_pending());
            tokio::task::yield_now().await;
        }
        drop(asking);
        while Arc::strong_count(&held) > 2 {
            tokio::task::yield_now().await;
        }
    }
}

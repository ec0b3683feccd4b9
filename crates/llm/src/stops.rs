//! Stop sequences for providers that know none: the answer is cut here, and the rest is not waited
//! for.

use futures::StreamExt as _;

use crate::{ChatEvent, ChatStream, FinishReason};

/// The answer up to the first of `stops`. Where one is found the stream of the provider is dropped,
/// so its usage stays unknown.
pub(crate) fn cut(mut events: ChatStream, stops: Vec<String>) -> ChatStream {
    if stops.is_empty() {
        return events;
    }
    async_stream::stream! {
        // Text that may be the beginning of a stop sequence.
        let mut held = String::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(ChatEvent::Text(more)) => {
                    held.push_str(&more);
                    if let Some(at) = stops.iter().filter_map(|stop| held.find(stop)).min() {
                        held.truncate(at);
                        drop(events);
                        if !held.is_empty() {
                            yield Ok(ChatEvent::Text(held));
                        }
                        yield Ok(ChatEvent::Finished { reason: FinishReason::Stop, usage: None });
                        return;
                    }
                    let ready = held.len() - overlap(&held, &stops);
                    if ready > 0 {
                        yield Ok(ChatEvent::Text(held.drain(..ready).collect()));
                    }
                }
                // Of what is cut they would count too little, and they are no end of what is held.
                Ok(ChatEvent::Counted(_)) => {}
                other => {
                    if !held.is_empty() {
                        yield Ok(ChatEvent::Text(std::mem::take(&mut held)));
                    }
                    yield other;
                }
            }
        }
    }
    .boxed()
}

/// The length of the longest end of `text` that begins one of `stops`.
fn overlap(text: &str, stops: &[String]) -> usize {
    let longest = |stop: &String| {
        let ends = stop.char_indices().map(|(end, _)| end).rev();
        ends.filter(|&end| text.ends_with(&stop[..end])).max().unwrap_or(0)
    };
    stops.iter().map(longest).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Usage;

    async fn run(pieces: &[&str], stops: &[&str]) -> (String, Option<Usage>) {
        let usage = Some(Usage::default());
        let texts = pieces.iter().map(|text| Ok(ChatEvent::Text((*text).to_owned())));
        let end = Ok(ChatEvent::Finished { reason: FinishReason::Stop, usage });
        let events: Vec<_> = texts.chain([end]).collect();
        let stops = stops.iter().map(|&stop| stop.to_owned()).collect();
        let mut stream = cut(futures::stream::iter(events).boxed(), stops);
        let mut text = String::new();
        loop {
            match stream.next().await.unwrap().unwrap() {
                ChatEvent::Text(more) => text.push_str(&more),
                ChatEvent::Finished { usage, .. } => return (text, usage),
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn an_answer_ends_before_its_stop_sequence_however_it_is_cut() {
        let text = "你好 END rest";
        for (cut, _) in text.char_indices() {
            let found = run(&[&text[..cut], &text[cut..]], &["好 END", "END"]).await;
            assert_eq!(found, ("你".to_owned(), None), "cut at {cut}");
        }
        // The beginning of a stop sequence alone is text.
        let (text, usage) = run(&["a E", "N", "d E"], &["END"]).await;
        assert_eq!((text.as_str(), usage.is_some()), ("a ENd E", true));
        assert_eq!(run(&["a"], &[]).await.0, "a");
    }
}

use std::time::Duration;

use futures::StreamExt as _;
use lyceum_llm::{ChatEvent, ChatMessage, ChatRequest, Role};
use lyceum_store::is_chinese;

use super::Plan;
use crate::conversations::store as conversations;
use crate::model::{CallContext, LOCAL, Purpose};
use crate::{Chat, ChatError, words};

/// Characters of a title that the program makes.
const MAX_CHARS: usize = 60;
const MAX_TOKENS: u32 = 40;
const PATIENCE: Duration = Duration::from_secs(30);

/// The first words of a question: the title until a better one is known.
pub(crate) fn first_words(question: &str) -> String {
    let line = question.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = line.trim_start_matches(['#', '>', '-', '*', ' ']);
    let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
    // A Chinese character says about as much as two Latin ones.
    let limit = if is_chinese(&words) { MAX_CHARS / 2 } else { MAX_CHARS };
    let Some((end, _)) = words.char_indices().nth(limit) else {
        return words;
    };
    let head = &words[..end];
    let end = head.rfind(' ').filter(|space| *space > end / 2).unwrap_or(end);
    format!("{}…", head[..end].trim_end())
}

/// Asks the model for a title, after the first answer. Whatever goes wrong, the first words stay.
pub(crate) async fn improve(chat: &Chat, plan: &Plan, question: &str, answer: &str) {
    if plan.model.provider == LOCAL && !chat.inner.settings.titles_by_local_model {
        return;
    }
    let asked = tokio::select! {
        () = chat.inner.shutdown.cancelled() => return,
        asked = tokio::time::timeout(PATIENCE, ask(chat, plan, question, answer)) => asked,
    };
    let Some(title) = asked.ok().flatten().and_then(|text| cleaned(&text)) else {
        return;
    };
    if let Err(error) = write(chat, plan, title).await {
        tracing::warn!(error = ?error, "a title was not written");
    }
}

async fn ask(chat: &Chat, plan: &Plan, question: &str, answer: &str) -> Option<String> {
    let start = |text: &str| text.chars().take(600).collect::<String>();
    let (instruction, talk) = match is_chinese(question) {
        true => (
            "为下面的对话拟一个不超过 12 个字的标题，使用对话的语言。只输出标题本身。",
            format!("问：{}\n\n答：{}", start(question), start(answer)),
        ),
        false => (
            "Write a title of at most six words for this conversation, in its language. Answer \
             with the title alone.",
            format!("Question: {}\n\nAnswer: {}", start(question), start(answer)),
        ),
    };
    let messages =
        vec![ChatMessage::text(Role::System, instruction), ChatMessage::text(Role::User, talk)];
    let mut request = ChatRequest::new(plan.model.model.clone(), messages);
    request.max_tokens = Some(MAX_TOKENS);
    let context = CallContext {
        api_key_id: plan.api_key_id,
        conversation_id: Some(plan.conversation_id),
        message_id: Some(plan.message_id),
        ..CallContext::new(plan.user_id, Purpose::Title)
    };
    let mut stream = chat.inner.gateway.chat(context, &plan.model, request).await.ok()?;
    let mut title = String::new();
    while let Some(event) = stream.next().await {
        match event.ok()? {
            ChatEvent::Text(text) => title.push_str(&text),
            ChatEvent::Finished { .. } => return Some(title),
            _ => {}
        }
        if title.len() > 2_000 {
            return None;
        }
    }
    None
}

/// The first line of what the model wrote, without quotes and ornaments.
fn cleaned(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let ornaments = |c: char| c.is_whitespace() || "\"'“”‘’《》#*`_.。:：\0".contains(c);
    let line: String = line.chars().filter(|c| *c != '\0').collect();
    let title: String = line.trim_matches(ornaments).chars().take(MAX_CHARS).collect();
    (!title.is_empty()).then_some(title)
}

async fn write(chat: &Chat, plan: &Plan, title: String) -> Result<(), ChatError> {
    let title_words = words::indexed_off_thread(title.clone()).await;
    let (user, conversation) = (plan.user_id, plan.conversation_id);
    let mut tx = chat.inner.db.begin_as(user).await?;
    conversations::set_auto_title(&mut tx, user, conversation, &title, &title_words).await?;
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_words_end_at_a_word() {
        assert_eq!(first_words("\n # How are you?\nmore"), "How are you?");
        let long = first_words(&"several words ".repeat(20));
        assert!(long.ends_with("words…") || long.ends_with("several…"), "{long}");
        assert!(long.chars().count() <= MAX_CHARS + 1);
        assert_eq!(first_words(&"知".repeat(100)).chars().count(), MAX_CHARS / 2 + 1);
        assert_eq!(first_words("---"), "");
    }

    #[test]
    fn titles_lose_their_ornaments() {
        assert_eq!(cleaned("\n**\"Leave rules\"**\nx"), Some("Leave rules".to_owned()));
        assert_eq!(cleaned("《年假规定》。"), Some("年假规定".to_owned()));
        assert_eq!(cleaned(" \n\"\""), None);
    }
}

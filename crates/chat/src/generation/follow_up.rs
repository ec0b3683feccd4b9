//! Whether a message goes on with what was asked before it. With those questions it is near to their
//! passages whatever it asks, so what tells is what it says itself.

use std::collections::HashSet;

use lyceum_store::{content_words, distinct_words};

use crate::RetrievedChunk;

/// Whether most of what the message says is in one of the kept passages, or it is talk.
pub(super) async fn goes_on(message: &str, passages: &[RetrievedChunk]) -> bool {
    let message = message.to_owned();
    let kept = passages.iter().filter(|passage| passage.kept);
    let texts: Vec<String> = kept.map(|passage| passage.content.clone()).collect();
    let judged = tokio::task::spawn_blocking(move || is_held(&message, &texts)).await;
    judged.unwrap_or_default()
}

/// Whether the message is only talk about an answer, as "Thanks", "And when?" or "Translate that".
pub(super) async fn is_talk(message: &str) -> bool {
    let message = message.to_owned();
    let judged = tokio::task::spawn_blocking(move || own_words(&message).is_empty());
    judged.await.unwrap_or_default()
}

/// Those of the messages that are more than such talk.
pub(super) async fn without_talk(mut messages: Vec<String>) -> Vec<String> {
    let judged = tokio::task::spawn_blocking(move || {
        messages.retain(|message| !own_words(message).is_empty());
        messages
    });
    judged.await.unwrap_or_default()
}

fn own_words(message: &str) -> Vec<String> {
    let mut words = distinct_words(message);
    // Letters are left of contractions, such as "What's".
    let letter = |word: &str| word.len() == 1 && word.bytes().all(|b| b.is_ascii_alphabetic());
    words.retain(|word| !letter(word) && !TALK.contains(&word.as_str()));
    words
}

fn is_held(message: &str, texts: &[String]) -> bool {
    let words = own_words(message);
    if words.is_empty() {
        return true;
    }
    // Several passages together hold most words of anything.
    texts.iter().any(|text| {
        let there: HashSet<String> = content_words(text).into_iter().collect();
        let held = words.iter().filter(|word| there.contains(*word)).count();
        held * 2 > words.len()
    })
}

/// Words of thanks, and of what is to be made of an answer, which stand in no passage; last of the
/// English ones, parts of contractions.
#[rustfmt::skip]
const TALK: &[&str] = &[
    "about", "again", "all", "also", "answer", "another", "any", "brief", "briefly", "bullet",
    "chinese", "clear", "continue", "could", "detail", "else", "english", "exactly", "example",
    "explain", "explanation", "first", "french", "further", "german", "give", "go", "good", "got",
    "great", "hello", "hi", "japanese", "just", "keep", "know", "language", "last", "less", "let",
    "list", "long", "longer", "make", "many", "me", "mean", "meaning", "more", "much", "my", "next",
    "nice", "no", "now", "ok", "okay", "one", "other", "please", "point", "put", "question", "reason",
    "really", "repeat", "rephrase", "rewrite", "right", "same", "say", "second", "sentence", "short",
    "shorten", "shorter", "show", "simple", "simpler", "simply", "source", "spanish", "step", "sum",
    "summarise", "summarize", "summary", "sure", "table", "tell", "thank", "too", "translate",
    "translation", "understand", "up", "use", "very", "well", "word", "write", "yes",
    "aren", "couldn", "didn", "doesn", "don", "isn", "ll", "re", "ve", "won",
    "一下", "一些", "一点", "上面", "中文", "举", "举例", "例", "例子", "具体", "再", "写", "列", "列出",
    "列表", "刚才", "前面", "原因", "可以", "告诉", "呀", "嗯", "回答", "多谢", "好", "好的", "帮", "帮我",
    "总结", "想", "意思", "感谢", "成", "成英文", "成中文", "改写", "时候", "什么时候", "明白", "更", "概括",
    "汉语", "法语", "点", "然后", "理由", "用", "日语", "短", "简单", "简洁", "简短", "继续", "给", "翻译",
    "翻译成", "能", "能否", "英文", "英语", "表格", "要点", "解释", "详细", "译", "译成", "说", "说明", "讲",
    "请", "请问", "谢谢", "谢谢您", "还", "还有", "那么", "重复", "问题",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_on_unless_it_asks_about_something_else() {
        let texts = [
            "Every employee has seventeen days of leave. Part-timers have nine.".to_owned(),
            "每位员工每年有十五天年假。".to_owned(),
            "Most people work in the north.".to_owned(),
            "The new office opens at nine.".to_owned(),
        ];
        for message in [
            "Thanks!",
            "Translate that into Chinese, please.",
            "And when?",
            "Could you explain it in more detail?",
            "and for part-timers",
            "谢谢！",
            "为什么？",
            "I don't understand",
            "What’s next?",
            "Got it",
        ] {
            assert!(is_held(message, &texts), "{message}");
        }
        for message in [
            "Who won the football world cup in 1974?",
            "How many people work in the new office in Berlin?",
            "北京地铁有多少条线路？",
        ] {
            assert!(!is_held(message, &texts), "{message}");
        }
    }
}

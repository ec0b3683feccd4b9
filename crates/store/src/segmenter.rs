//! The words that a text is found by: Chinese segmented by jieba, European words lowered and without
//! plural endings, stop words left out.

use std::collections::HashSet;
use std::sync::LazyLock;

use jieba_rs::Jieba;

/// Characters of a word that count.
const WORD_CHARS: usize = 60;

/// The one dictionary of the program, for the words of the full-text indexes: Chinese is written
/// without spaces, so PostgreSQL cannot find its words. The first call reads it, which takes a
/// moment and some memory.
pub fn jieba() -> &'static Jieba {
    static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);
    &JIEBA
}

/// The words of a text in order.
pub fn content_words(text: &str) -> Vec<String> {
    let plain: String = text.chars().map(narrow).collect::<String>().to_lowercase();
    let found = jieba().cut_for_search(&plain, true);
    found.iter().filter_map(|token| word(token.word)).collect()
}

/// Distinct words in the order of their first appearance.
pub fn distinct_words(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    content_words(text).into_iter().filter(|word| seen.insert(word.clone())).collect()
}

/// Whether a text is Chinese: at least a fifth of its letters are.
pub fn is_chinese(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let chinese = text.chars().filter(|c| is_han(*c)).count();
    chinese > 0 && chinese * 5 >= letters
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{323af}')
}

/// Full-width forms of ASCII become ASCII.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        c => c,
    }
}

fn word(token: &str) -> Option<String> {
    let token = token.trim_matches(|c: char| !c.is_alphanumeric());
    if token.is_empty() || STOP_WORDS.contains(&token) {
        return None;
    }
    let token: String = token.chars().take(WORD_CHARS).collect();
    Some(if token.is_ascii() { singular(token) } else { token })
}

/// Without a plural's ending: a weak stemmer, which never makes different words one.
fn singular(word: String) -> String {
    let stem = |end: &str, put: &str| word.strip_suffix(end).map(|stem| format!("{stem}{put}"));
    if word.len() < 4 || !word.bytes().all(|b| b.is_ascii_lowercase()) {
        return word;
    }
    if word.ends_with("ies") && !word.ends_with("eies") && !word.ends_with("aies") {
        return stem("ies", "y").unwrap_or(word);
    }
    if ["sses", "shes", "ches", "xes"].iter().any(|end| word.ends_with(end)) {
        return stem("es", "").unwrap_or(word);
    }
    if word.ends_with('s') && !["us", "ss", "is"].iter().any(|end| word.ends_with(end)) {
        return stem("s", "").unwrap_or(word);
    }
    word
}

/// Words that stand in most texts and tell nothing.
#[rustfmt::skip]
const STOP_WORDS: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "did", "do", "does",
    "for", "from", "had", "has", "have", "he", "her", "his", "how", "i", "if", "in", "into", "is",
    "it", "its", "may", "not", "of", "on", "or", "our", "she", "so", "such", "than", "that", "the",
    "their", "them", "then", "there", "these", "they", "this", "to", "was", "we", "were", "what",
    "when", "where", "which", "who", "why", "will", "with", "would", "you", "your",
    "的", "了", "和", "是", "在", "有", "与", "及", "或", "也", "都", "而", "被", "把", "将", "为",
    "以", "于", "对", "从", "到", "由", "这", "那", "其", "之", "着", "吗", "呢", "吧", "啊", "就",
    "不", "个", "什么", "哪", "哪个", "哪些", "怎么", "怎样", "如何", "为什么", "多少", "谁", "我",
    "你", "他", "她", "它", "我们", "你们", "他们", "它们", "一个", "这个", "那个", "是否",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_is_segmented_and_english_made_alike() {
        assert_eq!(
            content_words("The Companies' boxes, buses & analysis"),
            ["company", "box", "buse", "analysis"]
        );
        let found = content_words("知识库的默认分块大小是５１２个ＡＢＣ");
        assert!(found.contains(&"知识库".to_owned()) || found.contains(&"知识".to_owned()));
        assert!(found.contains(&"512".to_owned()) && found.contains(&"abc".to_owned()));
        assert!(!found.contains(&"的".to_owned()));
    }

    #[test]
    fn a_word_counts_once() {
        assert_eq!(distinct_words("cat dog cats"), ["cat", "dog"]);
    }
}

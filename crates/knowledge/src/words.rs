//! Words of a text, for search by words in PostgreSQL: Chinese segmented by jieba, European words
//! lowered and without plural endings, stop words left out.

use std::collections::BTreeMap;

use lyceum_store::jieba;

/// Characters of a word that count.
const WORD_CHARS: usize = 60;
/// PostgreSQL keeps no more positions of one word, and no position beyond the last.
const MAX_POSITIONS: usize = 255;
const LAST_POSITION: usize = 16_383;

/// The words of a text in order.
pub fn words(text: &str) -> Vec<String> {
    let plain: String = text.chars().map(narrow).collect::<String>().to_lowercase();
    let found = jieba().cut_for_search(&plain, true);
    found.iter().filter_map(|token| word(token.word)).collect()
}

/// Distinct words in the order of their first appearance.
pub fn distinct(text: &str) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    words(text).into_iter().filter(|word| seen.insert(word.clone())).collect()
}

/// A text's words as the text form of a `tsvector`, and how many they are.
pub fn vector(text: &str) -> (String, usize) {
    let words = words(text);
    let count = words.len();
    let mut positions: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, word) in words.into_iter().enumerate() {
        let at_word = positions.entry(word).or_default();
        if at_word.len() < MAX_POSITIONS {
            at_word.push((at + 1).min(LAST_POSITION));
        }
    }
    let entry = |(word, mut at): (String, Vec<usize>)| {
        at.dedup();
        let places: Vec<String> = at.iter().map(ToString::to_string).collect();
        format!("{}:{}", quote(&word), places.join(","))
    };
    (positions.into_iter().map(entry).collect::<Vec<_>>().join(" "), count)
}

/// A word as an operand of a `tsvector` or `tsquery` text.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
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
            words("The Companies' boxes, buses & analysis"),
            ["company", "box", "buse", "analysis"]
        );
        let found = words("知识库的默认分块大小是５１２个ＡＢＣ");
        assert!(found.contains(&"知识库".to_owned()) || found.contains(&"知识".to_owned()));
        assert!(found.contains(&"512".to_owned()) && found.contains(&"abc".to_owned()));
        assert!(!found.contains(&"的".to_owned()));
    }

    #[test]
    fn a_vector_counts_places_and_quotes() {
        assert_eq!(vector("cat dog cats"), ("'cat':1,3 'dog':2".to_owned(), 3));
        assert_eq!(quote("it's \\"), "'it''s \\\\'");
    }
}

//! Words for the full-text index. Chinese is written without spaces, so that PostgreSQL cannot
//! find its words; jieba can.

use lyceum_store::jieba;

/// Text beyond this is kept but not found: a tsvector holds at most 1 MiB.
const MAX_INDEXED_BYTES: usize = 200_000;
const MAX_QUERY_WORDS: usize = 16;
const MAX_WORD_BYTES: usize = 200;

/// The words of a text, separated by spaces, ready for `to_tsvector('simple', …)`.
pub(crate) fn indexed(text: &str) -> String {
    let mut end = text.len().min(MAX_INDEXED_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut words = String::with_capacity(end + end / 4);
    for word in segment(&text[..end]) {
        words.push_str(&word);
        words.push(' ');
    }
    words
}

/// The same for a text of a request, off the threads that serve requests: the first call reads
/// the dictionary, and a long text takes a while.
pub(crate) async fn indexed_off_thread(text: String) -> String {
    tokio::task::spawn_blocking(move || indexed(&text)).await.unwrap_or_default()
}

/// A query for all words of a search, each as a beginning: `'word':* & 'other':*`. `None` where
/// the search holds no word at all.
pub(crate) fn query(search: &str) -> Option<String> {
    let mut words = segment(search);
    words.sort();
    words.dedup();
    words.truncate(MAX_QUERY_WORDS);
    // Segments hold letters and digits only, so nothing in them needs quoting beyond the quotes.
    let terms: Vec<String> = words.iter().map(|word| format!("'{word}':*")).collect();
    (!terms.is_empty()).then(|| terms.join(" & "))
}

pub(crate) fn segment(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let mut words = Vec::new();
    for run in text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        if run.is_ascii() {
            words.push(run);
        } else {
            words.extend(jieba().cut_for_search(run, true).into_iter().map(|token| token.word));
        }
    }
    words.retain(|word| word.len() <= MAX_WORD_BYTES);
    words.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_is_cut_into_words() {
        let words = indexed("知识库检索返回引用，Ledger v2。");
        for word in ["知识库", "检索", "引用", "ledger", "v2"] {
            assert!(words.split(' ').any(|w| w == word), "{word} in {words}");
        }
    }

    #[test]
    fn a_query_cannot_carry_operators() {
        assert_eq!(query("a' | b:* & !c \\"), Some("'a':* & 'b':* & 'c':*".to_owned()));
        assert_eq!(query(" ,. ' "), None);
    }

    #[test]
    fn a_huge_text_is_cut_at_a_character() {
        assert!(indexed(&"知".repeat(100_000)).len() < 2 * MAX_INDEXED_BYTES);
    }
}

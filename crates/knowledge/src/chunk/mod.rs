//! Cuts a document into chunks: whole sentences, at most so many tokens, with some overlap, and
//! never across a heading or a page, so that a citation opens one place of one page.

mod sentences;
mod tokens;

use lyceum_llm::LlmError;
use sha2::{Digest as _, Sha256};

use crate::parse::{Heading, ParsedPage};
use sentences::{Sentence, split};
pub use tokens::{Counter, estimate};

/// How a knowledge base wants its documents cut.
#[derive(Clone, Copy, Debug)]
pub struct ChunkSettings {
    /// Tokens that a chunk has at most, its headings included.
    pub size: usize,
    /// Tokens of the chunk before that are repeated, in whole sentences.
    pub overlap: usize,
}

/// A piece of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The page on which it stands.
    pub page: u32,
    /// Characters from the start of the page's text.
    pub start: u32,
    /// The character after the last.
    pub end: u32,
    /// The page's text between the two.
    pub content: String,
    /// Tokens of the content.
    pub tokens: u32,
    /// The headings above it, outermost first.
    pub headings: Vec<String>,
}

impl Chunk {
    /// What is embedded: the content under its headings, so that a paragraph that never names its
    /// subject is found, too.
    pub fn embedded_text(&self) -> String {
        let above: Vec<&str> = self
            .headings
            .iter()
            .map(String::as_str)
            .filter(|heading| !self.content.starts_with(*heading))
            .collect();
        if above.is_empty() {
            return self.content.clone();
        }
        format!("{}\n{}", above.join(" > "), self.content)
    }
}

/// Tokens that models add by themselves: the task's prefix and the marks around the text.
const RESERVED: usize = 12;
/// Characters of a heading that go with a chunk.
const HEADING_CHARS: usize = 80;
/// Sentences whose tokens are counted at a time.
const COUNT_BATCH: usize = 512;

/// Cuts the pages into chunks.
pub async fn chunk(
    pages: &[ParsedPage],
    settings: ChunkSettings,
    counter: &Counter,
) -> Result<Vec<Chunk>, LlmError> {
    let budget = settings.size.saturating_sub(RESERVED).max(32);
    let mut path: Vec<Heading> = Vec::new();
    let mut packer = Packer { budget, overlap: settings.overlap, chunks: Vec::new() };
    for page in pages {
        let (page, mut open) = (page.clone(), std::mem::take(&mut path));
        let number = page.number;
        let (chars, mut sentences, open) = blocking(move || {
            let chars: Vec<char> = page.text.chars().collect();
            let sentences = split(&chars, &page.headings, &mut open);
            (chars, sentences, open)
        })
        .await?;
        path = open;
        // Headings are part of what is embedded, but may not crowd out the text.
        let room = move |sentence: &Sentence| {
            let headings: usize = sentence.headings.iter().map(|h| estimate(h)).sum();
            budget - headings.min(budget / 4)
        };
        let mut from = 0;
        while from < sentences.len() {
            let to = sentences.len().min(from + COUNT_BATCH);
            let texts: Vec<String> = sentences[from..to].iter().map(|s| s.text(&chars)).collect();
            let counts = counter.count(&texts).await?;
            let mut halved = false;
            let mut counted = Vec::with_capacity(to - from);
            for (mut sentence, tokens) in sentences[from..to].iter().cloned().zip(counts) {
                if tokens > room(&sentence) && sentence.end - sentence.start > 1 {
                    let pieces = tokens / room(&sentence) + 1;
                    counted.extend(sentence.cut(&chars, pieces));
                    halved = true;
                } else {
                    sentence.tokens = tokens.max(1);
                    counted.push(sentence);
                }
            }
            let done = if halved { from } else { from + counted.len() };
            sentences.splice(from..to, counted);
            from = done;
        }
        packer = blocking(move || {
            packer.pack(number, &chars, &sentences, room);
            packer
        })
        .await?;
    }
    Ok(packer.chunks)
}

/// Runs what takes long with a long page where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LlmError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| LlmError::Internal(error.into()))
}

/// A digest of where all chunks begin and end: a job that goes on after a crash compares it.
pub fn plan(chunks: &[Chunk]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for chunk in chunks {
        for number in [chunk.page, chunk.start, chunk.end] {
            hash.update(number.to_be_bytes());
        }
    }
    hash.finalize().into()
}

struct Packer {
    budget: usize,
    overlap: usize,
    chunks: Vec<Chunk>,
}

impl Packer {
    /// Fills chunks with sentences in order.
    fn pack(
        &mut self,
        page: u32,
        chars: &[char],
        sentences: &[Sentence],
        room: impl Fn(&Sentence) -> usize,
    ) {
        let mut first = 0;
        let mut tokens = 0;
        for (at, sentence) in sentences.iter().enumerate() {
            let section =
                sentence.heading.is_some() && self.ends_at(&sentences[first..at], sentence, tokens);
            if at > first && (section || tokens + sentence.tokens > room(&sentences[first])) {
                self.push(page, chars, &sentences[first..at]);
                first = at;
                if !section {
                    first = self.repeated(&sentences[..at], sentence);
                }
                tokens = sentences[first..at].iter().map(|s| s.tokens).sum();
            }
            tokens += sentence.tokens;
        }
        if first < sentences.len() {
            self.push(page, chars, &sentences[first..]);
        }
    }

    /// Whether a heading ends the chunk before it. Headings right below each other, and a little
    /// text before a deeper heading, stay together with what follows.
    fn ends_at(&self, open: &[Sentence], heading: &Sentence, tokens: usize) -> bool {
        if open.iter().all(|sentence| sentence.heading.is_some()) {
            return false;
        }
        let deeper =
            open.first().is_some_and(|first| heading.headings.len() > first.headings.len());
        !(deeper && tokens < self.budget / 8)
    }

    /// The first sentence of the next chunk: so many before it are repeated as the overlap allows.
    fn repeated(&self, before: &[Sentence], next: &Sentence) -> usize {
        let mut tokens = 0;
        let mut first = before.len();
        for (at, sentence) in before.iter().enumerate().rev() {
            tokens += sentence.tokens;
            let same = sentence.headings == next.headings && sentence.heading.is_none();
            if !same || tokens > self.overlap || tokens + next.tokens > self.budget * 3 / 4 {
                break;
            }
            first = at;
        }
        first
    }

    fn push(&mut self, page: u32, chars: &[char], sentences: &[Sentence]) {
        let (Some(first), Some(last)) = (sentences.first(), sentences.last()) else { return };
        let tokens: usize = sentences.iter().map(|sentence| sentence.tokens).sum();
        self.chunks.push(Chunk {
            page,
            start: u32::try_from(first.start).unwrap_or(u32::MAX),
            end: u32::try_from(last.end).unwrap_or(u32::MAX),
            content: chars[first.start..last.end].iter().collect(),
            tokens: u32::try_from(tokens).unwrap_or(u32::MAX),
            headings: first.headings.to_vec(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(pages: &[ParsedPage], size: usize, overlap: usize) -> Vec<Chunk> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let settings = ChunkSettings { size, overlap };
        runtime.block_on(chunk(pages, settings, &Counter::Estimate)).unwrap()
    }

    fn page(number: u32, text: &str) -> ParsedPage {
        ParsedPage { number, text: text.to_owned(), headings: Vec::new() }
    }

    proptest! {
        #[test]
        fn every_character_is_in_a_chunk_that_fits_and_offsets_are_exact(
            texts in prop::collection::vec("([a-zA-Z0-9 ,.!?\n|]|[知识库的块。！？；，\u{1F600}é]){0,900}", 1..4),
            size in 64usize..300,
            overlap in 0usize..30,
        ) {
            let pages: Vec<ParsedPage> =
                texts.iter().enumerate().map(|(at, text)| page(at as u32 + 1, text)).collect();
            let chunks = cut(&pages, size, overlap);
            for page in &pages {
                let chars: Vec<char> = page.text.chars().collect();
                let mut covered = vec![false; chars.len()];
                let mut last = 0;
                for chunk in chunks.iter().filter(|chunk| chunk.page == page.number) {
                    let (start, end) = (chunk.start as usize, chunk.end as usize);
                    prop_assert_eq!(&chars[start..end].iter().collect::<String>(), &chunk.content);
                    prop_assert!(chunk.tokens as usize <= size);
                    prop_assert!(end > last, "each chunk brings something new");
                    last = end;
                    covered[start..end].fill(true);
                }
                for (at, c) in chars.iter().enumerate() {
                    prop_assert!(covered[at] || c.is_whitespace());
                }
            }
        }
    }

    #[test]
    fn headings_begin_chunks_and_go_with_them() {
        let text = format!(
            "Guide\n\n{}\n\n安装\n\n{}",
            "One sentence. ".repeat(40),
            "运行脚本。".repeat(5)
        );
        let offset = text.chars().position(|c| c == '安').unwrap() as u32;
        let headings = vec![
            Heading { offset: 0, level: 1, text: "Guide".into() },
            Heading { offset, level: 2, text: "安装".into() },
        ];
        let chunks = cut(&[ParsedPage { number: 1, text, headings }], 512, 50);
        assert_eq!(chunks.len(), 2);
        assert!(chunks[0].content.starts_with("Guide\n\nOne"));
        assert_eq!(chunks[1].headings, ["Guide", "安装"]);
        assert!(
            chunks[1].embedded_text().starts_with("Guide > 安装\n")
                || chunks[1].embedded_text().starts_with("Guide\n安装")
        );
    }

    #[test]
    fn neighbours_share_whole_sentences() {
        let text: String = (0..60).map(|n| format!("第{n}句话说明知识库的一个性质。")).collect();
        let chunks = cut(&[page(1, &text)], 128, 30);
        assert!(chunks.len() > 4);
        for pair in chunks.windows(2) {
            assert!(pair[1].start < pair[0].end, "overlap");
            assert!(pair[1].content.starts_with('第'));
            assert!(pair[0].content.ends_with('。'));
        }
    }
}

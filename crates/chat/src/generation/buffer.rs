//! What a generation has said so far, for subscribers that come, go and come back.
//!
//! A position counts the bytes of text (answer and reasoning) said before it, and is the id of an
//! event. So an id means the same on every node and after a restart, where the text is read from
//! its row (as long as the reasoning comes before the answer: a row keeps no other order), and a
//! slow subscriber simply gets more text in one event instead of a longer queue.

use std::sync::Arc;

use serde_json::Value;

/// The most text in one event.
const MAX_EVENT_BYTES: usize = 32 * 1024;
/// The longest answer, and the longest reasoning; what a row holds.
const MAX_TEXT_BYTES: usize = 1_000_000;

/// Which text grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Answer,
    Reasoning,
}

#[derive(Debug)]
enum Entry {
    /// A run of one text, as a range of its bytes.
    Text { kind: Kind, from: usize, to: usize },
    /// Something that is not text; takes no room, so it is repeated to who resumes right there.
    Notice(&'static str, Arc<Value>),
}

/// An event for a subscriber.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// The position after it.
    pub id: u64,
    pub name: &'static str,
    pub data: Arc<Value>,
}

/// How far a subscriber has read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    entry: usize,
    /// Bytes of a text entry already read.
    offset: usize,
    position: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Buffer {
    answer: String,
    reasoning: String,
    entries: Vec<Entry>,
    full: bool,
}

impl Buffer {
    /// Whether text had to be left out because there was too much of it.
    pub fn is_full(&self) -> bool {
        self.full
    }

    pub fn answer(&self) -> &str {
        &self.answer
    }

    pub fn reasoning(&self) -> &str {
        &self.reasoning
    }

    /// Appends text. NUL, which PostgreSQL cannot keep, is left out.
    pub fn say(&mut self, kind: Kind, text: &str) {
        let target = match kind {
            Kind::Answer => &mut self.answer,
            Kind::Reasoning => &mut self.reasoning,
        };
        let from = target.len();
        for part in text.split('\0') {
            let mut room = part.len().min(MAX_TEXT_BYTES - target.len());
            while !part.is_char_boundary(room) {
                room -= 1;
            }
            self.full |= room < part.len();
            target.push_str(&part[..room]);
        }
        let to = target.len();
        if from == to {
            return;
        }
        match self.entries.last_mut() {
            Some(Entry::Text { kind: last, to: end, .. }) if *last == kind => *end = to,
            _ => self.entries.push(Entry::Text { kind, from, to }),
        }
    }

    pub fn notice(&mut self, name: &'static str, data: Value) {
        self.entries.push(Entry::Notice(name, Arc::new(data)));
    }

    /// Where a subscriber stands that has seen everything up to `position`. A position inside a
    /// character, which was never given out, counts as before it; one beyond the end as the end.
    pub fn cursor_at(&self, position: u64) -> Cursor {
        let mut cursor = Cursor::default();
        let mut left = usize::try_from(position).unwrap_or(usize::MAX);
        for (index, entry) in self.entries.iter().enumerate() {
            cursor.entry = index;
            cursor.offset = 0;
            match entry {
                Entry::Text { kind, from, to } => {
                    let mut take = left.min(to - from);
                    while !self.text(*kind).is_char_boundary(from + take) {
                        take -= 1;
                    }
                    cursor.offset = take;
                    cursor.position += take as u64;
                    if take < to - from || left == take {
                        return cursor;
                    }
                    left -= take;
                }
                Entry::Notice(..) if left == 0 => return cursor,
                Entry::Notice(..) => {}
            }
        }
        cursor
    }

    /// The next event for a subscriber, if there is one already.
    pub fn next(&self, cursor: &mut Cursor) -> Option<Event> {
        loop {
            match self.entries.get(cursor.entry)? {
                Entry::Notice(name, data) => {
                    cursor.entry += 1;
                    cursor.offset = 0;
                    return Some(Event { id: cursor.position, name, data: data.clone() });
                }
                Entry::Text { kind, from, to } => {
                    let start = from + cursor.offset;
                    if start == *to {
                        // The last run may still grow, so it is left only when another follows.
                        self.entries.get(cursor.entry + 1)?;
                        cursor.entry += 1;
                        cursor.offset = 0;
                        continue;
                    }
                    let text = self.text(*kind);
                    let mut end = (*to).min(start + MAX_EVENT_BYTES);
                    while !text.is_char_boundary(end) {
                        end -= 1;
                    }
                    cursor.offset = end - from;
                    cursor.position += (end - start) as u64;
                    let data = Arc::new(serde_json::json!({ "text": &text[start..end] }));
                    return Some(Event { id: cursor.position, name: event_name(*kind), data });
                }
            }
        }
    }

    fn text(&self, kind: Kind) -> &str {
        match kind {
            Kind::Answer => &self.answer,
            Kind::Reasoning => &self.reasoning,
        }
    }
}

pub(crate) fn event_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Answer => "delta",
        Kind::Reasoning => "reasoning",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(buffer: &Buffer, from: u64) -> (Vec<Event>, String, String) {
        let mut cursor = buffer.cursor_at(from);
        let events: Vec<Event> = std::iter::from_fn(|| buffer.next(&mut cursor)).collect();
        let text = |name| {
            let of_name = events.iter().filter(|event| event.name == name);
            of_name.filter_map(|event| event.data["text"].as_str()).collect::<String>()
        };
        let (answer, reasoning) = (text("delta"), text("reasoning"));
        (events, answer, reasoning)
    }

    fn buffer() -> Buffer {
        let mut buffer = Buffer::default();
        buffer.notice("status", serde_json::json!({ "status": "streaming" }));
        buffer.say(Kind::Reasoning, "Hm, ");
        buffer.say(Kind::Reasoning, "\0嗯。");
        buffer.say(Kind::Answer, "你好, ");
        buffer.notice("citations", serde_json::json!({ "items": [] }));
        buffer.say(Kind::Answer, "world");
        buffer
    }

    #[test]
    fn every_position_resumes_to_the_same_text() {
        let buffer = buffer();
        let whole = format!("{}{}", buffer.reasoning(), buffer.answer());
        for position in 0..=whole.len() {
            let (_, answer, reasoning) = read(&buffer, position as u64);
            let mut start = position;
            while !whole.is_char_boundary(start) {
                start -= 1;
            }
            assert_eq!(format!("{reasoning}{answer}"), whole[start..], "from {position}");
        }
        assert_eq!(read(&buffer, 10_000).0, vec![]);
    }

    #[test]
    fn a_reader_that_keeps_up_gets_every_piece_once() {
        let mut buffer = Buffer::default();
        let mut cursor = buffer.cursor_at(0);
        let mut read = String::new();
        for piece in ["a", "", "知识", "b"] {
            buffer.say(Kind::Answer, piece);
            while let Some(event) = buffer.next(&mut cursor) {
                read.push_str(event.data["text"].as_str().unwrap());
                assert_eq!(event.id, read.len() as u64);
            }
        }
        assert_eq!(read, "a知识b");
    }

    #[test]
    fn text_beyond_what_a_row_holds_is_cut_at_a_character() {
        let mut buffer = Buffer::default();
        buffer.say(Kind::Answer, &"知".repeat(333_333));
        assert!(!buffer.is_full());
        buffer.say(Kind::Answer, "知");
        assert!(buffer.is_full());
        assert_eq!(buffer.answer().len(), 999_999);
    }

    #[test]
    fn a_late_reader_gets_large_pieces_of_bounded_size() {
        let mut buffer = Buffer::default();
        for _ in 0..50_000 {
            buffer.say(Kind::Answer, "知");
        }
        let (events, answer, _) = read(&buffer, 0);
        assert_eq!(answer.chars().count(), 50_000);
        assert_eq!(events.len(), 150_000_usize.div_ceil(MAX_EVENT_BYTES));
    }
}

//! Turns the bytes of generated tokens into text that may be shown: whole code points only, and
//! nothing that belongs to a stop text.

/// What [`Assembler::push`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Text that can be shown; may be empty.
    pub(crate) text: String,
    /// Whether a stop text has come; nothing follows.
    pub(crate) stopped: bool,
}

/// Collects bytes and lets go of text as soon as it is certain.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    stops: Vec<String>,
    bytes: Vec<u8>,
    held: String,
}

impl Assembler {
    /// An assembler that ends before the first of `stops`.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        Self { stops, bytes: Vec::new(), held: String::new() }
    }

    /// Takes the bytes of one more token.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Piece {
        self.bytes.extend(bytes);
        self.decode(false);
        self.release()
    }

    /// Gives what is still held back; an incomplete code point becomes U+FFFD.
    pub(crate) fn finish(&mut self) -> String {
        self.decode(true);
        let piece = self.release();
        if piece.stopped { piece.text } else { piece.text + &std::mem::take(&mut self.held) }
    }

    /// Moves complete code points from `bytes` to `held`.
    fn decode(&mut self, last: bool) {
        let mut rest = self.bytes.as_slice();
        while !rest.is_empty() {
            match str::from_utf8(rest) {
                Ok(text) => {
                    self.held.push_str(text);
                    rest = &[];
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.held.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    match error.error_len() {
                        Some(length) => rest = &rest[length..],
                        None if last => rest = &[],
                        None => break,
                    }
                    self.held.push(char::REPLACEMENT_CHARACTER);
                }
            }
        }
        self.bytes = rest.to_vec();
    }

    fn release(&mut self) -> Piece {
        let first = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        if let Some(at) = first {
            self.held.truncate(at);
            return Piece { text: std::mem::take(&mut self.held), stopped: true };
        }
        let kept = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - kept);
        Piece { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }
}

/// How many of the last bytes of `text` may be the beginning of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let starts = stop.char_indices().map(|(at, _)| at).filter(|at| *at > 0);
    starts.filter(|at| text.ends_with(&stop[..*at])).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stops: &[&str], text: &[u8], width: usize) -> (String, bool) {
        let mut assembler = Assembler::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
        let mut shown = String::new();
        for bytes in text.chunks(width) {
            let piece = assembler.push(bytes);
            shown += &piece.text;
            if piece.stopped {
                return (shown, true);
            }
        }
        (shown + &assembler.finish(), false)
    }

    #[test]
    fn any_cut_gives_the_same_text() {
        let text = "Grüße 你好,世界 🙂👩‍👩‍👧 end";
        for width in 1..8 {
            assert_eq!(run(&[], text.as_bytes(), width), (text.to_owned(), false));
        }
    }

    #[test]
    fn a_stop_text_is_never_shown_even_when_it_comes_in_pieces() {
        for width in 1..8 {
            let found = run(&["###", "\n\nUser:"], "你好\n\n#\n\nUser: next".as_bytes(), width);
            assert_eq!(found, ("你好\n\n#".to_owned(), true));
        }
    }

    #[test]
    fn the_beginning_of_a_stop_text_is_shown_in_the_end() {
        assert_eq!(run(&["###"], b"a ##", 1), ("a ##".to_owned(), false));
    }

    #[test]
    fn broken_bytes_become_replacement_characters() {
        assert_eq!(run(&[], b"a\xff\xe4\xbdb\xe4\xbd", 1).0, "a\u{fffd}\u{fffd}b\u{fffd}");
    }
}

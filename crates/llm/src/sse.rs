//! Reading server-sent events from a byte stream (the WHATWG format), however it is cut into
//! pieces: LF, CR and CRLF, comments, data over several lines, a byte-order mark, invalid UTF-8.
//! And writing them.

use std::collections::VecDeque;

/// The longest event that is read, in bytes; a provider that sends more is not trusted further.
pub const MAX_EVENT_BYTES: usize = 8 * 1024 * 1024;

/// An event as it is sent.
pub fn event(name: Option<&str>, data: &str) -> String {
    let mut text = String::with_capacity(data.len() + 48);
    if let Some(name) = name {
        text.extend(["event: ", name, "\n"]);
    }
    for line in data.split('\n') {
        text.extend(["data: ", line, "\n"]);
    }
    text.push('\n');
    text
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SseEvent {
    /// The `event` field, where there is one.
    pub name: Option<String>,
    /// The `data` fields, joined by line breaks. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub data: String,
}

/// The event is longer than [`MAX_EVENT_BYTES`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {MAX_EVENT_BYTES} bytes")]
pub struct SseTooLong;

/// Takes bytes, gives events.
#[derive(Debug, Default)]
pub struct SseParser {
    line: Vec<u8>,
    data: Option<String>,
    name: Option<String>,
    ready: VecDeque<SseEvent>,
    after_cr: bool,
    past_first_line: bool,
}

impl SseParser {
    /// An empty parser.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next piece of the stream.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), SseTooLong> {
        if self.after_cr {
            self.after_cr = bytes.is_empty();
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n' || byte == b'\r') {
            self.extend_line(&bytes[..end])?;
            self.end_line();
            let cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if cr {
                self.after_cr = bytes.is_empty();
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
        }
        self.extend_line(bytes)
    }

    /// The next whole event.
    pub fn next_event(&mut self) -> Option<SseEvent> {
        self.ready.pop_front()
    }

    /// At the end of the stream: what was begun and not ended by an empty line. The format says to
    /// drop it; some providers end their last event so.
    pub fn finish(&mut self) -> Option<SseEvent> {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.dispatch();
        self.ready.pop_front()
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), SseTooLong> {
        let pending = self.data.as_ref().map_or(0, String::len);
        if pending + self.line.len() + bytes.len() > MAX_EVENT_BYTES {
            return Err(SseTooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.past_first_line, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch();
            return;
        }
        let (field, value) = match line.iter().position(|&byte| byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
        match field {
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(&value);
                }
                None => self.data = Some(value.into_owned()),
            },
            b"event" => self.name = Some(value.into_owned()),
            // Comments (an empty field name), ids and retry times mean nothing to a provider's
            // stream.
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        let name = self.name.take();
        if let Some(data) = self.data.take() {
            self.ready.push_back(SseEvent { name, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pieces: &[&[u8]]) -> Vec<String> {
        let mut parser = SseParser::new();
        for piece in pieces {
            parser.push(piece).unwrap();
        }
        std::iter::from_fn(|| parser.next_event()).map(|event| event.data).collect()
    }

    #[test]
    fn every_cut_and_every_line_ending_gives_the_same_events() {
        for ending in ["\n", "\r\n", "\r"] {
            let text = [
                ": hello",
                "event: x",
                "data: {\"a\":1}",
                "",
                "id: 7",
                "data:b",
                "data: c",
                "",
                "",
            ]
            .join(ending);
            let bytes = text.as_bytes();
            for cut in 0..bytes.len() {
                let events = parse(&[&bytes[..cut], &[], &bytes[cut..]]);
                assert_eq!(events, ["{\"a\":1}", "b\nc"], "{ending:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut parser = SseParser::new();
        let text = event(Some("x"), "{\"a\":\n1}");
        assert_eq!(text, "event: x\ndata: {\"a\":\ndata: 1}\n\n");
        parser.push(text.as_bytes()).unwrap();
        let read = SseEvent { name: Some("x".to_owned()), data: "{\"a\":\n1}".to_owned() };
        assert_eq!(parser.next_event(), Some(read));
        assert_eq!(event(None, "b"), "data: b\n\n");
    }

    #[test]
    fn a_byte_order_mark_and_invalid_utf8_are_survived() {
        assert_eq!(parse(&[b"\xef\xbb\xbfdata: a\xff\n\n"]), ["a\u{fffd}"]);
        // A character cut in two between pieces is whole again.
        let han = "data: 汉\n\n".as_bytes();
        assert_eq!(parse(&[&han[..7], &han[7..]]), ["汉"]);
    }

    #[test]
    fn events_without_data_are_none() {
        assert_eq!(parse(&[b"event: ping\n\n: comment\n\n\n\n"]), Vec::<String>::new());
        assert_eq!(parse(&[b"data\n\n"]), [""]);
    }

    #[test]
    fn what_was_not_ended_comes_only_at_the_end() {
        let mut parser = SseParser::new();
        parser.push(b"data: [DONE]").unwrap();
        assert_eq!(parser.next_event(), None);
        assert_eq!(parser.finish().map(|event| event.data).as_deref(), Some("[DONE]"));
        assert_eq!(parser.finish(), None);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = SseParser::new();
        let piece = vec![b'x'; MAX_EVENT_BYTES / 2 + 1];
        parser.push(&piece).unwrap();
        assert_eq!(parser.push(&piece), Err(SseTooLong));
        // Many lines of one event count together.
        let mut parser = SseParser::new();
        let line = [b"data: ".as_slice(), &piece, b"\n"].concat();
        parser.push(&line).unwrap();
        assert_eq!(parser.push(&line), Err(SseTooLong));
    }
}

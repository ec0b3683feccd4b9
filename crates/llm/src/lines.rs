//! Reading newline-delimited JSON from a byte stream, however it is cut into pieces.

use std::collections::VecDeque;

use crate::sse::{MAX_EVENT_BYTES, SseTooLong};

/// Takes bytes, gives lines that are not empty. Bytes that are not UTF-8 are replaced by U+FFFD.
#[derive(Debug, Default)]
pub(crate) struct LineParser {
    line: Vec<u8>,
    ready: VecDeque<String>,
}

impl LineParser {
    /// Reads the next piece of the stream.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), SseTooLong> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.extend(&bytes[..end])?;
            bytes = &bytes[end + 1..];
            let line = self.finish();
            self.ready.extend(line);
        }
        self.extend(bytes)
    }

    /// The next whole line.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        self.ready.pop_front()
    }

    /// What was begun and not ended by a line break.
    pub(crate) fn finish(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), SseTooLong> {
        if self.line.len() + bytes.len() > MAX_EVENT_BYTES {
            return Err(SseTooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_gives_the_same_lines() {
        let bytes = "{\"a\":\"汉\"}\r\n\n {\"b\":1}\n{\"c\"".as_bytes();
        for cut in 0..bytes.len() {
            let mut parser = LineParser::default();
            parser.push(&bytes[..cut]).unwrap();
            parser.push(&bytes[cut..]).unwrap();
            let lines: Vec<_> = std::iter::from_fn(|| parser.next_line()).collect();
            assert_eq!(lines, ["{\"a\":\"汉\"}", "{\"b\":1}"], "cut at {cut}");
            assert_eq!(parser.finish().as_deref(), Some("{\"c\""));
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = LineParser::default();
        let piece = vec![b'x'; MAX_EVENT_BYTES / 2 + 1];
        parser.push(&piece).unwrap();
        assert_eq!(parser.push(&piece), Err(SseTooLong));
    }
}

use std::io::Read;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::pages::Pages;
use super::{Outcome, ParseError, ParsedPage};

/// Plain text: paragraphs are separated by empty lines.
pub(super) fn read(
    mut file: impl Read,
    sink: &mut dyn FnMut(ParsedPage) -> Result<(), ParseError>,
) -> Result<Outcome, ParseError> {
    let text = read_to_string(&mut file)?;
    let mut pages = Pages::flowing(sink);
    for block in blocks(&text) {
        pages.block(block)?;
    }
    Ok(Outcome { page_count: Some(pages.finish()?), ..Outcome::default() })
}

/// The whole file as text, whatever its encoding.
pub(super) fn read_to_string(file: &mut impl Read) -> Result<String, ParseError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(ParseError::unreadable)?;
    let encoding = detect(&bytes).ok_or(ParseError::UnsupportedType)?;
    let (text, ..) = encoding.decode(&bytes);
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// The start of a file as text, or `None` where it is no text.
pub(super) fn decode_head(head: &[u8]) -> Option<String> {
    let (text, ..) = detect(head)?.decode(head);
    Some(text.into_owned())
}

/// Whether the start of a file is UTF-8 without control characters, which no binary file is.
pub(super) fn is_plain(head: &[u8]) -> bool {
    valid_utf8(head) && !head.iter().any(is_odd)
}

/// Texts between empty lines.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (block, after) = match empty_line(rest) {
                Some((at, next)) => (&rest[..at], &rest[next..]),
                None => (rest, ""),
            };
            rest = after;
            if !block.trim().is_empty() {
                return Some(block);
            }
        }
        None
    })
}

/// Where the first empty line begins and where it ends.
fn empty_line(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(found) = text[from..].find('\n') {
        let at = from + found;
        let after = &text[at + 1..];
        let blank = after.len() - after.trim_start_matches([' ', '\t']).len();
        if after[blank..].starts_with('\n') {
            return Some((at, at + 1 + blank + 1));
        }
        from = at + 1;
    }
    None
}

/// The encoding, or `None` where the bytes are no text.
fn detect(bytes: &[u8]) -> Option<&'static Encoding> {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return Some(encoding);
    }
    if bytes.contains(&0) {
        return wide(bytes);
    }
    if bytes.iter().filter(|b| is_odd(b)).count() * 100 > bytes.len() {
        return None;
    }
    if valid_utf8(bytes) || nearly_utf8(bytes) {
        return Some(UTF_8);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    Some(detector.guess(None, Utf8Detection::Allow))
}

/// Whether a byte is a control character that is rare in texts.
fn is_odd(byte: &u8) -> bool {
    byte.is_ascii_control() && !b"\t\n\r\x0c\x1b".contains(byte)
}

/// UTF-8 in which few places are broken, as where a log was cut in the middle of a character. In
/// other encodings it is by chance that bytes make a character of UTF-8, and seldom.
fn nearly_utf8(bytes: &[u8]) -> bool {
    let (mut chars, mut wide, mut broken) = (0, 0, 0);
    for chunk in bytes.utf8_chunks() {
        chars += chunk.valid().chars().count();
        wide += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    wide > 4 * broken && chars > 200 * broken
}

/// UTF-8, or the beginning of it.
fn valid_utf8(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && error.valid_up_to() > 0,
    }
}

/// UTF-16 without a mark: every other byte of European text is zero; of Chinese, line ends and
/// spaces give it away.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let zeros = |offset: usize| bytes.iter().skip(offset).step_by(2).filter(|b| **b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let encoding = if odd > even * 8 {
        UTF_16LE
    } else if even > odd * 8 {
        UTF_16BE
    } else {
        return None;
    };
    let (text, _, broken) = encoding.decode(&bytes[..bytes.len() & !1]);
    let odd = text.chars().filter(|c| c.is_control() && !c.is_whitespace()).count();
    (!broken && odd * 100 <= text.chars().count()).then_some(encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(bytes: &[u8]) -> String {
        let mut all = String::new();
        read(bytes, &mut |page| {
            all.push_str(&page.text);
            Ok(())
        })
        .unwrap();
        all
    }

    #[test]
    fn encodings_are_recognised() {
        let chinese = "知识库的默认分块大小是五百一十二个词元，重叠五十个。\n第二行在这里。";
        let (gb, ..) = encoding_rs::GB18030.encode(chinese);
        assert_eq!(text_of(&gb), chinese);
        let taiwan = "知識庫的預設分塊大小是五百一十二個詞元，重疊五十個。這是繁體中文的文件。";
        let (big5, ..) = encoding_rs::BIG5.encode(taiwan);
        assert_eq!(text_of(&big5), taiwan);
        let utf16: Vec<u8> = chinese.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(text_of(&[&[0xff, 0xfe], &utf16[..]].concat()), chinese);
        let utf16: Vec<u8> =
            "plain English\ntext".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(text_of(&utf16), "plain English\ntext");
    }

    #[test]
    fn a_torn_character_does_not_make_utf8_another_encoding() {
        let line = "2024-05-01 12:00:00 信息 知识库“产品手册”已建立索引，共五百一十二个分块。\n";
        let log = line.repeat(20);
        // The log was turned over between two bytes of its first character.
        let torn = [&"日志".as_bytes()[2..], log.as_bytes()].concat();
        assert_eq!(text_of(&torn), format!("\u{fffd}志{}", log.trim_end()));
        let mut middle = log.clone().into_bytes();
        middle.remove(log.find('库').unwrap() + 1);
        let text = text_of(&middle);
        assert!(text.contains("索引") && text.matches('\u{fffd}').count() <= 2, "{text}");
        for (encoding, line) in [
            (encoding_rs::GB18030, "知识库的默认分块大小是五百一十二个词元，重叠五十个。\n"),
            (encoding_rs::BIG5, "知識庫的預設分塊大小是五百一十二個詞元，重疊五十個。\n"),
        ] {
            let long = line.repeat(100);
            let (bytes, ..) = encoding.encode(&long);
            assert_eq!(text_of(&bytes), long.trim_end(), "{}", encoding.name());
        }
        let (western, ..) = encoding_rs::WINDOWS_1252.encode("Une journée d’été à la plage. ");
        assert!(!nearly_utf8(&western.repeat(50)));
    }

    #[test]
    fn paragraphs_are_what_stands_between_empty_lines() {
        let found: Vec<&str> = blocks("a\nb\n \nc\n\n\n\nd\n").collect();
        assert_eq!(found, ["a\nb", "c", "d\n"]);
    }

    #[test]
    fn binary_is_no_text() {
        assert!(decode_head(&[0, 1, 2, 3, 0, 200, 7, 0]).is_none());
    }
}

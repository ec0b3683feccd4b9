use super::text;

/// Bytes from the start of a file that [`sniff`] wants to see.
pub const HEAD_BYTES: usize = 64 * 1024;

/// A kind of document that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// PDF.
    Pdf,
    /// Word, from 2007 on.
    Docx,
    /// Excel, from 2007 on.
    Xlsx,
    /// PowerPoint, from 2007 on.
    Pptx,
    /// HTML.
    Html,
    /// Markdown.
    Markdown,
    /// Comma-, semicolon- or tab-separated values.
    Csv,
    /// Plain text in any encoding.
    Text,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 8] = [
        Format::Pdf,
        Format::Docx,
        Format::Xlsx,
        Format::Pptx,
        Format::Html,
        Format::Markdown,
        Format::Csv,
        Format::Text,
    ];

    /// The media type.
    pub fn mime_type(self) -> &'static str {
        match self {
            Format::Pdf => "application/pdf",
            Format::Docx => {
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
            }
            Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Format::Pptx => {
                "application/vnd.openxmlformats-officedocument.presentationml.presentation"
            }
            Format::Html => "text/html",
            Format::Markdown => "text/markdown",
            Format::Csv => "text/csv",
            Format::Text => "text/plain",
        }
    }

    /// The usual extension, to tell people what is supported.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Pdf => "pdf",
            Format::Docx => "docx",
            Format::Xlsx => "xlsx",
            Format::Pptx => "pptx",
            Format::Html => "html",
            Format::Markdown => "md",
            Format::Csv => "csv",
            Format::Text => "txt",
        }
    }

    /// Whether a document that was read as so many pages has pages (sheets, slides) for people, too.
    /// A DOCX file has them only where a program noted their breaks; the text of the other formats
    /// is one page, or is cut into several where it is long.
    pub fn has_pages(self, count: i32) -> bool {
        match self {
            Format::Pdf | Format::Xlsx | Format::Pptx => true,
            Format::Docx => count > 1,
            Format::Html | Format::Markdown | Format::Csv | Format::Text => false,
        }
    }

    /// The format of a media type.
    pub fn from_mime_type(mime_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.mime_type() == mime_type)
    }
}

/// What the file is, judged by its first [`HEAD_BYTES`]. The name only decides between kinds of
/// text, which no content tells apart for certain.
pub fn sniff(head: &[u8], filename: &str) -> Option<Format> {
    if find(&head[..head.len().min(1024)], b"%PDF-").is_some() {
        return Some(Format::Pdf);
    }
    if head.starts_with(b"PK\x03\x04") {
        return office(head);
    }
    // An encrypted Office document is an OLE container; saying so is more use than "unsupported".
    if head.starts_with(b"\xd0\xcf\x11\xe0") {
        let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        return find(head, &name).map(|_| Format::Docx);
    }
    let html = |text: &str| {
        let start: String = text.trim_start().chars().take(400).collect::<String>().to_lowercase();
        start.starts_with("<!doctype html")
            || start.starts_with("<html")
            || start.starts_with('<') && (start.contains("<html") || start.contains("<body"))
    };
    let text = text::decode_head(head)?;
    if html(&text) {
        return Some(Format::Html);
    }
    let extension = filename.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    let named = match extension.as_deref() {
        Some("md" | "markdown" | "mkd") => Some(Format::Markdown),
        Some("csv" | "tsv") => Some(Format::Csv),
        Some("htm" | "html" | "xhtml") if text.contains('<') => Some(Format::Html),
        Some("txt" | "text" | "log") => Some(Format::Text),
        _ => None,
    };
    // Two letters make a picture ("BM") or a program ("MZ"), and begin many a text.
    let is_text = named.is_some() && text::is_plain(head);
    if !is_text && is_binary(head) {
        return None;
    }
    Some(named.unwrap_or_else(|| match looks_like_markdown(&text) {
        true => Format::Markdown,
        false => Format::Text,
    }))
}

/// Whether the file begins as one of a known kind that is no text.
fn is_binary(head: &[u8]) -> bool {
    infer::get(head).is_some_and(|kind| {
        !matches!(kind.matcher_type(), infer::MatcherType::Text | infer::MatcherType::Custom)
    })
}

/// Office documents are zip archives; the names of their parts stand before each part.
fn office(head: &[u8]) -> Option<Format> {
    let part = |name: &[u8]| find(head, name).is_some();
    if part(b"word/") {
        Some(Format::Docx)
    } else if part(b"xl/") {
        Some(Format::Xlsx)
    } else if part(b"ppt/") {
        Some(Format::Pptx)
    } else {
        None
    }
}

fn looks_like_markdown(text: &str) -> bool {
    let lines = || text.lines().take(400);
    let heading = |line: &&str| {
        let rest = line.trim_start_matches('#');
        rest.len() < line.len() && line.len() - rest.len() <= 6 && rest.starts_with(' ')
    };
    let headings = lines().filter(heading).count();
    headings >= 2 || headings == 1 && lines().any(|line| line.starts_with("```"))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_and_the_name_does_not() {
        assert_eq!(sniff(b"%PDF-1.7\n", "x.txt"), Some(Format::Pdf));
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "x.pdf"), None);
        assert_eq!(sniff(b"\x7fELF\x02\x01\x01\0\0\0\0\0", "x.md"), None);
        assert_eq!(sniff(b"PK\x03\x04\x14\0\0\0\0\0 secrets.txt", "x.docx"), None);
        assert_eq!(sniff(b"<!DOCTYPE html><p>x", "x.txt"), Some(Format::Html));
    }

    #[test]
    fn text_that_begins_as_a_binary_file_does_is_text() {
        for text in ["BM25 is a ranking.", "BC Hydro: rates of 2024", "MZ 系列电机手册"] {
            assert_eq!(sniff(text.as_bytes(), "x.txt"), Some(Format::Text), "{text}");
            assert_eq!(sniff(text.as_bytes(), "x.md"), Some(Format::Markdown), "{text}");
            assert_eq!(sniff(text.as_bytes(), "x.exe"), None, "{text}");
        }
        assert_eq!(sniff(b"BM\x8a and what is no text in UTF-8", "x.txt"), None);
    }

    #[test]
    fn kinds_of_text_are_told_by_name_and_content() {
        assert_eq!(sniff(b"a,b\n1,2\n", "x.csv"), Some(Format::Csv));
        assert_eq!(sniff(b"# A\n\ntext\n\n## B\n", "notes"), Some(Format::Markdown));
        assert_eq!(sniff("知识库说明".as_bytes(), "x"), Some(Format::Text));
        let (gbk, ..) = encoding_rs::GB18030.encode("知识库的默认分块大小是五百一十二个词元。");
        assert_eq!(sniff(&gbk, "x.txt"), Some(Format::Text));
    }
}

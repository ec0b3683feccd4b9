/// A file name that is only a label: the last part of what was sent, without control characters
/// or marks that turn text around, at most 255 characters.
pub(super) fn filename(sent: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let harmless = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let clean: String = last.chars().filter(harmless).collect();
    let clean = clean.trim().trim_start_matches('.');
    if clean.is_empty() {
        return "document".to_owned();
    }
    let excess = clean.chars().count().saturating_sub(255);
    match clean.rsplit_once('.') {
        // Keeps the extension of a long name.
        Some((stem, end)) if excess > 0 && end.len() <= 10 => {
            let keep = stem.chars().count().saturating_sub(excess);
            format!("{}.{end}", stem.chars().take(keep).collect::<String>())
        }
        _ => clean.chars().take(255).collect(),
    }
}

/// The title that a document has from its file: the name without its extension.
pub(super) fn title(filename: &str) -> String {
    let stem = filename.rsplit_once('.').map_or(filename, |(stem, _)| stem).trim();
    if stem.is_empty() { filename.to_owned() } else { stem.to_owned() }
}

/// The header that makes a browser save the file under its name (RFC 6266).
pub(super) fn attachment(filename: &str) -> String {
    let plain: String = filename
        .chars()
        .map(|c| if c.is_ascii() && !matches!(c, '"' | '\\' | '%') { c } else { '_' })
        .collect();
    let encoded: String = filename
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                char::from(b).to_string()
            }
            b => format!("%{b:02X}"),
        })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_paths_and_tricks() {
        assert_eq!(filename("../../etc/passwd"), "passwd");
        assert_eq!(filename("C:\\x\\报告.docx"), "报告.docx");
        assert_eq!(filename("a\u{202e}fdp.exe\n"), "afdp.exe");
        assert_eq!(filename("../.."), "document");
        assert_eq!(filename(""), "document");
        let long = filename(&format!("{}.pdf", "长".repeat(400)));
        assert_eq!((long.chars().count(), long.ends_with(".pdf")), (255, true));
    }

    #[test]
    fn titles_and_headers() {
        assert_eq!(title("报告.v2.docx"), "报告.v2");
        assert_eq!(
            attachment("报告\".txt"),
            "attachment; filename=\"___.txt\"; filename*=UTF-8''%E6%8A%A5%E5%91%8A%22.txt"
        );
    }
}

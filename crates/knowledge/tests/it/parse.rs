//! Files through the parser's child process.

use std::io::{Seek as _, Write as _};
use std::time::Duration;

use lyceum_knowledge::parse::{ParseLimits, ParsedPage, Parser, ParserFailure};
use tokio::sync::mpsc;

use crate::files;
use crate::world::parser;

async fn read_with(
    parser: &Parser,
    name: &str,
    bytes: &[u8],
) -> Result<Vec<ParsedPage>, ParserFailure> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    let (sender, mut receiver) = mpsc::channel(4);
    let collect = async {
        let mut pages = Vec::new();
        while let Some(page) = receiver.recv().await {
            pages.push(page);
        }
        pages
    };
    let (outcome, pages) = tokio::join!(parser.parse(file, name, sender), collect);
    outcome.map(|parsed| {
        assert!(parsed.page_count as usize >= pages.len());
        pages
    })
}

async fn read(name: &str, bytes: &[u8]) -> Result<Vec<ParsedPage>, ParserFailure> {
    read_with(&parser(ParseLimits::default()), name, bytes).await
}

fn code(outcome: Result<Vec<ParsedPage>, ParserFailure>) -> String {
    match outcome {
        Err(ParserFailure::Document { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn word_keeps_its_structure() {
    let pages = read("a.docx", &files::docx("安装指南", "Run the script.")).await.unwrap();
    assert_eq!(
        pages[0].text,
        "安装指南\n\nRun the script. A & B 中.\n\n- first item\n- second item\n\nname | city\nAda | London"
    );
    assert_eq!((pages[0].headings[0].offset, pages[0].headings[0].level), (0, 1));
    assert_eq!((pages[1].number, pages[1].text.as_str()), (2, "Second page."));
}

#[tokio::test]
async fn sheets_and_slides_are_pages() {
    let sheet = read("a.xlsx", &files::xlsx()).await.unwrap();
    assert_eq!(sheet[0].text, "Cities\n城市: 上海; people: 24870000");
    let slides = read("a.pptx", &files::pptx()).await.unwrap();
    let texts: Vec<&str> = slides.iter().map(|page| page.text.as_str()).collect();
    assert_eq!(texts, ["First\n\nshown first\n\nSay hello.", "Last\n\nshown second"]);
}

#[tokio::test]
async fn pdf_pages_in_chinese_and_english() {
    let bytes = files::pdf(&["The first page.", "第二页：知识库的默认分块大小。", ""]);
    let pages = read("a.pdf", &bytes).await.unwrap();
    let texts: Vec<(u32, &str)> = pages.iter().map(|p| (p.number, p.text.as_str())).collect();
    assert_eq!(texts, [(1, "The first page."), (2, "第二页：知识库的默认分块大小。")]);
    // A font that names one of Adobe's own maps and has neither glyphs nor a ToUnicode map.
    let bytes = include_bytes!("../fixtures/predefined-cmap.pdf");
    assert_eq!(read("a.pdf", bytes).await.unwrap()[0].text, "知识库的默认分块大小");
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    assert_eq!(
        code(read("a.pdf", include_bytes!("../fixtures/encrypted.pdf")).await),
        "encrypted_pdf"
    );
    assert_eq!(code(read("a.pdf", &files::pdf(&["", ""])).await), "ocr_needed");
    assert_eq!(code(read("a.pdf", b"%PDF-1.7\nnothing").await), "damaged_file");
    assert_eq!(code(read("a.docx", &files::zip_bomb()).await), "zip_bomb");
    assert_eq!(code(read("a.docx", b"PK\x03\x04 word/ and no more").await), "damaged_file");
    assert_eq!(code(read("a.txt", b" \n\n\t").await), "no_text");
    let deep = format!("<html><body>{}", "<div>".repeat(100_000));
    assert_eq!(code(read("a.html", deep.as_bytes()).await), "too_deep");
    assert_eq!(code(read("a.png", b"\x89PNG\r\n\x1a\n\0\0").await), "unsupported_type");
}

#[tokio::test]
async fn a_child_that_takes_too_much_is_stopped() {
    let text = "word ".repeat(40_000_000);
    let limits = ParseLimits { memory_mb: 300, ..ParseLimits::default() };
    assert_eq!(code(read_with(&parser(limits), "a.txt", text.as_bytes()).await), "out_of_memory");
    let limits = ParseLimits { time: Duration::from_millis(20), ..ParseLimits::default() };
    assert_eq!(code(read_with(&parser(limits), "a.txt", text.as_bytes()).await), "parse_timeout");
}

#[tokio::test]
async fn files_that_are_installed_can_be_read() {
    let mut seen = 0;
    for path in ["/usr/share/doc/shared-mime-info/shared-mime-info-spec.pdf"] {
        let Ok(bytes) = std::fs::read(path) else { continue };
        let pages = read("x.pdf", &bytes).await.unwrap();
        assert!(pages.iter().any(|page| page.text.contains("MIME")), "{path}");
        seen += 1;
    }
    eprintln!("{seen} installed files were read");
}

//! From a file of any supported kind to its text, page by page.
//!
//! Files come from people and may be hostile, so nothing here runs in the server's own process:
//! [`Parser`] starts a child (`lyceum parse`) that runs [`child_main`] under limits of memory,
//! time and files, reads the document from its standard input and writes JSON lines to its
//! standard output.

mod archive;
mod child;
mod docx;
mod html;
mod markdown;
mod pages;
mod parent;
mod pdf;
mod pptx;
mod sniff;
mod table;
mod text;
mod xlsx;
mod xml;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use child::child_main;
pub use parent::{ParseLimits, Parsed, Parser, ParserFailure};
pub use sniff::{Format, HEAD_BYTES, sniff};

/// A heading and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Heading {
    /// Characters (Unicode scalar values) from the start of the page's text.
    pub offset: u32,
    /// 1 is the highest.
    pub level: u8,
    /// The heading itself.
    pub text: String,
}

/// The text of one page; of one section where a format knows no pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParsedPage {
    /// From 1.
    pub number: u32,
    /// Paragraphs are separated by an empty line; no control characters but the line feed and tab.
    pub text: String,
    /// In the order of their offsets.
    pub headings: Vec<Heading>,
}

/// One line of what the child answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum ParseRecord {
    /// A page, in order.
    Page(ParsedPage),
    /// The last line of a document that was read to its end.
    Done {
        /// The title that a web page or Markdown text gives itself.
        title: Option<String>,
        /// What the content is, from the content.
        mime_type: String,
        /// Pages of the file, those without text included.
        page_count: u32,
        /// Pages (numbers, or ranges of them) or sheets (names) that could not be read.
        unread: Vec<String>,
    },
    /// The last line of one that was not.
    Failed {
        /// A stable name, such as `encrypted_pdf`.
        code: String,
        /// For a person.
        detail: String,
    },
}

/// Why a document gives no text.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// A password is needed.
    #[error("the PDF is protected by a password; remove it and upload the file again")]
    EncryptedPdf,
    /// A password is needed.
    #[error("the document is protected by a password; remove it and upload the file again")]
    EncryptedOffice,
    /// Pages of pictures only.
    #[error(
        "the PDF has pictures of pages but no text; run it through text recognition (OCR) first"
    )]
    OcrNeeded,
    /// Nothing to read.
    #[error("the document has no text")]
    NoText,
    /// Unpacks to far more than it looks.
    #[error("the document unpacks to more than {0} MB, which is not accepted")]
    ZipBomb(u64),
    /// More text than accepted.
    #[error("the document has more than {0} characters of text; split it")]
    TooMuchText(usize),
    /// Nested too deeply.
    #[error("the document is nested too deeply")]
    TooDeep,
    /// None of the supported kinds.
    #[error("the content is none of the supported kinds")]
    UnsupportedType,
    /// More memory than the child may have.
    #[error("the document is too large to be read; split it")]
    OutOfMemory,
    /// Broken.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// The answer could not be written.
    #[error("writing failed")]
    Output(#[source] std::io::Error),
}

impl ParseError {
    /// The stable name.
    pub fn code(&self) -> &'static str {
        match self {
            ParseError::EncryptedPdf => "encrypted_pdf",
            ParseError::EncryptedOffice => "encrypted_document",
            ParseError::OcrNeeded => "ocr_needed",
            ParseError::NoText => "no_text",
            ParseError::ZipBomb(_) => "zip_bomb",
            ParseError::TooMuchText(_) => "too_much_text",
            ParseError::TooDeep => "too_deep",
            ParseError::UnsupportedType => "unsupported_type",
            ParseError::OutOfMemory => "out_of_memory",
            ParseError::Damaged(_) => "damaged_file",
            ParseError::Output(_) => "internal",
        }
    }

    fn unreadable(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::OutOfMemory => ParseError::OutOfMemory,
            _ => Self::damaged(error),
        }
    }

    fn damaged(error: impl std::fmt::Display) -> Self {
        ParseError::Damaged(error.to_string().chars().take(200).collect())
    }
}

/// What a format's reader tells beside its pages.
#[derive(Debug, Default)]
struct Outcome {
    title: Option<String>,
    page_count: Option<u32>,
    /// Pages or sheets that could not be read.
    unread: Vec<String>,
}

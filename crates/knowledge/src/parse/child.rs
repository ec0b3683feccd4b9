use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use nix::sys::prctl::{set_name, set_pdeathsig};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;

use super::sniff::{Format, HEAD_BYTES, sniff};
use super::{Outcome, ParseError, ParseRecord, ParsedPage};
use super::{docx, html, markdown, pdf, pptx, table, text, xlsx};

/// Deeply nested documents need room, not a crash.
const STACK_BYTES: usize = 64 << 20;

/// The whole of the child process: limits itself, reads the document from standard input, which is
/// a file, and writes [`ParseRecord`]s, one a line. `arguments`: megabytes of address space,
/// seconds of processor time, then the file's name.
pub fn child_main(arguments: &[String]) -> ExitCode {
    let number = |at: usize, default: u64| {
        arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (megabytes, seconds) = (number(0, 2_000), number(1, 600));
    let name = arguments.get(2).cloned().unwrap_or_default();
    let Ok(file) = std::io::stdin().as_fd().try_clone_to_owned() else {
        return ExitCode::FAILURE;
    };
    if limit(megabytes << 20, seconds).is_err() {
        return ExitCode::FAILURE;
    }
    let reader = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || answer(File::from(file), &name));
    match reader.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// From here on: so much memory and time, no further file or socket, no byte written to a file,
/// and no life after the parent's.
fn limit(bytes: u64, seconds: u64) -> nix::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    // In lists of processes; else it were `exe`, by the link that started it.
    set_name(c"lyceum-parser")?;
    setrlimit(Resource::RLIMIT_AS, bytes, bytes)?;
    setrlimit(Resource::RLIMIT_CPU, seconds, seconds)?;
    setrlimit(Resource::RLIMIT_FSIZE, 0, 0)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    setrlimit(Resource::RLIMIT_NOFILE, 0, 0)
}

fn answer(file: File, name: &str) -> Result<(), ParseError> {
    let mut out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout());
    let mut write = |record: &ParseRecord| -> Result<(), ParseError> {
        serde_json::to_writer(&mut out, record)
            .map_err(|error| ParseError::Output(error.into()))?;
        out.write_all(b"\n").map_err(ParseError::Output)?;
        out.flush().map_err(ParseError::Output)
    };
    let result = read(file, name, &mut |page| write(&ParseRecord::Page(page)));
    write(&match result {
        Ok((format, outcome)) => ParseRecord::Done {
            title: outcome.title,
            mime_type: format.mime_type().to_owned(),
            page_count: outcome.page_count.unwrap_or(1),
            unread: outcome.unread,
        },
        Err(error) => {
            ParseRecord::Failed { code: error.code().to_owned(), detail: error.to_string() }
        }
    })
}

/// Reads the document by what its content is.
fn read(
    mut file: File,
    name: &str,
    sink: &mut dyn FnMut(ParsedPage) -> Result<(), ParseError>,
) -> Result<(Format, Outcome), ParseError> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    (&mut file).take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(ParseError::unreadable)?;
    file.rewind().map_err(ParseError::damaged)?;
    let format = sniff(&head, name).ok_or(ParseError::UnsupportedType)?;
    if head.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err(ParseError::EncryptedOffice);
    }
    drop(head);
    let buffered = std::io::BufReader::with_capacity(1 << 16, file);
    let outcome = match format {
        Format::Pdf => pdf::read(buffered, sink),
        Format::Docx => docx::read(buffered, sink),
        Format::Xlsx => xlsx::read(buffered, sink),
        Format::Pptx => pptx::read(buffered, sink),
        Format::Html => html::read(buffered, sink),
        Format::Markdown => markdown::read(buffered, sink),
        Format::Csv => table::read(buffered, sink),
        Format::Text => text::read(buffered, sink),
    }?;
    Ok((format, outcome))
}

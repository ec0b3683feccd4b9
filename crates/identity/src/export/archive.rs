//! A ZIP file that is written while it is sent on: what is packed and what is stored meet in
//! channels that hold a few pieces each.

use std::io::{self, Write};

use axum::body::Bytes;
use futures::Stream;
use futures::stream;
use tokio::sync::mpsc;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Pieces that wait in a channel.
const WAITING: usize = 16;
/// Packed bytes that are sent on at once.
const PIECE: usize = 64 * 1024;

enum Part {
    File(String),
    Bytes(Bytes),
    End,
}

/// Takes the contents, file after file.
pub(super) struct Archive(mpsc::Sender<Part>);

/// The archive is not read on, or cannot be packed; the reader knows why.
#[derive(Debug, thiserror::Error)]
#[error("the archive broke off")]
pub(super) struct BrokenOff;

impl Archive {
    /// An archive to write into, and the stream of its bytes.
    pub(super) fn new() -> (Self, impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static) {
        let (parts, incoming) = mpsc::channel(WAITING);
        let (outgoing, packed) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = pack(incoming, outgoing.clone()) {
                // Nobody reads on: there is nobody to tell.
                let _ = outgoing.blocking_send(Err(error));
            }
        });
        let packed = stream::unfold(packed, async |mut packed| {
            let piece = packed.recv().await?;
            Some((piece, packed))
        });
        (Self(parts), packed)
    }

    /// Begins the next file.
    pub(super) async fn file(&self, name: String) -> Result<(), BrokenOff> {
        self.0.send(Part::File(name)).await.map_err(|_| BrokenOff)
    }

    /// Goes on with the file.
    pub(super) async fn write(&self, bytes: impl Into<Bytes>) -> Result<(), BrokenOff> {
        self.0.send(Part::Bytes(bytes.into())).await.map_err(|_| BrokenOff)
    }

    /// Ends the archive; one that is dropped without this breaks off.
    pub(super) async fn end(self) -> Result<(), BrokenOff> {
        self.0.send(Part::End).await.map_err(|_| BrokenOff)
    }
}

fn pack(
    mut parts: mpsc::Receiver<Part>,
    packed: mpsc::Sender<Result<Bytes, io::Error>>,
) -> io::Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        // Files beyond 4 GB need it, and their size is not known when they begin.
        .large_file(true);
    let mut zip = ZipWriter::new_stream(Outgoing { packed, piece: Vec::with_capacity(PIECE) });
    loop {
        match parts.blocking_recv() {
            Some(Part::File(name)) => zip.start_file(name, options)?,
            Some(Part::Bytes(bytes)) => zip.write_all(&bytes)?,
            Some(Part::End) => break,
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    zip.finish()?.into_inner().flush()
}

/// Sends what is written on in pieces.
struct Outgoing {
    packed: mpsc::Sender<Result<Bytes, io::Error>>,
    piece: Vec<u8>,
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let sent = self.packed.blocking_send(Ok(piece.into()));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use futures::{StreamExt as _, TryStreamExt as _};

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_again() {
        let (archive, packed) = Archive::new();
        let reading = tokio::spawn(packed.try_collect::<Vec<_>>());
        let long: Vec<u8> =
            (0..1_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        archive.file("a/数据.json".to_owned()).await.unwrap();
        archive.write("[1,").await.unwrap();
        archive.write("2]").await.unwrap();
        archive.file("b".to_owned()).await.unwrap();
        archive.write(long.clone()).await.unwrap();
        archive.end().await.unwrap();
        let bytes = reading.await.unwrap().unwrap().concat();
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        zip.by_name("a/数据.json").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "[1,2]");
        let mut read = Vec::new();
        zip.by_name("b").unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, long);
    }

    #[tokio::test]
    async fn an_archive_that_is_given_up_breaks_off() {
        let (archive, packed) = Archive::new();
        archive.file("a".to_owned()).await.unwrap();
        drop(archive);
        let pieces: Vec<_> = packed.collect().await;
        assert!(pieces.last().unwrap().is_err());
    }
}

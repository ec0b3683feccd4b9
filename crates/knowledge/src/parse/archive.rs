use std::io::{Read, Seek};

use zip::ZipArchive;
use zip::result::ZipError;

use super::ParseError;

/// Bytes that all parts of an archive may unpack to.
const MAX_UNPACKED: u64 = 256_000_000;
/// Parts that an archive may have.
const MAX_PARTS: usize = 20_000;

/// An Office document's archive, read part by part under one budget of unpacked bytes.
pub(super) struct Archive<R> {
    zip: ZipArchive<R>,
    budget: u64,
}

impl<R: Read + Seek> Archive<R> {
    pub fn open(file: R) -> Result<Self, ParseError> {
        let zip = ZipArchive::new(file).map_err(ParseError::damaged)?;
        if zip.len() > MAX_PARTS {
            return Err(ParseError::ZipBomb(MAX_UNPACKED / 1_000_000));
        }
        Ok(Self { zip, budget: MAX_UNPACKED })
    }

    /// The part's bytes, or `None` where there is no such part.
    pub fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, ParseError> {
        let part = match self.zip.by_name(name) {
            Ok(part) => part,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
                return Err(ParseError::EncryptedOffice);
            }
            Err(error) => return Err(ParseError::damaged(error)),
        };
        let mut bytes = Vec::new();
        // The size that the archive states may be a lie, so what counts is what comes out.
        let read =
            part.take(self.budget + 1).read_to_end(&mut bytes).map_err(ParseError::unreadable)?;
        self.spend(read as u64)?;
        Ok(Some(bytes))
    }

    /// Unpacks everything once into nothing, for readers that open the archive themselves.
    pub fn check(mut self) -> Result<R, ParseError> {
        for index in 0..self.zip.len() {
            let part = self.zip.by_index(index).map_err(ParseError::damaged)?;
            let read = std::io::copy(&mut part.take(self.budget + 1), &mut std::io::sink())
                .map_err(ParseError::damaged)?;
            self.spend(read)?;
        }
        Ok(self.zip.into_inner())
    }

    fn spend(&mut self, bytes: u64) -> Result<(), ParseError> {
        self.budget =
            self.budget.checked_sub(bytes).ok_or(ParseError::ZipBomb(MAX_UNPACKED / 1_000_000))?;
        Ok(())
    }
}

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::{GgufError, MAGIC};

/// Longest string that a sane header holds; a longer one means that the file is damaged.
const MAX_STRING: u64 = 1 << 24;

/// What a GGUF file says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// `general.architecture`, such as `llama`.
    pub architecture: String,
    /// `general.name`, where present.
    pub name: Option<String>,
}

/// Reads the header of the file at `path`; stops as soon as both names are known.
pub fn read_header(path: &Path) -> Result<Header, GgufError> {
    let mut reader = Reader(BufReader::new(File::open(path)?));
    if reader.bytes::<4>()? != MAGIC {
        return Err(GgufError::Format("wrong magic".to_owned()));
    }
    let version = u32::from_le_bytes(reader.bytes()?);
    if !(2..=3).contains(&version) {
        return Err(GgufError::Format(format!("version {version}")));
    }
    let _tensors = u64::from_le_bytes(reader.bytes()?);
    let pairs = u64::from_le_bytes(reader.bytes()?);
    let (mut architecture, mut name) = (None, None);
    for _ in 0..pairs {
        let key = reader.string()?;
        let kind = u32::from_le_bytes(reader.bytes()?);
        match (key.as_str(), kind) {
            ("general.architecture", 8) => architecture = Some(reader.string()?),
            ("general.name", 8) => name = Some(reader.string()?),
            _ => reader.skip(kind)?,
        }
        if architecture.is_some() && name.is_some() {
            break;
        }
    }
    let architecture = architecture
        .ok_or_else(|| GgufError::Format("general.architecture is missing".to_owned()))?;
    Ok(Header { architecture, name })
}

struct Reader(BufReader<File>);

impl Reader {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut buffer = [0; N];
        self.0.read_exact(&mut buffer)?;
        Ok(buffer)
    }

    fn length(&mut self) -> Result<u64, GgufError> {
        let length = u64::from_le_bytes(self.bytes()?);
        if length > MAX_STRING {
            return Err(GgufError::Format(format!("a length of {length}")));
        }
        Ok(length)
    }

    fn string(&mut self) -> Result<String, GgufError> {
        let length = self.length()?;
        let mut text = Vec::new();
        let read = self.0.by_ref().take(length).read_to_end(&mut text)? as u64;
        if read < length {
            return Err(GgufError::Format("the file ends within its header".to_owned()));
        }
        String::from_utf8(text).map_err(|_| GgufError::Format("a string is not UTF-8".to_owned()))
    }

    fn skip(&mut self, kind: u32) -> Result<(), GgufError> {
        let width = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            8 => self.length()?,
            9 => return self.skip_array(),
            other => return Err(GgufError::Format(format!("unknown type {other}"))),
        };
        self.forward(width)
    }

    fn skip_array(&mut self) -> Result<(), GgufError> {
        let kind = u32::from_le_bytes(self.bytes()?);
        let count = self.length()?;
        if kind == 9 {
            return Err(GgufError::Format("an array of arrays".to_owned()));
        }
        for _ in 0..count {
            self.skip(kind)?;
        }
        Ok(())
    }

    fn forward(&mut self, width: u64) -> Result<(), GgufError> {
        let width = i64::try_from(width).map_err(|error| GgufError::Format(error.to_string()))?;
        self.0.seek_relative(width)?;
        Ok(())
    }
}

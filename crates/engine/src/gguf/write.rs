use std::io::{self, Write};

use super::MAGIC;

/// Tensor data starts at, and each tensor is padded to, a multiple of this.
const ALIGNMENT: usize = 32;

/// A value of the header.
#[derive(Clone, Debug)]
pub enum Value {
    /// An unsigned number.
    U32(u32),
    /// A real number.
    F32(f32),
    /// A truth value.
    Bool(bool),
    /// A text.
    String(String),
    /// Bytes.
    U8Array(Vec<u8>),
    /// Signed numbers.
    I32Array(Vec<i32>),
    /// Real numbers.
    F32Array(Vec<f32>),
    /// Texts, which need not be UTF-8 (pieces of byte-level vocabularies).
    StringArray(Vec<Vec<u8>>),
}

/// How a tensor's numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorType {
    /// 32-bit floats.
    F32,
    /// Blocks of 32 numbers: one half float (scale) and 16 bytes of two 4-bit numbers each.
    Q4_0,
}

impl TensorType {
    fn code(self) -> u32 {
        match self {
            TensorType::F32 => 0,
            TensorType::Q4_0 => 2,
        }
    }

    /// Bytes of `count` numbers.
    pub fn size(self, count: usize) -> usize {
        match self {
            TensorType::F32 => count * 4,
            TensorType::Q4_0 => count / 32 * 18,
        }
    }
}

/// A tensor to write.
#[derive(Clone, Debug)]
pub struct Tensor<'a> {
    /// Its name, by llama.cpp's convention.
    pub name: String,
    /// Length of each dimension, the fastest first.
    pub shape: Vec<u64>,
    /// How the numbers are stored.
    pub kind: TensorType,
    /// The numbers.
    pub data: &'a [u8],
}

/// Collects header and tensors, then writes the file in one go. Equal input gives equal bytes.
#[derive(Debug, Default)]
pub struct Writer<'a> {
    pairs: Vec<(String, Value)>,
    tensors: Vec<Tensor<'a>>,
}

impl<'a> Writer<'a> {
    /// Adds a pair to the header.
    pub fn set(&mut self, key: impl Into<String>, value: Value) {
        self.pairs.push((key.into(), value));
    }

    /// Adds a tensor.
    pub fn add(&mut self, tensor: Tensor<'a>) {
        self.tensors.push(tensor);
    }

    /// Writes the file.
    pub fn write(&self, output: &mut impl Write) -> io::Result<()> {
        let mut head = Vec::new();
        head.extend(MAGIC);
        head.extend(3_u32.to_le_bytes());
        head.extend((self.tensors.len() as u64).to_le_bytes());
        head.extend((self.pairs.len() as u64).to_le_bytes());
        for (key, value) in &self.pairs {
            put_bytes(&mut head, key.as_bytes());
            put_value(&mut head, value);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            put_bytes(&mut head, tensor.name.as_bytes());
            head.extend((tensor.shape.len() as u32).to_le_bytes());
            head.extend(tensor.shape.iter().flat_map(|length| length.to_le_bytes()));
            head.extend(tensor.kind.code().to_le_bytes());
            head.extend((offset as u64).to_le_bytes());
            offset += tensor.data.len().next_multiple_of(ALIGNMENT);
        }
        output.write_all(&head)?;
        pad(output, head.len())?;
        for tensor in &self.tensors {
            output.write_all(tensor.data)?;
            pad(output, tensor.data.len())?;
        }
        output.flush()
    }
}

fn pad(output: &mut impl Write, length: usize) -> io::Result<()> {
    let zeros = [0_u8; ALIGNMENT];
    output.write_all(&zeros[..length.next_multiple_of(ALIGNMENT) - length])
}

fn put_bytes(head: &mut Vec<u8>, bytes: &[u8]) {
    head.extend((bytes.len() as u64).to_le_bytes());
    head.extend(bytes);
}

fn put_array_head(head: &mut Vec<u8>, kind: u32, length: usize) {
    head.extend(9_u32.to_le_bytes());
    head.extend(kind.to_le_bytes());
    head.extend((length as u64).to_le_bytes());
}

fn put_value(head: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U32(number) => {
            head.extend(4_u32.to_le_bytes());
            head.extend(number.to_le_bytes());
        }
        Value::F32(number) => {
            head.extend(6_u32.to_le_bytes());
            head.extend(number.to_le_bytes());
        }
        Value::Bool(truth) => {
            head.extend(7_u32.to_le_bytes());
            head.push(u8::from(*truth));
        }
        Value::String(text) => {
            head.extend(8_u32.to_le_bytes());
            put_bytes(head, text.as_bytes());
        }
        Value::U8Array(bytes) => {
            put_array_head(head, 0, bytes.len());
            head.extend(bytes);
        }
        Value::I32Array(numbers) => {
            put_array_head(head, 5, numbers.len());
            head.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        Value::F32Array(numbers) => {
            put_array_head(head, 6, numbers.len());
            head.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        Value::StringArray(texts) => {
            put_array_head(head, 8, texts.len());
            for text in texts {
                put_bytes(head, text);
            }
        }
    }
}

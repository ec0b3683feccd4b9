//! Builds SentencePiece's `precompiled_charsmap`: a double-array trie (the layout of darts-clone)
//! from UTF-8 prefixes to offsets into NUL-terminated replacement texts. llama.cpp's unigram
//! tokenizer normalises with it.

use std::collections::{BTreeMap, HashSet};

const HAS_LEAF: u32 = 1 << 8;
const IS_VALUE: u32 = 1 << 31;

#[derive(Default)]
struct Node {
    children: BTreeMap<u8, Node>,
    value: Option<u32>,
}

/// The map of `replacements` (from, to), neither of which may hold a NUL.
pub(super) fn build(replacements: &[(String, String)]) -> Vec<u8> {
    let mut root = Node::default();
    let mut texts = Vec::new();
    for (from, to) in replacements {
        let mut node = &mut root;
        for byte in from.bytes() {
            node = node.children.entry(byte).or_default();
        }
        node.value = Some(texts.len() as u32);
        texts.extend(to.as_bytes());
        texts.push(0);
    }
    let units = DoubleArray::build(&root);
    let mut map = ((units.len() * 4) as u32).to_le_bytes().to_vec();
    map.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    map.extend(texts);
    map
}

/// A child with label `c` of the node at `i` sits at `i ^ offset(i) ^ c`; label 0 holds the value.
/// A unit keeps its label in bits 0–7, "has a value" in bit 8 and its offset from bit 10 on.
struct DoubleArray {
    units: Vec<u32>,
    taken: Vec<bool>,
    bases: HashSet<usize>,
    first_free: usize,
}

impl DoubleArray {
    fn build(root: &Node) -> Vec<u32> {
        let mut array = Self {
            units: vec![0; 256],
            taken: vec![false; 256],
            bases: HashSet::new(),
            first_free: 1,
        };
        array.taken[0] = true;
        array.place(root, 0);
        array.units
    }

    fn place(&mut self, node: &Node, index: usize) {
        let mut labels: Vec<u8> = node.children.keys().copied().collect();
        if node.value.is_some() {
            labels.insert(0, 0);
        }
        let Some(&first) = labels.first() else { return };
        let base = self.find_base(&labels, first);
        self.units[index] |= ((index ^ base) as u32) << 10;
        for label in &labels {
            self.taken[base ^ usize::from(*label)] = true;
        }
        if let Some(value) = node.value {
            self.units[index] |= HAS_LEAF;
            self.units[base] = IS_VALUE | value;
        }
        for label in node.children.keys() {
            self.units[base ^ usize::from(*label)] |= u32::from(*label);
        }
        for (label, child) in &node.children {
            self.place(child, base ^ usize::from(*label));
        }
    }

    /// A base that no other node has and whose children's places are all free.
    fn find_base(&mut self, labels: &[u8], first: u8) -> usize {
        while self.taken.get(self.first_free).copied().unwrap_or(false) {
            self.first_free += 1;
        }
        let mut slot = self.first_free;
        loop {
            let base = slot ^ usize::from(first);
            self.grow(base);
            let free = labels.iter().all(|label| !self.taken[base ^ usize::from(*label)]);
            if free && self.bases.insert(base) {
                return base;
            }
            slot += 1;
        }
    }

    /// Keeps whole blocks of 256, so that any label of any base stays inside the array.
    fn grow(&mut self, base: usize) {
        let length = (base | 0xff) + 1;
        if self.units.len() < length {
            self.units.resize(length, 0);
            self.taken.resize(length, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::build;

    /// The look-up as tokenizers do it.
    fn longest<'a>(map: &'a [u8], input: &[u8]) -> Option<(usize, &'a str)> {
        let size = u32::from_le_bytes(map[..4].try_into().unwrap()) as usize;
        let unit = |index: usize| {
            u32::from_le_bytes(map[4 + index * 4..8 + index * 4].try_into().unwrap())
        };
        let offset = |unit: u32| ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize;
        let texts = &map[4 + size..];
        let (mut index, mut found) = (offset(unit(0)), None);
        for (at, byte) in input.iter().enumerate() {
            index ^= usize::from(*byte);
            if unit(index) & (1 << 31 | 0xff) != u32::from(*byte) {
                break;
            }
            let leaf = unit(index) >> 8 & 1 == 1;
            index ^= offset(unit(index));
            if leaf {
                let start = (unit(index) & !(1 << 31)) as usize;
                let end = start + texts[start..].iter().position(|byte| *byte == 0).unwrap();
                found = Some((at + 1, str::from_utf8(&texts[start..end]).unwrap()));
            }
        }
        found
    }

    #[test]
    fn finds_every_replacement_and_nothing_else() {
        let pairs: Vec<(String, String)> = (0x80..0x3000_u32)
            .filter_map(char::from_u32)
            .filter(|letter| (*letter as u32).is_multiple_of(3))
            .map(|letter| (letter.to_string(), format!("<{}>", letter as u32)))
            .chain([("a\u{301}".to_owned(), "á".to_owned()), ("\u{1}".to_owned(), String::new())])
            .collect();
        let map = build(&pairs);
        for (from, to) in &pairs {
            assert_eq!(longest(&map, from.as_bytes()), Some((from.len(), to.as_str())));
        }
        for absent in ["a", "\u{82}\u{301}", "好", "🙂", "\u{2}"] {
            assert_eq!(longest(&map, absent.as_bytes()), None, "{absent:?}");
        }
    }
}

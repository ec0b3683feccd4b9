use std::collections::HashMap;

use uuid::Uuid;

/// Damps the weight of the first places (Cormack, Clarke and Büttcher 2009).
const K: f64 = 60.0;

/// A chunk with its places.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fused {
    pub chunk: Uuid,
    pub score: f64,
    /// Place from 1, and similarity.
    pub dense: Option<(i32, f32)>,
    /// Place from 1, and weight.
    pub text: Option<(i32, f32)>,
}

/// Reciprocal rank fusion. Similarities of different models are not comparable, so each model's
/// ranking counts by its places only.
pub(super) fn fuse(dense: Vec<Vec<(Uuid, f32)>>, text: Vec<(Uuid, f32)>) -> Vec<Fused> {
    let mut found: HashMap<Uuid, Fused> = HashMap::new();
    let mut add = |ranking: Vec<(Uuid, f32)>, by_words: bool| {
        for (rank, (chunk, value)) in (1i32..).zip(ranking) {
            let entry =
                found.entry(chunk).or_insert(Fused { chunk, score: 0.0, dense: None, text: None });
            entry.score += 1.0 / (K + f64::from(rank));
            let place = if by_words { &mut entry.text } else { &mut entry.dense };
            *place = Some((rank, value));
        }
    };
    for ranking in dense {
        add(ranking, false);
    }
    add(text, true);
    let mut fused: Vec<Fused> = found.into_values().collect();
    fused.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.chunk.cmp(&b.chunk)));
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_searches_find_comes_first() {
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let fused = fuse(vec![vec![(a, 0.9), (b, 0.8)]], vec![(c, 5.0), (b, 4.0)]);
        assert_eq!(fused[0].chunk, b);
        assert_eq!((fused[0].dense, fused[0].text), (Some((2, 0.8)), Some((2, 4.0))));
        assert!((fused[0].score - 2.0 / 62.0).abs() < 1e-12);
        assert_eq!((fused[1].chunk, fused[2].chunk), (a, c));
    }
}

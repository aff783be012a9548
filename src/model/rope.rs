//! Rotary position embeddings: the cos/sin tables of dpar.md sections 3 and 5.
//!
//! A position has d/2 angles, one per interleaved pair (2j, 2j+1) of a head. Tables are computed on the CPU in f32, as
//! the reference does, and uploaded once.

use burn::tensor::{Device, Tensor, TensorData};

use crate::patching::Patch;

/// cos and sin of every angle of a run of positions, on the CPU. (n, d/2) each.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeRows {
    pairs: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl RopeRows {
    /// No positions yet, for heads `head_dim` wide.
    pub fn new(head_dim: usize) -> Self {
        Self { pairs: head_dim / 2, cos: Vec::new(), sin: Vec::new() }
    }

    /// Number of positions, n.
    fn positions(&self) -> usize {
        self.cos.len() / self.pairs.max(1)
    }

    /// Appends a position with these angles (radians).
    fn push(&mut self, angles: impl IntoIterator<Item = f32>) {
        for a in angles {
            self.cos.push(a.cos());
            self.sin.push(a.sin());
        }
    }

    /// Appends the class position: cos = sin = 0, so its query and key *become zero*. A quirk of the public code that
    /// trained weights depend on: every later query gives the class a score of 0, its value still counts.
    pub fn push_class(&mut self) {
        let len = self.cos.len() + self.pairs;
        self.cos.resize(len, 0.0);
        self.sin.resize(len, 0.0);
    }

    /// Appends the first `count` positions of `other`.
    pub fn extend(&mut self, other: &Self, count: usize) {
        let len = (count * self.pairs).min(other.cos.len());
        self.cos.extend_from_slice(&other.cos[..len]);
        self.sin.extend_from_slice(&other.sin[..len]);
    }
}

/// w_j = base^(-2j/n), j < n/2: radians per unit step.
fn frequencies(n: usize, base: f32) -> Vec<f32> {
    (0..n).step_by(2).map(|k| 1.0 / base.powf(k as f32 / n as f32)).collect()
}

/// 2D RoPE of a `grid` x `grid` raster: half of the angles turn with the row, half with the column. (g*g, d/2)
pub fn rope_2d(grid: usize, head_dim: usize, base: f32) -> RopeRows {
    let w = frequencies(head_dim / 2, base);
    let mut rows = RopeRows::new(head_dim);
    for i in 0..grid * grid {
        let (row, column) = ((i / grid) as f32, (i % grid) as f32);
        rows.push(w.iter().map(|w| row * w).chain(w.iter().map(|w| column * w)));
    }
    rows
}

/// [`rope_2d`] behind the class position: position i carries the angles of token i - 1. (1 + g*g, d/2)
pub fn rope_2d_with_class(grid: usize, head_dim: usize, base: f32) -> RopeRows {
    let raster = rope_2d(grid, head_dim, base);
    let mut rows = RopeRows::new(head_dim);
    rows.push_class();
    rows.extend(&raster, raster.positions());
    rows
}

/// Dynamic RoPE of patches: angles [row | first column | last column | last column | first column] (paper section 3,
/// dpar.md section 5). (M, d/2)
pub fn rope_dynamic(patches: &[Patch], head_dim: usize, base: f32) -> RopeRows {
    let (w, u) = (frequencies(head_dim / 2, base), frequencies(head_dim / 8, base));
    let mut rows = RopeRows::new(head_dim);
    for p in patches {
        rows.push(w.iter().map(|w| p.row as f32 * w));
        for column in [p.first_column, p.last_column, p.last_column, p.first_column] {
            rows.push(u.iter().map(|u| column as f32 * u));
        }
    }
    rows
}

/// Tables on a device, ready to turn queries and keys.
#[derive(Clone, Debug)]
pub struct Rope {
    cos: Tensor<4>, // (B or 1, 1, T, d/2)
    sin: Tensor<4>, // (B or 1, 1, T, d/2)
}

impl Rope {
    /// Uploads one table per image, all of the same length; a single table serves every image of a batch.
    pub fn upload(tables: &[RopeRows], device: &Device) -> Self {
        let pairs = tables.first().map_or(0, |t| t.pairs);
        let len = tables.first().map_or(0, RopeRows::positions);
        let table = |pick: fn(&RopeRows) -> &[f32]| {
            let values = tables.iter().flat_map(|t| pick(t).iter().copied()).collect();
            Tensor::from_data(TensorData::new::<f32, _>(values, [tables.len(), 1, len, pairs]), device)
        };
        Self { cos: table(|t| &t.cos), sin: table(|t| &t.sin) }
    }

    /// The tables of positions `start .. start + len`.
    pub fn narrow(&self, start: usize, len: usize) -> Self {
        Self { cos: self.cos.clone().narrow(2, start, len), sin: self.sin.clone().narrow(2, start, len) }
    }

    /// Turns every interleaved pair of `x` (B, h, T, d) by its position's angle.
    pub fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        let [b, h, t, d] = x.dims();
        let pairs = x.reshape([b, h, t, d / 2, 2]);
        let even: Tensor<4> = pairs.clone().narrow(4, 0, 1).squeeze_dim(4); // (B, h, T, d/2)
        let odd: Tensor<4> = pairs.narrow(4, 1, 1).squeeze_dim(4); // (B, h, T, d/2)
        let real = even.clone() * self.cos.clone() - odd.clone() * self.sin.clone();
        let imaginary = odd * self.cos.clone() + even * self.sin.clone();
        Tensor::<4>::stack::<5>(vec![real, imaginary], 4).reshape([b, h, t, d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_position_comes_first_and_is_zero() {
        let (with, without) = (rope_2d_with_class(3, 16, 10_000.0), rope_2d(3, 16, 10_000.0));
        assert_eq!((with.positions(), without.positions()), (10, 9));
        assert!(with.cos[..8].iter().chain(&with.sin[..8]).all(|v| *v == 0.0));
        assert_eq!(with.cos[8..], without.cos[..]);
        // Token 5 of a 3 wide grid is row 1, column 2; the first frequency of each half is 1.
        assert_eq!((without.sin[5 * 8], without.sin[5 * 8 + 4]), (1f32.sin(), 2f32.sin()));
    }

    #[test]
    fn dynamic_angles_are_row_first_last_last_first() {
        let patch = Patch { first: 17, len: 3, row: 1, first_column: 2, last_column: 4 };
        let rows = rope_dynamic(&[patch], 16, 10_000.0);
        assert_eq!(rows.positions(), 1);
        let expect = [1.0, 0.1, 0.01, 0.001, 2.0, 4.0, 4.0, 2.0f32]; // head 16: w has 4 angles, u has 1
        for (sin, angle) in rows.sin.iter().zip(expect) {
            assert!((sin - angle.sin()).abs() < 1e-6, "{sin} is not sin {angle}");
        }
    }
}

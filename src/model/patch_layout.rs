//! Where the patches of a batch lie: which tokens each patch reads, which patch each token belongs to.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::rope::{Rope, RopeRows, rope_dynamic};
use super::tensors::indices;
use crate::checkpoint::config::TransformerConfig;
use crate::error::{Error, Result};
use crate::patching::{Patch, Patches};

/// The patches of a batch as gather indices and masks.
///
/// Images with fewer than M = max(M_b) patches are padded with patches that hold a copy of the last token. Nothing
/// reads them: no token belongs to one, and the patch transformer is causal. They must hold *something*, or their
/// softmax would be 0 / 0 and a NaN value reaches every query through `0 * NaN`.
#[derive(Clone, Debug)]
pub struct PatchLayout {
    patches: Vec<Vec<Patch>>, // (B)(M)
    ids: Vec<Vec<usize>>,     // (B)(T)
    count: usize,
    tokens: usize,
}

impl PatchLayout {
    /// From the patches of B images of `tokens` tokens each.
    ///
    /// # Errors
    /// [`Error::Request`] where an image's patches are of another number of tokens.
    pub fn new(patches: &[Patches], tokens: usize) -> Result<Self> {
        if let Some(odd) = patches.iter().map(|p| p.starts().len()).find(|n| *n != tokens || tokens == 0) {
            return Err(Error::Request(format!("patch boundaries for {odd} tokens, but the image has {tokens}")));
        }
        let count = patches.iter().map(Patches::count).max().unwrap_or(0);
        let padded = |image: &Patches| {
            let mut list = image.list();
            list.resize(count, Patch { first: tokens - 1, len: 1, row: 0, first_column: 0, last_column: 0 });
            list
        };
        Ok(Self {
            patches: patches.iter().map(padded).collect(),
            ids: patches.iter().map(Patches::ids).collect(),
            count,
            tokens,
        })
    }

    /// Patches per image with padding, M.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Tokens of the longest patch.
    pub fn longest(&self) -> usize {
        self.patches.iter().flatten().map(|p| p.len).max().unwrap_or(0)
    }

    /// Per patch: its token number `offset` (its last one where it is shorter), as a row of (B * T). (B * M)
    pub fn tokens_at(&self, offset: usize, device: &Device) -> Tensor<1, Int> {
        let of = |(b, p): (usize, &Patch)| b * self.tokens + p.first + offset.min(p.len - 1);
        let rows = self.patches.iter().enumerate().flat_map(|(b, list)| list.iter().map(move |p| (b, p)));
        indices(rows.map(of), device)
    }

    /// Per token: its patch, as a row of (B * M). (B * T)
    pub fn patch_of_token(&self, device: &Device) -> Tensor<1, Int> {
        let rows = self.ids.iter().enumerate();
        indices(rows.flat_map(|(b, ids)| ids.iter().map(move |m| b * self.count + m)), device)
    }

    /// True where a token is not in a patch. (B, 1, M, T)
    pub fn outside(&self, device: &Device) -> Tensor<4, Bool> {
        let row = |p: &Patch| {
            let inside = p.first..p.first + p.len;
            (0..self.tokens).map(move |i| !inside.contains(&i))
        };
        let values: Vec<bool> = self.patches.iter().flatten().flat_map(row).collect();
        let shape = [self.patches.len(), 1, self.count, self.tokens];
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// What the patch transformer reads: the class position, then Dynamic RoPE of patches 0 to M - 2. M positions.
    pub fn rope(&self, c: &TransformerConfig, device: &Device) -> Rope {
        let tables = self.patches.iter().map(|list| {
            let mut rows = RopeRows::new(c.head_dim());
            rows.push_class();
            rows.extend(&rope_dynamic(list, c.head_dim(), c.rope_base), self.count - 1);
            rows
        });
        Rope::upload(&tables.collect::<Vec<_>>(), device)
    }
}

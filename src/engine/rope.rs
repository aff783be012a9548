//! RoPE tables, as (cos, sin) pairs (dpar.md sections 3 and 5). Computed once on the CPU in f32, as the reference does.

use crate::checkpoint::config::TransformerConfig;

/// Angles per unit step of the first `n / 2` frequencies over `n`: `base^(-2j / n)`.
fn frequencies(n: usize, base: f32) -> Vec<f32> {
    (0..n / 2).map(|j| 1.0 / base.powf((2 * j) as f32 / n as f32)).collect()
}

fn turns(position: usize, frequencies: &[f32]) -> impl Iterator<Item = f32> + '_ {
    frequencies.iter().flat_map(move |f| {
        let (sin, cos) = (position as f32 * f).sin_cos();
        [cos, sin]
    })
}

/// 2D RoPE with the class position first: row 0 is zeros, row i + 1 holds token i. (T, d/2, 2): the first half of the
/// pairs turns with the row, the second with the column.
pub fn shifted_table(config: &TransformerConfig) -> Vec<f32> {
    let (g, d) = (config.grid_size, config.head_dim());
    let f = frequencies(d / 2, config.rope_base);
    let mut table = vec![0.0; d];
    for token in 0..g * g - 1 {
        table.extend(turns(token / g, &f));
        table.extend(turns(token % g, &f));
    }
    table
}

/// What turns patches, as (cos, sin) pairs.
#[derive(Debug)]
pub struct PatchTables {
    /// (g, d/4, 2).
    pub rows: Vec<f32>,
    /// (g, d/16, 2).
    pub columns: Vec<f32>,
}

/// Dynamic RoPE of patches: a row's angles, and a column's.
pub fn patch_tables(config: &TransformerConfig) -> PatchTables {
    let (g, d) = (config.grid_size, config.head_dim());
    let table = |n: usize| -> Vec<f32> {
        let f = frequencies(n, config.rope_base);
        (0..g).flat_map(|p| turns(p, &f).collect::<Vec<_>>()).collect()
    };
    PatchTables { rows: table(d / 2), columns: table(d / 8) }
}

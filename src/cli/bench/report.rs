//! What a bench has measured, for people (`table.rs`) and for programs (JSON).

use serde::Serialize;

use super::measure::{Floor, OpTime, SectionTime};

/// Everything measured.
#[derive(Debug, Serialize)]
pub struct BenchReport {
    pub adapter: String,
    pub model: String,
    pub tokens: usize,
    /// Drawn at once; all times are of one of them.
    pub pictures: usize,
    pub dpar: Option<Timed>,
    pub baseline: Option<Timed>,
    /// Baseline time / DPAR time: medians of whole pictures.
    pub speedup: Option<f64>,
    /// The same of each round's pair of pictures, lowest to highest.
    pub speedups: Vec<f64>,
    /// What it would be if time went by multiply-adds, or by bytes of weights read, for the patch lengths drawn.
    pub arithmetic_bound: Option<f64>,
    pub weights_bound: Option<f64>,
    pub peer: Option<Peer>,
    pub merges: Vec<Merge>,
    pub copy_gb_per_s: Option<f64>,
    pub peak_memory_mb: Option<f64>,
}

/// One generator.
#[derive(Debug, Serialize)]
pub struct Timed {
    pub ms_per_image: f64,
    pub ms_per_token: f64,
    /// What the two above were measured by.
    pub timed_by: &'static str,
    pub wall_ms_per_token: f64,
    pub average_patch_length: f32,
    pub dispatches_per_token: usize,
    pub dispatches_that_work_per_token: f64,
    pub submits_per_token: f64,
    pub floor: Option<Floor>,
    pub multiply_adds_per_token: f64,
    pub weight_mb_per_token: f64,
    pub weight_gb_per_s: f64,
    pub device_memory_mb: f64,
    pub sections: Vec<SectionTime>,
    /// On a GPU: each op by itself.
    pub ops: Vec<OpTime>,
}

/// The same loop in plain burn operations.
#[derive(Debug, Serialize)]
pub struct Peer {
    pub tokens: usize,
    pub ms_per_token: f64,
    /// Peer time / engine time.
    pub speedup: f64,
}

/// From a moved threshold to the new patches of an image whose entropies are known.
#[derive(Debug, Serialize)]
pub struct Merge {
    pub tokens: u32,
    /// The GPU, readback included.
    pub gpu_ms: Option<f64>,
    /// The CPU twin.
    pub cpu_ms: f64,
}

//! What a bench has measured, for people (`table.rs`) and for programs (JSON).

use serde::Serialize;

use super::measure::{Floor, OpTime, SectionTime};

/// Everything measured.
#[derive(Debug, Serialize)]
pub struct BenchReport {
    /// Of this program, and what it runs on: what must be known of figures that somebody sends.
    pub version: &'static str,
    pub system: String,
    pub adapter: String,
    /// What the driver says of itself; `null` on the CPU.
    pub driver: Option<String>,
    /// Of the CPU twins.
    pub threads: Option<usize>,
    pub model: String,
    /// [`dpar::checkpoint::ModelFiles::hash`]; `null` for random weights.
    pub model_hash: Option<String>,
    /// How keys and values are kept.
    pub caches: String,
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
    /// The same with many pictures at once.
    pub together: Option<Together>,
    pub peer: Option<Peer>,
    pub merges: Vec<Merge>,
    /// Of a buffer on the GPU, of memory on the CPU.
    pub copy_gb_per_s: f64,
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
    /// Dispatches that wait for each other.
    pub stages_per_token: usize,
    pub submits_per_token: f64,
    /// On a GPU: microseconds of the CPU to record and hand over a dispatch.
    pub encode_us_per_dispatch: Option<f64>,
    pub floor: Option<Floor>,
    pub multiply_adds_per_token: f64,
    pub weight_mb_per_token: f64,
    pub weight_gb_per_s: f64,
    /// Of [`BenchReport::copy_gb_per_s`].
    pub weight_share_of_copy: f64,
    pub device_memory_mb: f64,
    pub sections: Vec<SectionTime>,
    /// On a GPU: each op by itself.
    pub ops: Vec<OpTime>,
}

/// Many pictures at once.
#[derive(Debug, Serialize)]
pub struct Together {
    pub pictures: usize,
    /// Milliseconds a token of one picture.
    pub dpar: Option<f64>,
    pub baseline: Option<f64>,
    pub speedup: Option<f64>,
    pub average_patch_length: f32,
    /// What `speedup` would be if time went by multiply-adds, for these patch lengths.
    pub arithmetic_bound: Option<f64>,
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

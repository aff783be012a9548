//! What the parity tests share: fixtures of the PyTorch reference, devices, and a comparison that reports its worst.

#![allow(dead_code)] // every test binary uses its own part
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use std::path::{Path, PathBuf};

use dpar::checkpoint::ModelFiles;
use dpar::mix::Mix;
use safetensors::{Dtype, SafeTensors};

/// A path below the repository's root.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A model and what the reference computes with it (`make_fixtures.py`, `export.py`).
pub struct Fixture {
    pub files: ModelFiles,
    pub folder: PathBuf,
    expected: Vec<u8>,
}

impl Fixture {
    /// `tiny` and `odd` carry their own random weights; `v1` is the trained model in assets/model; `smoke` is what
    /// training/ exported after a few steps (`DPAR_SMOKE` names a newer one); `public` is where `DPAR_PUBLIC` says
    /// (training/public.py).
    pub fn load(name: &str) -> Self {
        let elsewhere =
            [("smoke", "DPAR_SMOKE"), ("public", "DPAR_PUBLIC")].into_iter().find(|(known, _)| *known == name);
        let newer = elsewhere.and_then(|(_, variable)| std::env::var_os(variable));
        let folder = newer.map_or_else(|| repository("tests/fixtures").join(name), PathBuf::from);
        let model = if name == "v1" { repository("assets/model") } else { folder.clone() };
        let expected = std::fs::read(folder.join("expected.safetensors")).unwrap();
        Self { files: ModelFiles::load_dir(&model).unwrap(), folder, expected }
    }

    pub fn has(&self, name: &str) -> bool {
        SafeTensors::deserialize(&self.expected).unwrap().tensor(name).is_ok()
    }

    pub fn shape(&self, name: &str) -> Vec<usize> {
        SafeTensors::deserialize(&self.expected).unwrap().tensor(name).unwrap().shape().to_vec()
    }

    pub fn f32(&self, name: &str) -> Vec<f32> {
        self.bytes(name, Dtype::F32).chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    pub fn u32(&self, name: &str) -> Vec<u32> {
        let values = self.bytes(name, Dtype::I64);
        values.chunks_exact(8).map(|b| u32::try_from(i64::from_le_bytes(b.try_into().unwrap())).unwrap()).collect()
    }

    pub fn bools(&self, name: &str) -> Vec<bool> {
        self.bytes(name, Dtype::BOOL).iter().map(|b| *b != 0).collect()
    }

    /// The whole runs of `generate.py`.
    pub fn runs(&self) -> Vec<Run> {
        serde_json::from_slice(&std::fs::read(self.folder.join("runs.json")).unwrap()).unwrap()
    }

    fn bytes(&self, name: &str, dtype: Dtype) -> Vec<u8> {
        let all = SafeTensors::deserialize(&self.expected).unwrap();
        let tensor = all.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), dtype, "{name}");
        tensor.data().to_vec()
    }
}

/// One run of `generate.py`: its settings and what it drew.
#[derive(serde::Deserialize)]
pub struct Run {
    /// The class, where it is a single one.
    #[serde(default)]
    pub cls: usize,
    /// What is mixed, `[[weight, class], ..]`.
    #[serde(default)]
    pub terms: Option<Mix>,
    /// Whether the fixed-length baseline drew it.
    #[serde(default)]
    pub baseline: bool,
    pub seed: u32,
    pub threshold: f32,
    pub cfg: f32,
    pub temperature: f32,
    #[serde(default)]
    pub top_k: usize,
    #[serde(default = "all")]
    pub top_p: f32,
    pub tokens: Vec<u32>,
    pub entropies: Vec<f32>,
    pub starts: Vec<bool>,
}

impl Run {
    pub fn class(&self) -> Mix {
        self.terms.clone().unwrap_or_else(|| self.cls.into())
    }
}

fn all() -> f32 {
    1.0
}

/// Fails unless every value is within `tolerance` of its expectation, relative to the largest expected magnitude (a
/// per-element relative error says nothing about a logit near 0). Prints and returns the worst.
#[track_caller]
pub fn assert_close(what: &str, got: &[f32], expected: &[f32], tolerance: f32) -> f32 {
    assert_eq!(got.len(), expected.len(), "{what}: another number of values");
    let scale = expected.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
    let mut worst = (0.0f32, 0);
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        let error = (g - e).abs() / scale;
        // A NaN is never below anything: name it at once.
        assert!(error.is_finite(), "{what}[{i}] is {g}, expected {e}");
        if error > worst.0 {
            worst = (error, i);
        }
    }
    println!("{what}: worst error {:.2e} of {scale:.3}", worst.0);
    let (error, i) = worst;
    assert!(error <= tolerance, "{what}[{i}] is {}, expected {}: off by {error:.2e} of {scale}", got[i], expected[i]);
    error
}

/// The GPU, or `None` where the environment says there is none (`DPAR_NO_GPU=1`). A missing GPU that nobody announced
/// is a failure, not a skip.
pub fn gpu() -> Option<&'static dpar::engine::device::Gpu> {
    static GPU: std::sync::OnceLock<Option<dpar::engine::device::Gpu>> = std::sync::OnceLock::new();
    let open = || {
        if std::env::var("DPAR_NO_GPU").is_ok_and(|v| v == "1") {
            println!("DPAR_NO_GPU=1: not run");
            return None;
        }
        Some(pollster::block_on(dpar::engine::device::Gpu::open()).expect("a GPU (software will do), or DPAR_NO_GPU=1"))
    };
    GPU.get_or_init(open).as_ref()
}

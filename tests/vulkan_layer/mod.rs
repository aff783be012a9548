//! How tests put the layer `lost.rs` before a Vulkan driver.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used)] // tests

use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// A folder with the layer's manifest, for `VK_LAYER_PATH`.
pub fn manifest() -> TempDir {
    // target/debug/deps/lost_device-0123: cargo puts examples beside `deps`.
    let built = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("examples");
    let name = format!("{}vulkan_lost{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = built.join(name);
    assert!(library.is_file(), "{} is not built: cargo build --workspace --example vulkan_lost", library.display());
    let manifest = serde_json::json!({
        "file_format_version": "1.2.0",
        "layer": {
            "name": "VK_LAYER_DPAR_lost", "type": "GLOBAL", "library_path": library, "api_version": "1.3.0",
            "implementation_version": "1", "description": "A device is lost in the middle of a wait.",
        },
    });
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("lost.json"), manifest.to_string()).unwrap();
    folder
}

/// What makes a program's device be lost after so many waits.
pub fn env(folder: &Path, waits: usize) -> [(&'static str, String); 4] {
    [
        ("VK_LAYER_PATH", folder.display().to_string()),
        ("VK_INSTANCE_LAYERS", "VK_LAYER_DPAR_lost".to_owned()),
        ("WGPU_BACKEND", "vulkan".to_owned()),
        ("DPAR_LOST_AFTER", waits.to_string()),
    ]
}

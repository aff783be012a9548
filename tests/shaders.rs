//! Every shader through naga, and the names, structs and limits that WGSL and Rust share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use dpar::engine::Tier;
use dpar::engine::op::{Access, Flags, Op, PARAM_WORDS};
use dpar::engine::ops::ALL;
use dpar::engine::pipelines::constants;
use dpar::engine::state::{CANDIDATES, ControlsUniform, RECORD_WORDS, word};
use dpar::patching::{Mode, StartReason};
use naga::valid::{Capabilities, ValidationFlags, Validator};

fn parse(op: &Op) -> naga::Module {
    naga::front::wgsl::parse_str(op.wgsl).unwrap_or_else(|e| panic!("{}: {}", op.name, e.emit_to_string(op.wgsl)))
}

#[test]
fn every_shader_is_valid_without_optional_features() {
    for op in ALL {
        let module = parse(op);
        // unpack2x16float is core WebGPU; only some OpenGL drivers lack it (gpu.rs refuses those).
        Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16_IN_FLOAT32)
            .validate(&module)
            .unwrap_or_else(|e| panic!("{}: {}", op.name, e.emit_to_string(op.wgsl)));
    }
}

/// Chromium's compiler clears a variable of a loop that does not say what it begins with only once, as seen on SwiftShader: from
/// the second time round it begins with what it was. naga clears it each time, as the language has it.
#[test]
fn variables_say_what_they_begin_with() {
    for op in ALL {
        for line in op.wgsl.lines().map(str::trim_start).filter(|line| line.starts_with("var ")) {
            assert!(line.contains('='), "{}: `{line}` needs a value, or it is not cleared in Chromium", op.name);
        }
    }
}

#[test]
fn an_op_has_a_shader_a_twin_and_a_test_of_one_stem() {
    let stems = |folder: &str, ending: &str, others: &[&str]| {
        let files = std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
        let names = files.map(|f| f.unwrap().file_name().into_string().unwrap());
        let mut stems: Vec<String> = names.filter_map(|n| n.strip_suffix(ending).map(str::to_owned)).collect();
        stems.retain(|s| !others.contains(&s.as_str()));
        stems.sort();
        stems
    };
    let mut ops: Vec<String> = ALL.iter().map(|op| op.name.to_owned()).collect();
    ops.sort();
    assert_eq!(stems("shaders", ".wgsl", &[]), ops);
    assert_eq!(stems("src/engine/ops", ".rs", &["mod"]), ops);
    assert_eq!(stems("tests/gpu_vs_cpu", ".rs", &["main", "harness"]), ops);
}

#[test]
fn bindings_are_the_ops_and_within_webgpus_default_limits() {
    for op in ALL {
        let module = parse(op);
        let mut found = Vec::new();
        for (_, global) in module.global_variables.iter() {
            let Some(binding) = &global.binding else { continue };
            if let naga::AddressSpace::Storage { access } = global.space {
                let writes = access.contains(naga::StorageAccess::STORE);
                let name = global.name.as_deref().unwrap();
                found.push((binding.binding, name, if writes { Access::Write } else { Access::Read }));
            }
        }
        found.sort_by_key(|f| f.0);
        let expected: Vec<_> = (2..).zip(op.storage).map(|(at, b)| (at, b.name, b.access)).collect();
        assert_eq!(found, expected, "{}", op.name);
        assert!(op.storage.len() <= 8, "{}: WebGPU guarantees 8 storage buffers a stage", op.name);
    }
}

/// The workgroup size among them.
#[test]
fn override_constants_are_the_ops() {
    for op in ALL {
        let module = parse(op);
        let mut found: Vec<&str> = module.overrides.iter().filter_map(|(_, o)| o.name.as_deref()).collect();
        let mut expected: Vec<&str> = constants(op, Tier::GPU, Flags::lanes(2), 1).iter().map(|c| c.0).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{}", op.name);
    }
}

#[test]
fn workgroups_are_within_webgpus_default_limits() {
    for op in ALL {
        let module = parse(op);
        let layouter = {
            let mut layouter = naga::proc::Layouter::default();
            layouter.update(module.to_ctx()).unwrap();
            layouter
        };
        let shared = module.global_variables.iter().filter(|(_, g)| g.space == naga::AddressSpace::WorkGroup);
        let bytes: u32 = shared.map(|(_, g)| layouter[g.ty].size).sum();
        assert!(bytes <= 16 << 10, "{}: {bytes} bytes of workgroup memory", op.name);
        for tier in [Tier::SOFTWARE, Tier::GPU] {
            let values = constants(op, tier, Flags::lanes(2), 1);
            let threads = values.iter().find(|v| v.0 == "WG").map_or(1.0, |v| v.1);
            assert!(threads <= 256.0, "{}", op.name);
        }
    }
}

#[test]
fn parameter_blocks_fit_and_controls_and_records_agree() {
    for op in ALL {
        let module = parse(op);
        for (_, ty) in module.types.iter() {
            let naga::TypeInner::Struct { span, .. } = ty.inner else { continue };
            match ty.name.as_deref() {
                Some("Params") => assert!(span as usize <= 4 * PARAM_WORDS, "{}: {span} bytes", op.name),
                Some("Controls") => assert_eq!(span as usize, size_of::<ControlsUniform>(), "{}", op.name),
                _ => {}
            }
        }
    }
    let record = ALL.iter().find(|op| op.name == "record").unwrap();
    assert_eq!(constant(&parse(record), "RECORD_WORDS"), RECORD_WORDS as u32);
    assert_eq!(constant(&parse(record), "CANDIDATES"), CANDIDATES as u32);
}

#[test]
fn state_words_have_the_same_names_and_order() {
    for op in ALL {
        let module = parse(op);
        for (value, name) in word::NAMES.iter().enumerate() {
            assert_eq!(constant(&module, name), value as u32, "{}: {name}", op.name);
        }
    }
}

#[test]
fn reasons_and_modes_have_the_same_codes() {
    for name in ["boundary", "merge"] {
        let module = parse(ALL.iter().find(|op| op.name == name).unwrap());
        for (code, reason) in [
            ("FIRST", StartReason::First),
            ("ROW", StartReason::Row),
            ("ENTROPY", StartReason::Entropy),
            ("FULL", StartReason::Full),
            ("EVERY", StartReason::Every),
        ] {
            assert_eq!(constant(&module, code), reason as u32, "{name}: {code}");
        }
    }
    // The shaders compare with these numbers.
    assert_eq!([Mode::Token as u32, Mode::Static as u32, Mode::EntropyRowBoundary as u32], [0, 1, 3]);
}

fn constant(module: &naga::Module, name: &str) -> u32 {
    let (_, found) = module.constants.iter().find(|(_, c)| c.name.as_deref() == Some(name)).expect(name);
    match module.global_expressions[found.init] {
        naga::Expression::Literal(naga::Literal::U32(value)) => value,
        ref other => panic!("{name} is {other:?}"),
    }
}

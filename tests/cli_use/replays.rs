//! Traces that were changed since they were written.

use std::fs;

use tempfile::tempdir;

use crate::PLACE;
use crate::cli_common::{dpar, ok, text};

#[test]
fn a_changed_trace_is_noticed() {
    let dir = tempdir().unwrap();
    ok(&dir, &[&["generate", "--trace", "t.json", "--out", "p.png"], &PLACE as &[_]].concat());
    let path = dir.path().join("t.json");
    let mut trace: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let token = trace["runs"][0]["tokens"][41].as_u64().unwrap();
    trace["runs"][0]["tokens"][41] = (63 - token).into();
    fs::write(&path, trace.to_string()).unwrap();
    let run = dpar(&dir).args([&["replay", "t.json"], &PLACE as &[_]].concat()).assert().code(1);
    let (said, why) = (text(&run.get_output().stdout), text(&run.get_output().stderr));
    assert!(
        said.contains(&format!("differs from token 41 on: {} was recorded, {token} drawn now", 63 - token)),
        "{said}"
    );
    assert!(why.starts_with("error: 1 of 1 runs differ") && why.lines().count() == 1, "{why}");

    // Entropies are compared as well: one that was changed, and all of them, which another model would have had.
    let changed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut trace = trace.clone();
        trace["runs"][0]["tokens"][41] = token.into();
        change(&mut trace["runs"][0]["entropies"]);
        fs::write(&path, trace.to_string()).unwrap();
        let run = dpar(&dir).args([&["replay", "t.json"], &PLACE as &[_]].concat()).assert();
        (run.get_output().status.code(), text(&run.get_output().stdout))
    };
    let (code, said) = changed(&|_| ());
    assert!(code == Some(0) && said.contains("identical, 64 tokens"), "{said}");
    let (code, said) = changed(&|entropies| entropies[30] = 0.25.into());
    assert!(code == Some(1) && said.contains("other entropies from token 30 on: 0.25 nats were recorded"), "{said}");
    let (code, said) = changed(&|entropies| *entropies = vec![0; 64].into());
    assert!(code == Some(1) && said.contains("was drawn by another model: its first entropy is 0 nats"), "{said}");
}

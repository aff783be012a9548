//! The report for people.

use dpar::engine::Section;

use super::measure::SKIPPED;
use super::report::{BenchReport, Timed};

/// Everything a bench measured, in columns.
pub fn table(r: &BenchReport) -> String {
    let mut lines = Vec::new();
    lines.push(format!("{} on {}, {} tokens a picture, {} at once\n", r.model, r.adapter, r.tokens, r.pictures));
    lines.push(format!("{:<44}{:>12}{:>12}", "", "DPAR", "baseline"));
    let mut row = |name: &str, get: &dyn Fn(&Timed) -> String| {
        let cell = |t: &Option<Timed>| t.as_ref().map_or("-".to_owned(), get);
        lines.push(format!("{name:<44}{:>12}{:>12}", cell(&r.dpar), cell(&r.baseline)));
    };
    row("ms a picture", &|t| format!("{:.0}", t.ms_per_image));
    row("ms a token", &|t| format!("{:.3}", t.ms_per_token));
    row("  measured by", &|t| t.timed_by.to_owned());
    row("  by the wall's clock", &|t| format!("{:.3}", t.wall_ms_per_token));
    row("average patch length", &|t| format!("{:.2}", t.average_patch_length));
    row("dispatches a token", &|t| t.dispatches_per_token.to_string());
    row("  of which do work, on average", &|t| format!("{:.1}", t.dispatches_that_work_per_token));
    row("  that wait for each other", &|t| t.stages_per_token.to_string());
    row("submits a token", &|t| format!("{:.3}", t.submits_per_token));
    row("recording a dispatch, us of the CPU", &|t| {
        t.encode_us_per_dispatch.map_or("-".into(), |us| format!("{us:.2}"))
    });
    row("empty dispatches, ms a token", &|t| t.floor.as_ref().map_or("-".into(), |f| format!("{:.3}", f.ms_per_token)));
    row("  token time / that floor", &|t| t.floor.as_ref().map_or("-".into(), |f| format!("{:.1}", f.times_floor)));
    row("multiply-adds a token, million", &|t| format!("{:.2}", t.multiply_adds_per_token / 1e6));
    row("weights a token, MB", &|t| format!("{:.2}", t.weight_mb_per_token));
    row("weights, GB/s", &|t| format!("{:.2}", t.weight_gb_per_s));
    row("  share of a copy", &|t| format!("{:.2}", t.weight_share_of_copy));
    row("device memory, MB", &|t| format!("{:.0}", t.device_memory_mb));
    let names = Section::ALL.map(Section::name);
    for name in names[..3].iter().chain([&SKIPPED]).chain(&names[3..]) {
        let find = |t: &Timed| {
            let found = t.sections.iter().find(|s| s.name == *name);
            found.map_or("-".to_owned(), |s| format!("{:.3}", s.ms_per_token))
        };
        row(&format!("  {name}, ms a token"), &find);
    }
    row("  sum of these parts", &|t| format!("{:.3}", t.sections.iter().map(|s| s.ms_per_token).sum::<f64>()));
    let mut ops: Vec<&str> = Vec::new();
    for op in [&r.dpar, &r.baseline].into_iter().flatten().flat_map(|t| &t.ops) {
        if !ops.contains(&op.name) {
            ops.push(op.name);
        }
    }
    for name in ops {
        let find = |t: &Timed| {
            let found = t.ops.iter().find(|op| op.name == name);
            found.map_or("-".to_owned(), |op| format!("{:.1}", op.us / op.tokens as f64))
        };
        row(&format!("  {name} by itself, us a token"), &find);
        let serial =
            |t: &Timed| t.ops.iter().find(|op| op.name == name).map_or("-".to_owned(), |op| op.serial_run.to_string());
        row("    its longest serial run", &serial);
    }
    if let Some(t) = &r.together {
        let cell = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.3}"));
        let name = format!("{} at once, ms a token of one", t.pictures);
        lines.push(format!("{name:<44}{:>12}{:>12}", cell(t.dpar), cell(t.baseline)));
    }
    let show = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.2}"));
    for (name, value) in [
        ("baseline time / DPAR time", r.speedup),
        ("  lowest of the pairs", r.speedups.first().copied()),
        ("  highest of the pairs", r.speedups.last().copied()),
        ("  by multiply-adds alone", r.arithmetic_bound),
        ("  by weights read alone", r.weights_bound),
        ("baseline time / DPAR time, many at once", r.together.as_ref().and_then(|t| t.speedup)),
        ("  by multiply-adds alone", r.together.as_ref().and_then(|t| t.arithmetic_bound)),
        ("plain burn loop, ms a token", r.peer.as_ref().map(|p| p.ms_per_token)),
        ("plain burn loop time / DPAR time", r.peer.as_ref().map(|p| p.speedup)),
        ("copy, GB/s", Some(r.copy_gb_per_s)),
        ("peak memory of this process, MB", r.peak_memory_mb),
    ] {
        lines.push(format!("{name:<44}{:>12}", show(value)));
    }
    for m in &r.merges {
        let name = format!("threshold moved to new grid, {} tokens, ms", m.tokens);
        let gpu = m.gpu_ms.map_or("-".to_owned(), |ms| format!("{ms:.3}"));
        lines.push(format!("{name:<44}{:>12}{:>12}", format!("GPU {gpu}"), format!("CPU {:.3}", m.cpu_ms)));
    }
    lines.join("\n") + "\n"
}

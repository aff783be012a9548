//! What of a program goes one after the other, whatever the machine has of threads.

use std::collections::HashMap;

use super::op::{Access, Override, Shape};
use super::pipelines::Tier;
use super::program::{BufferId, Program, Step};

/// Values that one thread of a reduction adds up at a time (`FAN` of `shaders/shared/reduce.wgsl` and `shared/attention.wgsl`).
const FAN: u32 = 16;

impl Program {
    /// Steps of a token that wait for each other: the longest chain in which each reads what the one before has written, or writes
    /// what that has read. With fewer stages than steps some could run side by side.
    pub fn stages(&self) -> usize {
        stages(&self.steps[..self.each]).into_iter().max().unwrap_or(0)
    }
}

/// The first stage at which each step can run: one more than that of any step before it that has written what it reads or writes,
/// or read what it writes.
fn stages(steps: &[Step]) -> Vec<usize> {
    let mut written: HashMap<BufferId, usize> = HashMap::new();
    let mut read: HashMap<BufferId, usize> = HashMap::new();
    let stage_of = |step: &Step| {
        let accesses = || step.bind.iter().zip(step.op.storage);
        let mut stage = 1;
        for (buffer, binding) in accesses() {
            stage = stage.max(written.get(buffer).map_or(0, |at| *at) + 1);
            if binding.access == Access::Write {
                stage = stage.max(read.get(buffer).map_or(0, |at| *at) + 1);
            }
        }
        for (buffer, binding) in accesses() {
            let of = if binding.access == Access::Write { &mut written } else { &mut read };
            let at = of.entry(*buffer).or_default();
            *at = stage.max(*at);
        }
        stage
    };
    steps.iter().map(stage_of).collect()
}

/// Puts steps of a stage next to each other: a GPU may run them side by side, and waits between stages only.
pub(super) fn by_stage(steps: Vec<Step>) -> Vec<Step> {
    let mut staged: Vec<(usize, Step)> = stages(&steps).into_iter().zip(steps).collect();
    staged.sort_by_key(|(stage, _)| *stage); // a stable sort
    staged.into_iter().map(|(_, step)| step).collect()
}

/// Of each step, whether it can run beside the one before.
pub(super) fn beside(steps: &[Step]) -> Vec<bool> {
    let stages = stages(steps);
    (0..steps.len()).map(|n| n > 0 && stages[n] == stages[n - 1]).collect()
}

impl Step {
    /// The longest loop in which one thread goes through what other threads of its workgroup have found, while these wait for it;
    /// 1 where there is none. Kernels without a reduction have none; a projection adds up what the threads of a row have; attention
    /// the columns of a score, the scores of a tile, and what those who shared the positions have.
    pub fn serial_run(&self, tier: Tier) -> u32 {
        let fan = |threads: u32| FAN.max(threads.div_ceil(FAN));
        match self.op.shape {
            Shape::Single => fan(tier.single),
            Shape::Head => {
                // `head` of attend's parameters, in vec4s.
                let width = (self.params[4] / 4).max(1);
                if tier.attend > 64 { FAN.max(width).max(tier.attend / width) } else { FAN.max(tier.attend / width) }
            }
            Shape::Wide if self.op.overrides.contains(&Override::Split) => tier.split,
            Shape::Wide => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::config::Generator;
    use crate::engine::program::Section;
    use crate::engine::{Layout, build};

    #[test]
    fn a_gpu_has_no_long_serial_run_and_stages_are_no_more_than_steps() {
        let files = crate::platform::embedded_model().unwrap();
        for generator in [Generator::Dpar, Generator::Baseline] {
            let program = build(&files, generator, Layout::FUSED).unwrap();
            for step in &program.steps {
                let run = step.serial_run(Tier::GPU);
                assert!((1..=32).contains(&run), "{}: {run}", step.op.name);
            }
            assert!(program.each <= if generator == Generator::Dpar { 50 } else { 40 }, "{} dispatches", program.each);
        }
    }

    /// The patch encoder runs beside the entropy model: all of it, and what else stands alone, what a decoder layer adds of a patch
    /// (narrow models have one op for all layers).
    #[test]
    fn steps_of_a_stage_stand_together() {
        let files = crate::platform::embedded_model().unwrap();
        for layout in [Layout::GPU, Layout::FUSED, Layout::CPU] {
            let baseline = build(&files, Generator::Baseline, layout).unwrap();
            assert_eq!(baseline.stages(), baseline.each);
            let dpar = build(&files, Generator::Dpar, layout).unwrap();
            let steps = &dpar.steps[..dpar.each];
            assert!(stages(steps).is_sorted());
            let encoder = steps.iter().filter(|s| s.section == Section::PatchEncoder).count();
            let layers = if layout.fused { 0 } else { files.config.dpar.as_ref().unwrap().n_local_decoder_layers - 1 };
            assert!(encoder >= 4);
            assert_eq!(dpar.stages(), dpar.each - encoder - layers, "{encoder} of the encoder, {layout:?}");
        }
    }
}

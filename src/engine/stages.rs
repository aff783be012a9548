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
        let mut written: HashMap<BufferId, usize> = HashMap::new();
        let mut read: HashMap<BufferId, usize> = HashMap::new();
        let mut last = 0;
        for step in &self.steps[..self.each] {
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
            last = last.max(stage);
        }
        last
    }
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
            // What a decoder layer adds of a patch needs nothing of what another one does; narrow models have one op for all.
            let wide = build(&files, generator, Layout::GPU).unwrap();
            for (program, together) in [(program, false), (wide, generator == Generator::Dpar)] {
                let (steps, stages) = (program.each, program.stages());
                assert!(if together { stages < steps } else { stages == steps }, "{stages} of {steps}");
            }
        }
    }
}

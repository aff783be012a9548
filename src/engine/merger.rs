//! Patches of a finished image at any threshold, fast enough to follow a finger: the `merge` op by itself.
//!
//! The entropies of an image do not depend on the patch rule, so moving the threshold needs no model: one dispatch, one
//! workgroup, whatever the size of the image. A [`Merger`] keeps the entropies on the device; [`Merger::request`] asks
//! for the patches under a rule and [`Merger::poll`] picks them up when they are there. Neither waits for a GPU. There are a
//! few lines of requests, side by side (a threshold that is moved, and one that stays): where requests of a line come faster
//! than results the newest wins, and those in between are never computed, or never shown.

use std::collections::VecDeque;
use std::time::Duration;

use web_time::Instant;

use crate::engine::backend::Backend;
use crate::engine::ops::merge;
use crate::engine::program::{Builder, Section};
use crate::engine::readback::Readback;
use crate::engine::state::word;
use crate::engine::{BufferId, ControlsUniform, CpuExecutor, Engine, GpuExecutor, Program, Tier};
use crate::error::{Error, Result};
use crate::patching::{PatchRule, Patches, StartReason};

/// Most tokens of an image, T.
pub const MAX_TOKENS: usize = 4096;

/// Lines of requests.
pub const LINES: usize = 2;

/// Requests on their way at most: one being computed and one behind it, so that the device does not run dry.
const RING: usize = 2;

/// The patches of an image under a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The rule.
    pub rule: PatchRule,
    /// The line that it was asked on.
    pub line: usize,
    /// Why token i starts a patch; `None` where it continues one. (T)
    pub reasons: Vec<Option<StartReason>>,
    /// From the request to the moment when the result had arrived: on a GPU when its callback ran, not when somebody looked.
    pub took: Duration,
}

impl Merged {
    /// The same as [`PatchRule::patches`] gives.
    pub fn patches(&self) -> Patches {
        Patches::from_starts(self.reasons.iter().map(Option::is_some).collect(), self.rule.grid)
    }
}

/// What is asked for, where, and when that was.
#[derive(Clone, Copy)]
struct Asked {
    line: usize,
    rule: PatchRule,
    at: Instant,
}

impl Asked {
    /// `codes`: a reason a token.
    fn merged(self, codes: &[u32], arrived: Instant) -> Merged {
        let reasons = codes.iter().map(|code| StartReason::from_code(*code)).collect();
        let took = arrived.saturating_duration_since(self.at);
        Merged { rule: self.rule, line: self.line, reasons, took }
    }
}

/// A request under way on a GPU.
struct MergeJob {
    asked: Asked,
    slot: Readback,
    image: usize,
}

/// Cuts an image into patches, on the GPU or through the op's CPU twin.
pub struct Merger {
    engine: Engine,
    state: BufferId,
    entropies: BufferId,
    merged: BufferId,
    tokens: usize,
    /// Counts the images: results of an earlier one are dropped.
    image: usize,
    wanted: [Option<Asked>; LINES],
    jobs: VecDeque<MergeJob>,
    free: Vec<Readback>,
}

impl std::fmt::Debug for Merger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Merger({} tokens, {} under way)", self.tokens, self.jobs.len())
    }
}

impl Merger {
    /// Makes the kernel's pipeline and buffers.
    ///
    /// # Errors
    /// As [`GpuExecutor::new`].
    pub async fn new(backend: &Backend) -> Result<Self> {
        let mut b = Builder::new(1);
        let state = b.state();
        let entropies = b.zeros("entropies", MAX_TOKENS);
        let merged = b.zeros("merged", MAX_TOKENS);
        merge::step(&mut b, Section::EntropyModel, merge::Args { state, entropies, merged });
        let program = Program::loose(b);
        let (engine, free) = match backend.gpu() {
            Some(gpu) => {
                let executor = GpuExecutor::new(&gpu.device, &gpu.queue, Tier::of(&gpu.info), program).await?;
                let slots = (0..RING).map(|_| Readback::new(&gpu.device, MAX_TOKENS)).collect();
                (Engine::Gpu(Box::new(executor)), slots)
            }
            None => (Engine::Cpu(Box::new(CpuExecutor::new(program))), Vec::new()),
        };
        let jobs = VecDeque::new();
        Ok(Self { engine, state, entropies, merged, tokens: 0, image: 0, wanted: [None; LINES], jobs, free })
    }

    /// Takes the entropies of another image, (T) nats in raster order. What was asked of the one before is dropped.
    ///
    /// # Errors
    /// [`Error::Request`] for more than [`MAX_TOKENS`] tokens; the image before stays.
    pub fn set_entropies(&mut self, entropies: &[f32]) -> Result<()> {
        let tokens = entropies.len();
        if tokens > MAX_TOKENS {
            return Err(Error::Request(format!("an image of {tokens} tokens is too large: {MAX_TOKENS} are the most")));
        }
        if tokens > 0 {
            self.engine.write(self.entropies, 0, bytemuck::cast_slice(entropies));
        }
        self.engine.write(self.state, word::TOKENS as usize, &[tokens as u32]);
        self.tokens = tokens;
        self.image += 1;
        self.wanted = [None; LINES];
        Ok(())
    }

    /// Asks for the patches under `rule`, in place of whatever was asked for on this line (below [`LINES`]) and is not under
    /// way. Returns at once.
    ///
    /// The rule is taken as it is: [`crate::controls::Controls::check`] refuses those that make no sense.
    pub fn request(&mut self, line: usize, rule: PatchRule) {
        self.wanted[line] = Some(Asked { line, rule, at: Instant::now() });
        self.submit();
    }

    /// Whether a result is still to come.
    pub fn is_busy(&self) -> bool {
        self.wanted.iter().any(Option::is_some) || self.jobs.iter().any(|job| job.image == self.image)
    }

    /// What has arrived since the last call, of each line the newest. Does not wait.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn poll(&mut self) -> Result<Vec<Merged>> {
        let mut newest = [const { None }; LINES];
        if let Engine::Cpu(cpu) = &mut self.engine {
            for asked in self.wanted.iter_mut().filter_map(Option::take) {
                cpu.set_controls(0, &ControlsUniform::of_rule(&asked.rule));
                cpu.run_steps(0..1, 1);
                newest[asked.line] = Some(asked.merged(&cpu.read(self.merged)[..self.tokens], Instant::now()));
            }
        }
        while let (Engine::Gpu(gpu), Some(job)) = (&self.engine, self.jobs.front_mut()) {
            let codes = job.slot.poll::<u32>(gpu.device(), false);
            if !job.slot.is_free() {
                codes?; // a device that cannot even be polled
                break;
            }
            let Some(job) = self.jobs.pop_front() else { break };
            let arrived = job.slot.arrived_at().unwrap_or_else(Instant::now);
            self.free.push(job.slot);
            if let (Some(codes), true) = (codes?, job.image == self.image) {
                newest[job.asked.line] = Some(job.asked.merged(&codes[..self.tokens], arrived));
            }
        }
        self.submit();
        Ok(newest.into_iter().flatten().collect())
    }

    /// Sends off what is wanted, if there is room: what has waited longest first.
    fn submit(&mut self) {
        let Engine::Gpu(gpu) = &mut self.engine else { return };
        while let Some(asked) = self.wanted.iter().flatten().min_by_key(|asked| asked.at).copied() {
            let Some(mut slot) = self.free.pop() else { return };
            self.wanted[asked.line] = None;
            gpu.set_controls(0, &ControlsUniform::of_rule(&asked.rule));
            // An image of no tokens has a word, too: nothing cannot be read back.
            gpu.run_into(0..1, self.merged, self.tokens.max(1), &mut slot);
            self.jobs.push_back(MergeJob { asked, slot, image: self.image });
        }
    }
}

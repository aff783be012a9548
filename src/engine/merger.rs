//! Patches of a finished image at any threshold, fast enough to follow a finger: the `merge` op by itself.
//!
//! The entropies of an image do not depend on the patch rule, so moving the threshold needs no model: one dispatch, one
//! workgroup, whatever the size of the image. A [`Merger`] keeps the entropies on the device; [`Merger::request`] asks
//! for the patches under a rule and [`Merger::poll`] picks them up when they are there. Neither waits for a GPU. Where
//! requests come faster than results the newest wins: those in between are never computed, or never shown.

use std::collections::VecDeque;

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

/// Requests on their way at most: one being computed and one behind it, so that the device does not run dry.
const RING: usize = 2;

/// The patches of an image under a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The rule.
    pub rule: PatchRule,
    /// Why token i starts a patch; `None` where it continues one. (T)
    pub reasons: Vec<Option<StartReason>>,
    /// The patch that holds token i. (T)
    pub ids: Vec<u32>,
    /// Number of patches, M.
    pub count: usize,
}

impl Merged {
    /// From rows of (reason code, patch): one per token, then (0, M).
    fn of(rule: PatchRule, rows: &[[u32; 2]]) -> Self {
        let (count, rows) = rows.split_last().map_or((0, rows), |(last, rows)| (last[1] as usize, rows));
        Self {
            rule,
            reasons: rows.iter().map(|r| StartReason::from_code(r[0])).collect(),
            ids: rows.iter().map(|r| r[1]).collect(),
            count,
        }
    }

    /// The same as [`PatchRule::patches`] gives.
    pub fn patches(&self) -> Patches {
        Patches::from_starts(self.reasons.iter().map(Option::is_some).collect(), self.rule.grid)
    }
}

/// A request under way on a GPU.
struct MergeJob {
    rule: PatchRule,
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
    wanted: Option<PatchRule>,
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
        let merged = b.zeros("merged", 2 * (MAX_TOKENS + 1));
        merge::step(&mut b, Section::EntropyModel, merge::Args { state, entropies, merged });
        let program = Program::loose(b);
        let (engine, free) = match backend.gpu() {
            Some(gpu) => {
                let executor = GpuExecutor::new(&gpu.device, &gpu.queue, Tier::of(&gpu.info), program).await?;
                let slots = (0..RING).map(|_| Readback::new(&gpu.device, 2 * (MAX_TOKENS + 1))).collect();
                (Engine::Gpu(Box::new(executor)), slots)
            }
            None => (Engine::Cpu(Box::new(CpuExecutor::new(program))), Vec::new()),
        };
        let jobs = VecDeque::new();
        Ok(Self { engine, state, entropies, merged, tokens: 0, image: 0, wanted: None, jobs, free })
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
        self.wanted = None;
        Ok(())
    }

    /// Asks for the patches under `rule`, in place of whatever was asked for and is not under way. Returns at once.
    ///
    /// The rule is taken as it is: [`crate::controls::Controls::check`] refuses those that make no sense.
    pub fn request(&mut self, rule: PatchRule) {
        self.wanted = Some(rule);
        self.submit();
    }

    /// Whether a result is still to come.
    pub fn is_busy(&self) -> bool {
        self.wanted.is_some() || self.jobs.iter().any(|job| job.image == self.image)
    }

    /// The newest result that has arrived since the last call, if any. Does not wait.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn poll(&mut self) -> Result<Option<Merged>> {
        let mut newest = None;
        if let Engine::Cpu(cpu) = &mut self.engine {
            if let Some(rule) = self.wanted.take() {
                cpu.set_controls(0, &ControlsUniform::of_rule(&rule));
                cpu.run_steps(0..1, 1);
                let words = cpu.read(self.merged);
                newest = Some(Merged::of(rule, bytemuck::cast_slice(&words[..2 * (self.tokens + 1)])));
            }
            return Ok(newest);
        }
        while let (Engine::Gpu(gpu), Some(job)) = (&self.engine, self.jobs.front_mut()) {
            let rows = job.slot.poll::<[u32; 2]>(gpu.device(), false);
            if !job.slot.is_free() {
                rows?; // a device that cannot even be polled
                break;
            }
            let Some(job) = self.jobs.pop_front() else { break };
            self.free.push(job.slot);
            if let (Some(rows), true) = (rows?, job.image == self.image) {
                newest = Some(Merged::of(job.rule, &rows));
            }
        }
        self.submit();
        Ok(newest)
    }

    /// Sends off what is wanted, if there is room.
    fn submit(&mut self) {
        let Engine::Gpu(gpu) = &mut self.engine else { return };
        let Some(rule) = self.wanted else { return };
        let Some(mut slot) = self.free.pop() else { return };
        gpu.set_controls(0, &ControlsUniform::of_rule(&rule));
        gpu.run_into(0..1, self.merged, 2 * (self.tokens + 1), &mut slot);
        self.jobs.push_back(MergeJob { rule, slot, image: self.image });
        self.wanted = None;
    }
}

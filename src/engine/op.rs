//! What an op is: its shader, its bindings, its twin and what a twin sees of the machine.

use std::ops::Range;

use bytemuck::Pod;
use parking_lot::{MappedRwLockReadGuard, MappedRwLockWriteGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::cache::CacheFormat;
use super::state::{ControlsUniform, STATE_WORDS};
use super::weights::Precision;

/// Words of an op's parameter block (a uniform; shorter structs leave the rest 0).
pub const PARAM_WORDS: usize = 24;

/// What a storage binding is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only read.
    Read,
    /// Read and written.
    Write,
}

/// A storage binding of a shader: the name of its variable there, and what is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The variable's name in WGSL.
    pub name: &'static str,
    /// What it is used for.
    pub access: Access,
}

impl Binding {
    /// One that is only read.
    pub const fn read(name: &'static str) -> Self {
        Self { name, access: Access::Read }
    }

    /// One that is written, and perhaps read.
    pub const fn write(name: &'static str) -> Self {
        Self { name, access: Access::Write }
    }
}

/// The override constants a shader takes, besides its workgroup size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    /// Guidance lanes, 1 or 2.
    Lanes,
    /// Threads that share eight weight rows, chosen by the executor.
    Split,
    /// Pictures that a thread serves.
    Together,
    /// Bytes of a weight: 4 (f32), 2 (f16 pairs) or 1 (int8, a scale for each row).
    Bytes,
    /// RMSNorm in front.
    Norm,
    /// A residual stream is added.
    Residual,
    /// A second addend.
    Extra,
    /// What the input is put together of ([`Gathering`]).
    Input,
    /// Bytes of a number of an embedding table.
    TableBytes,
    /// Angles of the patch that ends, not of a position.
    PatchTurns,
    /// Bytes of a number of a cache: 4 (f32) or 2 (f16 pairs).
    CacheBytes,
}

/// What an op that puts its input together itself makes it of (`shaders/shared/input.wgsl`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gathering {
    /// Parts of a row, added up.
    Sum = 0,
    /// An embedding, at first the class's.
    Embed = 1,
    /// The maximum over a patch.
    Pool = 2,
    /// As `Sum` for a patch that ends, the class's embedding where there is none.
    Closed = 3,
}

/// How an op's workgroups are shaped; executors give each shape its own number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Any number of workgroups.
    Wide,
    /// A workgroup an attention head and lane.
    Head,
    /// One workgroup (reductions over the vocabulary).
    Single,
}

/// One op: its shader and its twin.
pub struct Op {
    /// Stem of its files.
    pub name: &'static str,
    /// Its WGSL, prelude first.
    pub wgsl: &'static str,
    /// Storage bindings from `@binding(2)` on (0 is the parameters, 1 the controls). Their order stands here and in WGSL;
    /// all else goes by name.
    pub storage: &'static [Binding],
    /// Override constants it takes.
    pub overrides: &'static [Override],
    /// How its workgroups are shaped.
    pub shape: Shape,
    /// The same computation on the CPU.
    pub twin: fn(&TwinView<'_>),
    /// Whether threads share the twin's work by rows or heads ([`TwinView::share`]), all pictures together. Such an op has `state`
    /// and a gate (the first word of its parameters), and changes no state. Other ops are shared by pictures
    /// ([`TwinView::pictures`]).
    pub shared: bool,
}

impl Op {
    /// What is bound, put into the shader's order.
    pub fn bind<B: Copy>(&self, named: &[(Binding, B)]) -> Vec<B> {
        let of = |binding| named.iter().find(|(name, _)| name == binding).map(|(_, buffer)| *buffer);
        let bound: Vec<B> = self.storage.iter().filter_map(of).collect();
        debug_assert!(
            bound.len() == self.storage.len() && bound.len() == named.len(),
            "{}: a binding without a buffer, or the reverse",
            self.name
        );
        bound
    }
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Values of the override constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flags {
    /// Guidance lanes, 1 or 2.
    pub lanes: u32,
    /// How weights are kept.
    pub precision: Precision,
    /// RMSNorm in front.
    pub norm: bool,
    /// A residual stream is added.
    pub residual: bool,
    /// A second addend.
    pub extra: bool,
    /// What the input is put together of.
    pub input: Gathering,
    /// How an embedding table in the input is kept.
    pub table: Precision,
    /// Angles of the patch that ends, not of a position.
    pub patch_turns: bool,
    /// How keys and values are kept.
    pub caches: CacheFormat,
}

impl Flags {
    /// No option set.
    pub const fn lanes(lanes: u32) -> Self {
        Self {
            lanes,
            precision: Precision::F32,
            norm: false,
            residual: false,
            extra: false,
            input: Gathering::Sum,
            table: Precision::F32,
            patch_turns: false,
            caches: CacheFormat::F32,
        }
    }
}

/// What a twin sees of the machine: its parameters and the buffers bound to it.
pub struct TwinView<'a> {
    pub(super) params: &'a [u32; PARAM_WORDS],
    /// One a picture.
    pub(super) controls: &'a [ControlsUniform],
    pub(super) flags: Flags,
    pub(super) storage: &'static [Binding],
    /// Indices into `buffers`, one a binding.
    pub(super) bind: &'a [usize],
    pub(super) buffers: &'a [RwLock<Vec<u32>>],
    pub(super) share: Share,
}

/// Which of the threads that go through a program together this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// From 0 on.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl Share {
    /// This thread's part of `total` units, in whole runs of `unit`.
    pub fn of(self, total: usize, unit: usize) -> Range<usize> {
        let runs = total.div_ceil(unit);
        let edge = |index: usize| ((runs * index).div_ceil(self.count) * unit).min(total);
        edge(self.index)..edge(self.index + 1)
    }
}

/// The state of one picture ([`super::state::word`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State([u32; STATE_WORDS]);

impl State {
    fn new(words: &[u32]) -> Self {
        let mut state = [0; STATE_WORDS];
        state.copy_from_slice(words);
        Self(state)
    }

    /// A word.
    pub fn at(&self, word: u32) -> u32 {
        self.0[word as usize]
    }

    /// The same as a row or position.
    pub fn index(&self, word: u32) -> usize {
        self.at(word) as usize
    }

    /// Changes a word.
    pub fn set(&mut self, word: u32, value: u32) {
        self.0[word as usize] = value;
    }
}

impl TwinView<'_> {
    /// The op's parameters.
    pub fn params<P: Pod>(&self) -> P {
        bytemuck::pod_read_unaligned(&bytemuck::bytes_of(self.params)[..size_of::<P>()])
    }

    /// Whether the gate of a shared op is open for any picture.
    pub(super) fn is_open(&self) -> bool {
        let (gate, states) = (self.params[0] as usize, self.words(self.storage[0]));
        states.chunks_exact(STATE_WORDS).any(|state| state[gate] != 0)
    }

    /// How many pictures are drawn at once.
    pub fn count(&self) -> usize {
        self.controls.len()
    }

    /// The pictures that are this thread's, where an op is shared by pictures. Threads come to the next op of this kind without
    /// waiting for each other, so a twin copies what it reads and takes one lock at a time.
    pub fn pictures(&self) -> Range<usize> {
        self.share.of(self.count(), 1)
    }

    /// The state of some pictures, by picture.
    pub fn states(&self, pictures: Range<usize>) -> Vec<(usize, State)> {
        let words = self.words(self.storage[0]);
        let some = &words[pictures.start * STATE_WORDS..pictures.end * STATE_WORDS];
        pictures.zip(some.chunks_exact(STATE_WORDS).map(State::new)).collect()
    }

    /// Of some pictures, those whose gate is open.
    pub fn open(&self, gate: u32, pictures: Range<usize>) -> Vec<(usize, State)> {
        let mut open = self.states(pictures);
        open.retain(|(_, state)| state.at(gate) != 0);
        open
    }

    /// Writes down the state of a picture.
    pub fn set_state(&self, picture: usize, state: &State) {
        self.words_mut(self.storage[0])[picture * STATE_WORDS..][..STATE_WORDS].copy_from_slice(&state.0);
    }

    /// The live controls of a picture.
    pub fn controls(&self, picture: usize) -> &ControlsUniform {
        &self.controls[picture]
    }

    /// The override constants.
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// The part of a shared op's work that is this thread's. What one thread writes, no other reads in the same op, and what is read
    /// no thread writes.
    pub fn share(&self) -> Share {
        self.share
    }

    /// A buffer as words.
    pub fn words(&self, binding: Binding) -> RwLockReadGuard<'_, Vec<u32>> {
        self.buffer(binding).read()
    }

    /// The same, to write: briefly, as the other threads wait for it. An op never binds one buffer twice if it writes it.
    pub fn words_mut(&self, binding: Binding) -> RwLockWriteGuard<'_, Vec<u32>> {
        debug_assert_eq!(binding.access, Access::Write, "{}", binding.name);
        self.buffer(binding).write()
    }

    /// A buffer as floats.
    pub fn f32(&self, binding: Binding) -> MappedRwLockReadGuard<'_, [f32]> {
        RwLockReadGuard::map(self.words(binding), |w| bytemuck::cast_slice(w))
    }

    /// The same, to write.
    pub fn f32_mut(&self, binding: Binding) -> MappedRwLockWriteGuard<'_, [f32]> {
        RwLockWriteGuard::map(self.words_mut(binding), |w| bytemuck::cast_slice_mut(w))
    }

    fn buffer(&self, binding: Binding) -> &RwLock<Vec<u32>> {
        // A binding that the op does not list is out of bounds here: its first test says so.
        let at = self.storage.iter().position(|b| *b == binding).unwrap_or(self.storage.len());
        &self.buffers[self.bind[at]]
    }
}

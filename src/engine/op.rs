//! What an op is: its shader, its bindings, its twin and what a twin sees of the machine.

use std::cell::{Ref, RefCell, RefMut};

use bytemuck::Pod;

use super::state::ControlsUniform;

/// Words of an op's parameter block (a 64-byte uniform; shorter structs leave the rest 0).
pub const PARAM_WORDS: usize = 16;

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
    /// Weights are f16 pairs.
    F16,
    /// RMSNorm in front.
    Norm,
    /// A residual stream is added.
    Residual,
    /// A second addend.
    Extra,
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
    /// One thread: the only shape whose shader has no workgroup size to set.
    Thread,
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
    /// The same computation in plain loops.
    pub twin: fn(&TwinView<'_>),
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
    /// Weights are f16 pairs.
    pub f16: bool,
    /// RMSNorm in front.
    pub norm: bool,
    /// A residual stream is added.
    pub residual: bool,
    /// A second addend.
    pub extra: bool,
}

impl Flags {
    /// No option set.
    pub const fn lanes(lanes: u32) -> Self {
        Self { lanes, f16: false, norm: false, residual: false, extra: false }
    }
}

/// What a twin sees of the machine: its parameters and the buffers bound to it.
pub struct TwinView<'a> {
    pub(super) params: &'a [u32; PARAM_WORDS],
    pub(super) controls: &'a ControlsUniform,
    pub(super) flags: Flags,
    pub(super) storage: &'static [Binding],
    /// Indices into `buffers`, one a binding.
    pub(super) bind: &'a [usize],
    pub(super) buffers: &'a [RefCell<Vec<u32>>],
}

impl TwinView<'_> {
    /// The op's parameters.
    pub fn params<P: Pod>(&self) -> P {
        bytemuck::pod_read_unaligned(&bytemuck::bytes_of(self.params)[..size_of::<P>()])
    }

    /// The live controls.
    pub fn controls(&self) -> &ControlsUniform {
        self.controls
    }

    /// The override constants.
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// A buffer as words.
    pub fn words(&self, binding: Binding) -> Ref<'_, Vec<u32>> {
        self.buffer(binding).borrow()
    }

    /// The same, to write. An op never binds one buffer twice if it writes it.
    pub fn words_mut(&self, binding: Binding) -> RefMut<'_, Vec<u32>> {
        debug_assert_eq!(binding.access, Access::Write, "{}", binding.name);
        self.buffer(binding).borrow_mut()
    }

    /// A buffer as floats.
    pub fn f32(&self, binding: Binding) -> Ref<'_, [f32]> {
        Ref::map(self.words(binding), |w| bytemuck::cast_slice(w))
    }

    /// The same, to write.
    pub fn f32_mut(&self, binding: Binding) -> RefMut<'_, [f32]> {
        RefMut::map(self.words_mut(binding), |w| bytemuck::cast_slice_mut(w))
    }

    fn buffer(&self, binding: Binding) -> &RefCell<Vec<u32>> {
        // A binding that the op does not list is out of bounds here: its first test says so.
        let at = self.storage.iter().position(|b| *b == binding).unwrap_or(self.storage.len());
        &self.buffers[self.bind[at]]
    }
}

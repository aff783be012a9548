//! Shader modules, pipelines and bind groups of a [`Program`], made once: one layout an op, one pipeline an op and set of
//! constants, one bind group a step.

use std::collections::HashMap;

use super::op::{Access, Flags, Op, Override, Shape};
use super::program::{Program, Step, Work};
use super::state::{ControlsUniform, MAX_PICTURES};

/// How kernels are shaped for a kind of adapter; never a matter of results, only of speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Threads a workgroup of the many-workgroup ops (at most 128).
    pub threads: u32,
    /// Threads that share eight weight rows (a power of two, at most `threads`; 1, or 4 to 64).
    pub split: u32,
    /// Threads of an attention head (32 to 256).
    pub attend: u32,
    /// Threads of the single-workgroup ops (reductions over the vocabulary).
    pub single: u32,
}

impl Tier {
    /// Software adapters: barriers and scattered loads cost most; sixteen threads are two vectors of a CPU.
    pub const SOFTWARE: Self = Self { threads: 16, split: 1, attend: 32, single: 16 };
    /// Hardware: neighbouring threads read neighbouring 16 bytes of a row.
    pub const GPU: Self = Self { threads: 128, split: 32, attend: 128, single: 256 };

    /// The tier for an adapter.
    pub fn of(info: &wgpu::AdapterInfo) -> Self {
        if info.device_type == wgpu::DeviceType::Cpu { Self::SOFTWARE } else { Self::GPU }
    }
}

/// A step ready to be recorded.
pub(super) struct Bound {
    /// Its pipeline.
    pub pipeline: wgpu::ComputePipeline,
    /// Its buffers.
    pub group: wgpu::BindGroup,
    /// Its workgroups, and how many times for pictures.
    pub count: [u32; 2],
}

/// The controls of all pictures that there may be.
pub(super) const CONTROLS_BYTES: u64 = (MAX_PICTURES * size_of::<ControlsUniform>()) as u64;

/// Uniform offsets are aligned to this in WebGPU's default limits.
const UNIFORM_ALIGN: usize = 256;

/// Pipelines (one per op and set of constants) and bind groups (one per step).
pub(super) fn bind_steps(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    tier: Tier,
    program: &Program,
    buffers: &[wgpu::Buffer],
    controls: &wgpu::Buffer,
) -> Vec<Bound> {
    let mut blocks = vec![0u32; program.steps.len() * UNIFORM_ALIGN / 4];
    for (block, step) in blocks.chunks_exact_mut(UNIFORM_ALIGN / 4).zip(&program.steps) {
        block[..step.params.len()].copy_from_slice(&step.params);
    }
    let params = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("params"),
        size: 4 * blocks.len() as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    queue.write_buffer(&params, 0, bytemuck::cast_slice(&blocks));

    let mut layouts = HashMap::new();
    let mut pipelines = HashMap::new();
    let mut bound = Vec::with_capacity(program.steps.len());
    for (n, step) in program.steps.iter().enumerate() {
        let op = step.op;
        let (layout, module) = layouts.entry(op.name).or_insert_with(|| layout_of(device, op));
        let key = (op.name, step.flags);
        let values = |step: &Step| constants(op, tier, step.flags, program.pictures);
        let pipeline =
            pipelines.entry(key).or_insert_with(|| pipeline_of(device, op, layout, module, &values(step))).clone();
        let uniform = |buffer, offset: usize, bytes: usize| {
            let size = std::num::NonZeroU64::new(bytes as u64);
            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: offset as u64, size })
        };
        let mut entries = vec![
            wgpu::BindGroupEntry { binding: 0, resource: uniform(&params, n * UNIFORM_ALIGN, 4 * step.params.len()) },
            wgpu::BindGroupEntry { binding: 1, resource: uniform(controls, 0, CONTROLS_BYTES as usize) },
        ];
        entries.extend(step.bind.iter().enumerate().map(|(slot, b)| wgpu::BindGroupEntry {
            binding: slot as u32 + 2,
            resource: buffers[b.0].as_entire_binding(),
        }));
        let group =
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: Some(op.name), layout, entries: &entries });
        let count = match step.work {
            Work::Units(units) => units.div_ceil(4 * tier.threads / tier.split),
            Work::Threads(threads) => threads.div_ceil(tier.threads),
            Work::Groups(groups) => groups,
        };
        let served =
            if op.overrides.contains(&Override::Together) { together(step.flags, program.pictures) } else { 1 };
        bound.push(Bound { pipeline, group, count: [count, program.pictures.div_ceil(served) as u32] });
    }
    bound
}

fn layout_of(device: &wgpu::Device, op: &Op) -> (wgpu::BindGroupLayout, wgpu::ShaderModule) {
    let entry = |binding: usize, ty: wgpu::BufferBindingType| wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform), entry(1, wgpu::BufferBindingType::Uniform)];
    entries.extend(op.storage.iter().enumerate().map(|(slot, binding)| {
        let read_only = binding.access == Access::Read;
        entry(slot + 2, wgpu::BufferBindingType::Storage { read_only })
    }));
    let layout =
        device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(op.name), entries: &entries });
    let source = wgpu::ShaderSource::Wgsl(op.wgsl.into());
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some(op.name), source });
    (layout, module)
}

/// Pictures that a thread of a projection serves: four vectors together at most, whose weights are read once.
fn together(flags: Flags, pictures: usize) -> usize {
    let most = 4 / flags.lanes as usize;
    if pictures >= most { most } else { pictures.next_power_of_two().min(most) }
}

/// The values of an op's override constants, workgroup size included (`WG`).
pub fn constants(op: &Op, tier: Tier, flags: Flags, pictures: usize) -> Vec<(&'static str, f64)> {
    let threads = match op.shape {
        Shape::Wide => tier.threads,
        Shape::Head => tier.attend,
        Shape::Single => tier.single,
    };
    let mut values = vec![("PICTURES", pictures as f64), ("WG", f64::from(threads))];
    values.extend(op.overrides.iter().map(|o| match o {
        Override::Lanes => ("LANES", f64::from(flags.lanes)),
        Override::Split => ("SPLIT", f64::from(tier.split)),
        Override::Together => ("TOGETHER", together(flags, pictures) as f64),
        Override::Bytes => ("BYTES", flags.precision.bytes() as f64),
        Override::Norm => ("NORM", f64::from(u8::from(flags.norm))),
        Override::Residual => ("RESIDUAL", f64::from(u8::from(flags.residual))),
        Override::Extra => ("EXTRA", f64::from(u8::from(flags.extra))),
        Override::Input => ("INPUT", f64::from(flags.input as u8)),
        Override::TableBytes => ("TABLE_BYTES", flags.table.bytes() as f64),
        Override::PatchTurns => ("PATCH_TURNS", f64::from(u8::from(flags.patch_turns))),
        Override::CacheBytes => ("CACHE_BYTES", flags.caches.bytes() as f64),
    }));
    values
}

fn pipeline_of(
    device: &wgpu::Device,
    op: &Op,
    layout: &wgpu::BindGroupLayout,
    module: &wgpu::ShaderModule,
    constants: &[(&str, f64)],
) -> wgpu::ComputePipeline {
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(op.name),
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(op.name),
        layout: Some(&layout),
        module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants,
            // Every kernel writes its workgroup memory before it reads it.
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    })
}

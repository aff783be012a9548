//! `dpar info`: the model card, its classes, and what this computer has to run it on.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use dpar::checkpoint::config::{ModelConfig, TransformerConfig};
use dpar::checkpoint::{Checkpoint, ModelFiles};
use dpar::controls::Controls;
use dpar::engine::device;
use dpar::error::plain;
use pollster::block_on;
use serde::Serialize;

use super::json::to_json;
use super::output::{Card, print};
use super::report;
use super::studio::read_model;

/// Which model.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Model folder with config.json and its .safetensors files [default: the model built into this program]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Info<'a> {
    source: &'a str,
    hash: &'a str,
    image_size: usize,
    grid: usize,
    vocab: usize,
    models: Vec<ModelInfo>,
    /// What can be done with it, as commands.
    commands: Vec<&'static str>,
    defaults: Controls,
    num_classes: usize,
    classes: &'a [String],
    parents: &'a [Option<usize>],
    featured: &'a [String],
    unclear: &'a [String],
    adapters: Vec<AdapterInfo>,
}

#[derive(Debug, Serialize)]
struct ModelInfo {
    name: &'static str,
    /// In words, for people.
    shape: String,
    parameters: usize,
    bytes: usize,
}

#[derive(Debug, Serialize)]
struct AdapterInfo {
    name: String,
    backend: String,
    kind: String,
    driver: String,
    max_storage_binding_bytes: u64,
    max_workgroup_invocations: u32,
    max_workgroup_memory_bytes: u32,
    /// Whether the engine can run on it, or what is missing.
    usable: bool,
    problem: Option<String>,
}

/// Shows everything.
///
/// # Errors
/// As [`ModelFiles::load_dir`].
pub fn run(args: &InfoArgs) -> Result<()> {
    let files = read_model(args.model.as_deref())?;
    let config = &files.config;
    let info = Info {
        source: &files.source,
        hash: &files.hash,
        image_size: config.image_size(),
        grid: config.grid(),
        vocab: config.vocab(),
        models: models(&files),
        commands: commands(config),
        defaults: config.controls(),
        num_classes: config.num_classes(),
        classes: &config.classes,
        parents: &config.parents,
        featured: &config.featured,
        unclear: &config.unclear,
        adapters: adapters(),
    };
    Ok(print(&if args.json { to_json(&info)? } else { text(&info) })?)
}

fn models(files: &ModelFiles) -> Vec<ModelInfo> {
    let config = &files.config;
    let entry = |name, shape, checkpoint: &Checkpoint| ModelInfo {
        name,
        shape,
        parameters: checkpoint.parameters(),
        bytes: checkpoint.byte_len(),
    };
    let vq = &config.vq;
    let shape =
        format!("{} times smaller a side, {} codes of {}", vq.downsampling(), vq.codebook_size, vq.codebook_embed_dim);
    let mut models = vec![entry("tokenizer", shape, &files.vq)];
    let transformers = [
        ("entropy", &config.entropy, &files.entropy),
        ("dpar", &config.dpar, &files.dpar),
        ("baseline", &config.baseline, &files.baseline),
    ];
    for (name, config, checkpoint) in transformers {
        if let (Some(config), Some(checkpoint)) = (config, checkpoint) {
            models.push(entry(name, layers(config), checkpoint));
        }
    }
    models
}

/// The commands that this folder has the models for.
fn commands(config: &ModelConfig) -> Vec<&'static str> {
    let all = [
        ("generate", config.dpar.is_some()),
        ("generate --baseline", config.baseline.is_some()),
        ("analyze", config.entropy.is_some()),
    ];
    all.into_iter().filter(|(_, can)| *can).map(|(command, _)| command).collect()
}

fn layers(c: &TransformerConfig) -> String {
    let (e, d) = (c.n_local_encoder_layers, c.n_local_decoder_layers);
    // DPAR counts its layers as the paper does: patch encoder / patch transformer / patch decoder.
    let layers = if d > 0 { format!("{e}/{}/{d}", c.n_layer) } else { c.n_layer.to_string() };
    format!("{layers} layers, width {}, {} heads", c.dim, c.n_head)
}

fn adapters() -> Vec<AdapterInfo> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let backends = wgpu::Backends::from_env().unwrap_or(wgpu::Backends::all());
    let describe = |adapter: wgpu::Adapter| {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        let problem = device::check(&adapter).err().map(|e| e.to_string());
        AdapterInfo {
            name: info.name,
            backend: format!("{:?}", info.backend),
            kind: kind(info.device_type).to_owned(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            max_storage_binding_bytes: limits.max_storage_buffer_binding_size,
            max_workgroup_invocations: limits.max_compute_invocations_per_workgroup,
            max_workgroup_memory_bytes: limits.max_compute_workgroup_storage_size,
            usable: problem.is_none(),
            problem,
        }
    };
    block_on(instance.enumerate_adapters(backends)).into_iter().map(describe).collect()
}

fn kind(kind: wgpu::DeviceType) -> &'static str {
    match kind {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => "software adapter",
        wgpu::DeviceType::Other => "unknown kind",
    }
}

fn text(info: &Info) -> String {
    let mut card = Card::default();
    card.row("model", format!("{} ({})", info.source, info.hash));
    let (size, grid) = (info.image_size, info.grid);
    card.row("pictures", format!("{size} x {size} pixels from {grid} x {grid} tokens, each 1 of {}", info.vocab));
    for m in &info.models {
        let (millions, megabytes) = (m.parameters as f64 / 1e6, m.bytes as f64 / 1e6);
        card.row(m.name, format!("{}, {millions:.2} M parameters, {megabytes:.1} MB", m.shape));
    }
    card.row("commands", info.commands.join(", "));
    card.row("patching", report::patching(&info.defaults));
    card.row("sampling", report::sampling(&info.defaults));
    if info.adapters.is_empty() {
        card.row("adapters", "none found: everything runs on the CPU");
    }
    for (n, a) in info.adapters.iter().enumerate() {
        let usable = a.problem.as_deref().unwrap_or("usable");
        let limit = a.max_storage_binding_bytes >> 20;
        card.row(
            if n == 0 { "adapters" } else { "" },
            format!("{} ({}, {}): {usable}, {limit} MiB a binding", a.name, a.backend, a.kind),
        );
    }
    format!("{}\n\n{}", card.text(), classes(info))
}

/// The classes in columns, by number down each column; where a model has groups, group by group.
fn classes(info: &Info) -> String {
    if info.classes.is_empty() {
        return format!("{} classes without names: 0 to {}", info.num_classes, info.num_classes.saturating_sub(1));
    }
    let cell = |class: usize| format!("{class:>3} {}", plain(&info.classes[class]));
    let groups: Vec<usize> = (0..info.parents.len()).filter(|class| info.parents[*class].is_none()).collect();
    if groups.is_empty() {
        let all: Vec<String> = (0..info.classes.len()).map(cell).collect();
        return format!("{} classes\n{}", info.num_classes, columns(&all, ""));
    }
    let things = info.classes.len() - groups.len();
    let mut text = format!("{} groups of {things} things; a group's name draws any of its things", groups.len());
    for group in groups {
        let members = (0..info.classes.len()).filter(|class| info.parents[*class] == Some(group));
        let members: Vec<String> = members.map(cell).collect();
        text += &format!("\n\n{}\n{}", cell(group), columns(&members, "    "));
    }
    text.trim_end().to_owned()
}

/// Cells in as many columns as fit, from top to bottom.
fn columns(cells: &[String], indent: &str) -> String {
    const WIDTH: usize = 100;
    let width = cells.iter().map(|c| c.chars().count()).max().unwrap_or(0) + 2;
    let columns = ((WIDTH - indent.len()) / width).max(1);
    let rows = cells.len().div_ceil(columns);
    let line = |row: usize| -> String {
        let line: String = cells.iter().skip(row).step_by(rows).map(|cell| format!("{cell:<width$}")).collect();
        format!("{indent}{}", line.trim_end())
    };
    (0..rows).map(line).collect::<Vec<_>>().join("\n")
}

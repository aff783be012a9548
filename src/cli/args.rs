//! The flags that several commands share.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use clap::{Arg, ArgGroup, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use dpar::checkpoint::config::ModelConfig;
use dpar::checkpoint::import::paper_controls;
use dpar::checkpoint::stored::WeightFormat;
use dpar::controls::{CONTROLS, Control, ControlGroup, Controls, SomeControls};
use dpar::engine::backend::DeviceChoice;
use dpar::engine::cache::CacheFormat;
use dpar::engine::state::MAX_PICTURES;
use dpar::patching::Mode;
use dpar::{Error, Result, platform};

/// The built-in model's, for the defaults that `--help` names. A model folder brings its own.
static BUILT_IN: LazyLock<ModelConfig> = LazyLock::new(platform::built_in_config);

/// Which model, and where it runs.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Model and device")]
pub struct PlaceArgs {
    /// Model folder with config.json and its .safetensors files [default: the model built into this program]
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Keep the weights of all layers like that, which changes what is drawn a little [default: as they are stored]
    #[arg(long, value_name = "FORMAT", value_parser = weight_formats())]
    pub weights: Option<WeightFormat>,
    /// Keep the keys and values of past tokens like that: f16 takes half the memory and changes what is drawn a little
    #[arg(long, value_name = "FORMAT", default_value = "f32", value_parser = cache_formats())]
    pub caches: CacheFormat,
    /// Where to run: a GPU if there is one, a GPU or an error, or the CPU
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub device: Device,
    /// Threads of the CPU twins; how many there are changes no token [default: one a core, at most 8]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: Option<u16>,
}

/// The values of `--weights`.
pub fn weight_formats() -> impl TypedValueParser<Value = WeightFormat> {
    PossibleValuesParser::new(WeightFormat::NAMES.map(|(name, _)| name)).map(|said| {
        // One of the names, or the parser would have refused it.
        WeightFormat::NAMES.iter().find(|(name, _)| *name == said).map_or(WeightFormat::F32, |(_, format)| *format)
    })
}

/// The values of `--caches`.
pub fn cache_formats() -> impl TypedValueParser<Value = CacheFormat> {
    PossibleValuesParser::new(CacheFormat::NAMES.map(|(name, _)| name)).map(|said| {
        // One of the names, or the parser would have refused it.
        CacheFormat::NAMES.iter().find(|(name, _)| *name == said).map_or(CacheFormat::F32, |(_, format)| *format)
    })
}

/// `--batch`, for people.
pub const BATCH: &str = "How many pictures are drawn at once, 1 to 32: it changes how long they take and how much memory, not the pictures \
     [default: 16, or as many as fit]";

/// The values of `--batch`.
pub fn batch() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=MAX_PICTURES as u64)
}

/// `--device`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Device {
    #[default]
    Auto,
    Gpu,
    Cpu,
}

impl From<Device> for DeviceChoice {
    fn from(device: Device) -> Self {
        match device {
            Device::Auto => Self::Auto,
            Device::Gpu => Self::Gpu,
            Device::Cpu => Self::Cpu,
        }
    }
}

/// `--seed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    Number(u32),
    /// One that the operating system draws.
    Random,
}

impl Seed {
    /// Reads a flag.
    ///
    /// # Errors
    /// What it must be instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "random" {
            return Ok(Self::Random);
        }
        text.parse()
            .map(Self::Number)
            .map_err(|_| format!("it must be a whole number from 0 to {}, or random", u32::MAX))
    }

    /// The seed: whoever draws with it says it, so that a random one can be had again.
    ///
    /// # Errors
    /// [`Error::Internal`] where the operating system has no random numbers.
    pub fn number(self) -> Result<u32> {
        match self {
            Self::Number(seed) => Ok(seed),
            Self::Random => getrandom::u32().map_err(|e| Error::Internal(format!("there is no random seed ({e})"))),
        }
    }
}

/// What a command draws that nobody has told, for `--help`.
pub fn default_class() -> String {
    let config = &*BUILT_IN;
    config.classes.get(config.default_class()).cloned().unwrap_or_default()
}

/// The threshold of the built-in model, for `--help`.
pub fn default_threshold() -> f32 {
    BUILT_IN.controls().threshold
}

/// The patch rule, where it differs from the model's own.
#[derive(Clone, Debug, Default)]
pub struct PatchArgs(pub SomeControls);

/// How tokens are drawn, where it differs from the model's own settings.
#[derive(Clone, Debug, Default)]
pub struct SamplingArgs(pub SomeControls);

/// As [`PatchArgs`], of a folder that is made of others' files.
#[derive(Clone, Debug, Default)]
pub struct ImportedPatchArgs(pub SomeControls);

/// As [`SamplingArgs`], of a folder that is made of others' files.
#[derive(Clone, Debug, Default)]
pub struct ImportedSamplingArgs(pub SomeControls);

/// A flag for every control of a group, from the library's own table.
fn flags(
    group: ControlGroup,
    name: &'static str,
    heading: &'static str,
    defaults: &Controls,
    command: Command,
) -> Command {
    let flag = |control: &'static Control| {
        let help = format!("{} [default: {}]", control.about, control.get(defaults));
        let flag =
            Arg::new(control.name).long(control.flag).help(help).help_heading(heading).allow_negative_numbers(true);
        match control.value {
            "" => flag.value_parser(PossibleValuesParser::new(Mode::NAMES.map(|(name, _)| name))),
            value => flag.value_name(value).value_parser(move |text: &str| {
                control.parse(text).map(|_| text.to_owned()).map_err(|wanted| format!("it must be {wanted}"))
            }),
        }
    };
    let args: Vec<Arg> = CONTROLS.iter().filter(|control| control.group == group).map(flag).collect();
    let group = ArgGroup::new(name).multiple(true).args(args.iter().map(Arg::get_id));
    command.args(args).group(group)
}

/// What was said of a group's controls.
fn said(group: ControlGroup, matches: &ArgMatches) -> SomeControls {
    let mut said = SomeControls::default();
    for control in CONTROLS.iter().filter(|control| control.group == group) {
        // The flag's parser has read it once: it can be read.
        let value = matches.get_one::<String>(control.name).and_then(|text| control.parse(text).ok());
        if let Some(value) = value {
            said.insert(control, value);
        }
    }
    said
}

macro_rules! from_the_table {
    ($args:ident, $group:expr, $heading:literal, $defaults:expr) => {
        impl FromArgMatches for $args {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(said($group, matches)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                *self = Self(said($group, matches));
                Ok(())
            }
        }

        impl Args for $args {
            fn group_id() -> Option<clap::Id> {
                Some(clap::Id::from(stringify!($args)))
            }

            fn augment_args(command: Command) -> Command {
                flags($group, stringify!($args), $heading, &$defaults, command)
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }
    };
}

from_the_table!(
    PatchArgs,
    ControlGroup::Patching,
    "Patching (defaults of the built-in model; a --model folder has its own)",
    BUILT_IN.controls()
);
from_the_table!(
    SamplingArgs,
    ControlGroup::Sampling,
    "Sampling (defaults of the built-in model; a --model folder has its own)",
    BUILT_IN.controls()
);
from_the_table!(
    ImportedPatchArgs,
    ControlGroup::Patching,
    "Patching that the folder gets (defaults of the paper)",
    paper_controls()
);
from_the_table!(
    ImportedSamplingArgs,
    ControlGroup::Sampling,
    "Sampling that the folder gets (defaults of the paper)",
    paper_controls()
);

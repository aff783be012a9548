//! The flags that several commands share.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgGroup, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use dpar::controls::{CONTROLS, Control, ControlGroup, SomeControls};
use dpar::engine::backend::DeviceChoice;
use dpar::patching::Mode;

/// Which model, and where it runs.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Model and device")]
pub struct PlaceArgs {
    /// Model folder with config.json and its .safetensors files [default: the model built into this program]
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Where to run: a GPU if there is one, a GPU or an error, or the CPU
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub device: Device,
}

/// `--device`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Device {
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

/// The patch rule, where it differs from the model's own.
#[derive(Clone, Debug, Default)]
pub struct PatchArgs(pub SomeControls);

/// How tokens are drawn, where it differs from the model's own settings.
#[derive(Clone, Debug, Default)]
pub struct SamplingArgs(pub SomeControls);

/// A flag for every control of a group, from the library's own table.
fn flags(group: ControlGroup, name: &'static str, heading: &'static str, command: Command) -> Command {
    let flag = |control: &'static Control| {
        let help = format!("{} [default: the model's]", control.about);
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
    ($args:ident, $group:expr, $heading:literal) => {
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
                flags($group, stringify!($args), $heading, command)
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }
    };
}

from_the_table!(PatchArgs, ControlGroup::Patching, "Patching");
from_the_table!(SamplingArgs, ControlGroup::Sampling, "Sampling");

//! The settings of a run that may change while it goes on: plain, checked, serialisable.
//!
//! [`CONTROLS`] is the one place that spells their names: links, commands, flags, the published state and the text panel
//! are made from it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::patching::{Mode, PatchRule};

/// The controls of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Controls {
    /// How boundaries are chosen.
    pub mode: Mode,
    /// Entropy threshold in nats.
    pub threshold: f32,
    /// P_max; 0 is unlimited.
    pub p_max: u32,
    /// Guidance, temperature, top-k, top-p.
    #[serde(flatten)]
    pub sampling: SamplingConfig,
}

/// The paper's mode and no limits: a model says its own ([`crate::checkpoint::config::ModelConfig::controls`]).
impl Default for Controls {
    fn default() -> Self {
        Self { mode: Mode::default(), threshold: 0.0, p_max: 0, sampling: SamplingConfig::default() }
    }
}

impl Controls {
    /// The patch rule on a grid.
    pub fn rule(&self, grid: usize) -> PatchRule {
        PatchRule { mode: self.mode, threshold: self.threshold, max_patch_length: self.p_max, grid: grid as u32 }
    }

    /// Refuses numbers that no run could use.
    ///
    /// # Errors
    /// [`Error::Request`] naming the setting, its value and its range.
    pub fn check(&self) -> Result<()> {
        let s = &self.sampling;
        let bad = |text: String| Err(Error::Request(text));
        if !self.threshold.is_finite() {
            return bad(format!("threshold {} is not a finite number of nats (try 2 to 6)", self.threshold));
        }
        if self.mode == Mode::Static && self.p_max == 0 {
            return bad("mode static needs a patch length: give --p-max 1 or more".into());
        }
        if !(s.cfg_scale.is_finite() && s.cfg_scale.abs() <= 100.0) {
            return bad(format!("guidance scale {} is out of range (-100 to 100; 1 is off)", s.cfg_scale));
        }
        if !(0.0..=100.0).contains(&s.temperature) {
            return bad(format!("temperature {} is out of range (0 to 100; 0 is greedy)", s.temperature));
        }
        if s.temperature > 0.0 && s.temperature < 1e-3 {
            return bad(format!("temperature {} is too small to divide by; use 0 for greedy", s.temperature));
        }
        if !(0.0..=1.0).contains(&s.top_p) {
            return bad(format!("top-p {} is out of range (0 to 1; 1 is off)", s.top_p));
        }
        Ok(())
    }
}

/// How tokens are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamplingConfig {
    /// Classifier-free guidance scale; 1 is off.
    pub cfg_scale: f32,
    /// Softmax temperature; 0 is greedy.
    pub temperature: f32,
    /// Keep the k most probable tokens; 0 is off.
    pub top_k: usize,
    /// Keep the shortest most-probable prefix that reaches this mass; 1 is off.
    pub top_p: f32,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self { cfg_scale: 2.0, temperature: 1.0, top_k: 0, top_p: 1.0 }
    }
}

/// What a control decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlGroup {
    /// Where patches begin.
    Patching,
    /// How tokens are drawn.
    Sampling,
}

/// How far a control makes sense, for whoever makes a slider of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// As far as anybody likes.
    Open,
    /// To 1.
    One,
    /// To the most that a model of V codes can be surprised, ln V nats.
    Surprise,
    /// Its values have names.
    Names,
}

/// A control's place in [`Controls`].
#[derive(Debug)]
pub enum Field<'a> {
    /// A number.
    Float(&'a mut f32),
    /// A whole number.
    Whole(&'a mut u32),
    /// A whole number that counts codes: more than there are is all of them.
    Count(&'a mut usize),
    /// The mode.
    Mode(&'a mut Mode),
}

/// A control: its names, its words, and its place.
#[derive(Debug)]
pub struct Control {
    /// In commands and in the published state.
    pub name: &'static str,
    /// In links.
    pub link: &'static str,
    /// On the command line, after the two dashes.
    pub flag: &'static str,
    /// What the flag's value is called in `--help`; empty where it has names.
    pub value: &'static str,
    /// In the text panel.
    pub label: &'static str,
    /// In a sentence, for `--help`.
    pub about: &'static str,
    /// What it decides.
    pub group: ControlGroup,
    /// How far it makes sense.
    pub reach: Reach,
    /// The step of a control that is moved with arrow keys.
    pub step: f32,
    field: for<'a> fn(&'a mut Controls) -> Field<'a>,
}

/// Every control, in the order of links.
pub static CONTROLS: &[Control] = &[
    Control {
        name: "threshold",
        link: "t",
        flag: "threshold",
        value: "NATS",
        label: "Threshold (nats)",
        about: "Entropy in nats above which a token starts a patch: lower means more patches",
        group: ControlGroup::Patching,
        reach: Reach::Surprise,
        step: 0.05,
        field: |c| Field::Float(&mut c.threshold),
    },
    Control {
        name: "p_max",
        link: "pmax",
        flag: "p-max",
        value: "N",
        label: "Longest patch (0: no limit)",
        about: "Most tokens a patch holds, 0 for no limit",
        group: ControlGroup::Patching,
        reach: Reach::Open,
        step: 1.0,
        field: |c| Field::Whole(&mut c.p_max),
    },
    Control {
        name: "mode",
        link: "mode",
        flag: "mode",
        value: "",
        label: "Patches end at",
        about: "How patches are cut: every token, fixed length, by entropy, or by entropy and row",
        group: ControlGroup::Patching,
        reach: Reach::Names,
        step: 0.0,
        field: |c| Field::Mode(&mut c.mode),
    },
    Control {
        name: "guidance",
        link: "cfg",
        flag: "cfg",
        value: "F",
        label: "Guidance (1: off)",
        about: "Classifier-free guidance: how much the class matters; 1 is off and does less work",
        group: ControlGroup::Sampling,
        reach: Reach::Open,
        step: 0.1,
        field: |c| Field::Float(&mut c.sampling.cfg_scale),
    },
    Control {
        name: "temperature",
        link: "temp",
        flag: "temperature",
        value: "F",
        label: "Temperature (0: the most probable)",
        about: "Softmax temperature, 0 for the most probable token always",
        group: ControlGroup::Sampling,
        reach: Reach::Open,
        step: 0.05,
        field: |c| Field::Float(&mut c.sampling.temperature),
    },
    Control {
        name: "top_k",
        link: "topk",
        flag: "top-k",
        value: "N",
        label: "Top-k (0: all)",
        about: "Draw among the N most probable tokens, 0 for all",
        group: ControlGroup::Sampling,
        reach: Reach::Open,
        step: 1.0,
        field: |c| Field::Count(&mut c.sampling.top_k),
    },
    Control {
        name: "top_p",
        link: "topp",
        flag: "top-p",
        value: "F",
        label: "Top-p (1: all)",
        about: "Draw among the most probable tokens that reach this probability, 1 for all",
        group: ControlGroup::Sampling,
        reach: Reach::One,
        step: 0.05,
        field: |c| Field::Float(&mut c.sampling.top_p),
    },
];

/// What a control is set to. Written in the shortest form that reads back as the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ControlValue {
    /// A number.
    Float(f32),
    /// A whole number.
    Whole(u32),
    /// The mode.
    Mode(Mode),
}

impl fmt::Display for ControlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float(value) => {
                // `5.2`, `2`, `1e-7`
                let (plain, short) = (value.to_string(), format!("{value:e}"));
                f.write_str(if plain.len() <= 12 { &plain } else { &short })
            }
            Self::Whole(value) => value.fmt(f),
            Self::Mode(mode) => mode.fmt(f),
        }
    }
}

impl Serialize for ControlValue {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Float(value) => to.serialize_f32(*value),
            Self::Whole(value) => to.serialize_u32(*value),
            Self::Mode(mode) => to.serialize_str(mode.name()),
        }
    }
}

impl Control {
    /// What `controls` says.
    pub fn get(&self, controls: &Controls) -> ControlValue {
        match (self.field)(&mut controls.clone()) {
            Field::Float(value) => ControlValue::Float(*value),
            Field::Whole(value) => ControlValue::Whole(*value),
            Field::Count(value) => ControlValue::Whole(u32::try_from(*value).unwrap_or(u32::MAX)),
            Field::Mode(mode) => ControlValue::Mode(*mode),
        }
    }

    /// Sets it; a value of another kind than [`Self::parse`] gives changes nothing.
    pub fn set(&self, controls: &mut Controls, value: ControlValue) {
        match ((self.field)(controls), value) {
            (Field::Float(to), ControlValue::Float(value)) => *to = value,
            (Field::Whole(to), ControlValue::Whole(value)) => *to = value,
            (Field::Count(to), ControlValue::Whole(value)) => *to = value as usize,
            (Field::Mode(to), ControlValue::Mode(value)) => *to = value,
            (Field::Float(_) | Field::Whole(_) | Field::Count(_) | Field::Mode(_), _) => {}
        }
    }

    /// Reads a value. Whether a run can use it is for [`Controls::check`] to say.
    ///
    /// # Errors
    /// What it must be instead, to follow "it must be".
    pub fn parse(&self, text: &str) -> std::result::Result<ControlValue, String> {
        let text = text.trim();
        match (self.field)(&mut Controls::default()) {
            Field::Float(_) => {
                let value = text.parse().ok().filter(|value: &f32| value.is_finite());
                value.map(ControlValue::Float).ok_or_else(|| "a number, for instance 1.5".to_owned())
            }
            Field::Whole(_) | Field::Count(_) => {
                text.parse().map(ControlValue::Whole).map_err(|_| format!("a whole number from 0 to {}", u32::MAX))
            }
            Field::Mode(_) => {
                text.parse().map(ControlValue::Mode).map_err(|_| Mode::NAMES.map(|(name, _)| name).join(", "))
            }
        }
    }
}

/// Some of the controls, each with its value: what a link, a command line or a change on the way says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SomeControls(BTreeMap<usize, ControlValue>); // by place in CONTROLS

impl SomeControls {
    /// All of them.
    pub fn of(controls: &Controls) -> Self {
        Self(CONTROLS.iter().map(|control| control.get(controls)).enumerate().collect())
    }

    /// What `controls` says otherwise than `before`.
    pub fn difference(before: &Controls, controls: &Controls) -> Self {
        let Self(mut all) = Self::of(controls);
        all.retain(|place, value| *value != CONTROLS[*place].get(before));
        Self(all)
    }

    /// Adds what is said of one of [`CONTROLS`].
    pub fn insert(&mut self, control: &Control, value: ControlValue) {
        let place = CONTROLS.iter().position(|c| c.name == control.name);
        self.0.extend(place.map(|place| (place, value)));
    }

    /// What is said, in the order of [`CONTROLS`].
    pub fn iter(&self) -> impl Iterator<Item = (&'static Control, ControlValue)> {
        self.0.iter().map(|(place, value)| (&CONTROLS[*place], *value))
    }

    /// Sets in `controls` what is said.
    pub fn apply(&self, controls: &mut Controls) {
        for (control, value) in self.iter() {
            control.set(controls, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_is_read_written_and_told_apart() {
        let mut names = std::collections::BTreeSet::new();
        for control in CONTROLS {
            assert!(names.insert(control.name) & names.insert(&format!("#{}", control.link).leak()[..]), "{control:?}");
            let before = Controls::default();
            let other = match control.get(&before) {
                ControlValue::Float(value) => ControlValue::Float(value + 0.125),
                ControlValue::Whole(value) => ControlValue::Whole(value + 3),
                ControlValue::Mode(_) => ControlValue::Mode(Mode::Token),
            };
            let mut changed = before.clone();
            control.set(&mut changed, control.parse(&other.to_string()).unwrap());
            assert_eq!(control.get(&changed), other);
            let difference = SomeControls::difference(&before, &changed);
            assert_eq!(
                difference.iter().map(|(c, value)| (c.name, value)).collect::<Vec<_>>(),
                [(control.name, other)]
            );
            assert_ne!(changed, before);
            let mut again = before;
            difference.apply(&mut again);
            assert_eq!(again, changed);
            assert!(control.parse("many").is_err());
        }
        // A control that has no row would be left out of links.
        let json = serde_json::to_value(Controls::default()).unwrap();
        assert_eq!(json.as_object().unwrap().len(), CONTROLS.len());
    }

    #[test]
    fn numbers_are_short_and_come_back() {
        for (value, text) in [(5.2, "5.2"), (2.0, "2"), (1e-12, "1e-12"), (f32::MAX, "3.4028235e38")] {
            assert_eq!(ControlValue::Float(value).to_string(), text);
            assert_eq!(CONTROLS[0].parse(text), Ok(ControlValue::Float(value)));
        }
        assert!(
            CONTROLS[0].parse("inf").is_err() && CONTROLS[1].parse("-1").is_err() && CONTROLS[2].parse("").is_err()
        );
    }
}

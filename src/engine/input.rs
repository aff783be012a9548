//! The input of an op that puts it together itself (`shaders/shared/input.wgsl`): in models narrow enough for it, what would be an op
//! of its own is the next op's input.

use bytemuck::{Pod, Zeroable};

use super::math::row;
use super::op::{Binding, Flags, Gathering, Override, State, TwinView};
use super::program::{BufferId, Builder, MatrixRows, Norm, Row};
use super::state::word;

/// `state`.
pub const STATE: Binding = Binding::read("state");
/// What the input is made of.
pub const INPUT: Binding = Binding::read("input");
/// RMSNorm's weights.
pub const GAIN: Binding = Binding::read("gain");
/// One or two packed matrices.
pub const WEIGHTS: Binding = Binding::read("weights");
/// What the input is made of besides.
pub const MORE: Binding = Binding::read("more");
/// The stream, and what the op computes.
pub const OUT: Binding = Binding::write("out");

/// Override constants of the input and of the projection behind it.
pub const OVERRIDES: [Override; 8] = [
    Override::Lanes,
    Override::Together,
    Override::Split,
    Override::Bytes,
    Override::Norm,
    Override::Extra,
    Override::Input,
    Override::TableBytes,
];

/// The widest models whose vectors (four of them) have room in 16 KiB of workgroup memory beside a projection's sums.
pub const WIDEST: usize = 320;

/// No place in a row.
const NOWHERE: u32 = u32::MAX;

/// Parameters, in the shader's order.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// State word: 0 skips the op.
    pub gate: u32,
    /// State word: row of the input.
    pub row: u32,
    /// Its row where there is no token yet, or all bits set: the same.
    pub start: u32,
    /// Lanes of the input; 1 serves all.
    pub lanes: u32,
    /// Values a lane of an input row.
    pub stride: u32,
    /// The first part in it.
    pub first: u32,
    /// How many parts.
    pub parts: u32,
    /// Values a lane of what comes besides; an embedding table: its rows.
    pub more_stride: u32,
    /// The first of them.
    pub more_first: u32,
    /// D / 8.
    pub blocks: u32,
    /// RMSNorm epsilon.
    pub eps: f32,
    /// State word: row of out.
    pub out_row: u32,
    /// Values a lane of an out row.
    pub out_stride: u32,
    /// Where in it x is written down, or all bits set: nowhere.
    pub stream: u32,
    /// Where in it what the op computes begins.
    pub result: u32,
    /// Unused.
    pub pad: u32,
}

/// Rows of parts that are added up to a vector each: (row, picture, lane, stride).
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// The buffer, and its row.
    pub at: Row,
    /// Its row where there is no token yet, if that is another one.
    pub start: Option<usize>,
    /// Its lanes: the op's, or one for all of them.
    pub lanes: u32,
    /// Values a lane of a row.
    pub stride: usize,
    /// Where the first part begins, a multiple of 4.
    pub first: usize,
    /// How many parts of D values.
    pub count: usize,
}

/// One row of a buffer (picture, lane, stride).
#[derive(Clone, Copy, Debug)]
pub struct Addend {
    /// The buffer.
    pub buffer: BufferId,
    /// Values a lane.
    pub stride: usize,
    /// The first of the D values in it.
    pub first: usize,
}

/// What an input is made of.
#[derive(Clone, Copy, Debug)]
pub enum InputSource {
    /// Parts, and perhaps an addend.
    Sum(Parts, Option<Addend>),
    /// The embedding of the newest token; where there is none the class's, (picture, lane, D).
    Embed(Option<BufferId>, MatrixRows),
    /// The elementwise maximum over the patch that ends, of one part.
    Pool(Parts),
    /// The patch that ends; where there is none the class's embedding, (picture, lane, D).
    Closed(Parts, BufferId),
}

/// What such an op reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// `state`.
    pub state: BufferId,
    /// State word: 0 skips the op.
    pub gate: u32,
    /// Guidance lanes.
    pub lanes: u32,
    /// What the input is made of.
    pub source: InputSource,
    /// D, a multiple of 8, at most [`WIDEST`].
    pub dim: usize,
    /// RMSNorm of it.
    pub norm: Norm,
    /// (row, picture, lane, stride).
    pub out: Row,
    /// Values a lane of an out row.
    pub out_stride: usize,
    /// Where in it the input is written down.
    pub stream: Option<usize>,
    /// Where in it what the op computes begins.
    pub result: usize,
}

impl Args {
    /// Parameters, constants without those of the weights, and the buffers of [`INPUT`] and [`MORE`].
    pub fn parameters(&self, b: &mut Builder) -> (Params, Flags, [BufferId; 2]) {
        let unused = b.unused();
        let class = |classes: BufferId| Addend { buffer: classes, stride: self.dim, first: 0 };
        let whole = |buffer| Parts {
            at: Row::only(buffer),
            start: None,
            lanes: self.lanes,
            stride: self.dim,
            first: 0,
            count: 1,
        };
        let (input, parts, more) = match self.source {
            InputSource::Sum(parts, addend) => (Gathering::Sum, parts, addend),
            InputSource::Pool(parts) => (Gathering::Pool, parts, None),
            InputSource::Closed(parts, classes) => (Gathering::Closed, parts, Some(class(classes))),
            InputSource::Embed(classes, table) => {
                let table = Addend { buffer: table.buffer, stride: table.rows, first: 0 };
                (Gathering::Embed, whole(classes.unwrap_or(unused)), Some(table))
            }
        };
        let table =
            if let InputSource::Embed(_, table) = self.source { table.precision } else { Flags::lanes(1).table };
        let extra = matches!(self.source, InputSource::Sum(_, Some(_)));
        let flags = Flags { input, table, extra, norm: true, ..Flags::lanes(self.lanes) };
        let addend = more.unwrap_or(Addend { buffer: unused, stride: 0, first: 0 });
        let params = Params {
            gate: self.gate,
            row: parts.at.row,
            start: parts.start.map_or(NOWHERE, |row| row as u32),
            lanes: parts.lanes,
            stride: parts.stride as u32,
            first: parts.first as u32,
            parts: parts.count as u32,
            more_stride: addend.stride as u32,
            more_first: addend.first as u32,
            blocks: (self.dim / 8) as u32,
            eps: self.norm.eps,
            out_row: self.out.row,
            out_stride: self.out_stride as u32,
            stream: self.stream.map_or(NOWHERE, |at| at as u32),
            result: self.result as u32,
            pad: 0,
        };
        (params, flags, [parts.at.buffer, addend.buffer])
    }
}

impl Params {
    /// D.
    pub fn dim(&self) -> usize {
        8 * self.blocks as usize
    }

    /// Where a lane's part of the out row of a picture begins.
    pub fn out_at(&self, v: &TwinView<'_>, picture: usize, state: &State, lane: usize) -> usize {
        let row = state.index(self.out_row) * v.count() + picture;
        (row * v.flags().lanes as usize + lane) * self.out_stride as usize
    }

    /// The input of a lane of a picture.
    fn gathered(&self, v: &TwinView<'_>, picture: usize, state: &State, lane: usize) -> Vec<f32> {
        let (flags, dim) = (v.flags(), self.dim());
        let fresh = state.at(word::HAS_TOKEN) == 0;
        if flags.input == Gathering::Embed && !fresh {
            let token = state.index(word::TOKEN);
            return row(&v.words(MORE), dim, flags.table, self.more_stride as usize, token);
        }
        let more = || {
            let at = (picture * flags.lanes as usize + lane) * self.more_stride as usize + self.more_first as usize;
            v.f32(MORE)[at..at + dim].to_vec()
        };
        if flags.input == Gathering::Closed && state.at(word::CLOSE) == 0 {
            return more();
        }
        let start = if fresh && self.start != NOWHERE { self.start as usize } else { state.index(self.row) };
        let lane = lane.min(self.lanes as usize - 1);
        let input = v.f32(INPUT);
        let part = |row: usize, part: usize| {
            let vector = (row * v.count() + picture) * self.lanes as usize + lane;
            &input[vector * self.stride as usize + self.first as usize + part * dim..][..dim]
        };
        let mut x = part(start, 0).to_vec();
        if flags.input == Gathering::Pool {
            for token in start + 1..=state.index(word::CLOSE_LAST) {
                x.iter_mut().zip(part(token, 0)).for_each(|(top, x)| *top = top.max(*x));
            }
            return x;
        }
        for n in 1..self.parts as usize {
            x.iter_mut().zip(part(start, n)).for_each(|(sum, x)| *sum += x);
        }
        if flags.extra {
            x.iter_mut().zip(more()).for_each(|(sum, x)| *sum += x);
        }
        x
    }

    /// The input of a lane of a picture, written down if asked for, and scaled as RMSNorm scales it; its weights are not in it yet.
    pub fn taken(&self, v: &TwinView<'_>, picture: usize, state: &State, lane: usize) -> Vec<f32> {
        let mut x = self.gathered(v, picture, state, lane);
        if self.stream != NOWHERE {
            let at = self.out_at(v, picture, state, lane) + self.stream as usize;
            v.f32_mut(OUT)[at..][..x.len()].copy_from_slice(&x);
        }
        let squares: f32 = x.iter().map(|x| x * x).sum();
        let scale = 1.0 / (squares / x.len() as f32 + self.eps).sqrt();
        x.iter_mut().for_each(|x| *x *= scale);
        x
    }
}

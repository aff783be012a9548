//! The layers that all stacks share, as steps: transformer block, attention, projections, embeddings, logits.

use super::op::Flags;
use super::ops::{attend, embed, gate_up, linear, qkv};
use super::program::{BufferId, Builder, Section, Work};
use super::state::word;
use super::weights::Layout;
use super::weights::{Precision, fits_f16, pack, padded};
use crate::checkpoint::config::TransformerConfig;
use crate::checkpoint::{Checkpoint, ModelFiles};
use crate::error::{Error, Result};

/// A vector in a table of rows: the buffer and the state word that names the row.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) buffer: BufferId,
    pub(super) row: u32,
}

impl Row {
    pub(super) fn only(buffer: BufferId) -> Self {
        Self { buffer, row: word::ZERO }
    }
}

/// A matrix on the device, in chunks of rows, each with its format.
pub(super) struct Matrix {
    pub(super) chunks: Vec<(BufferId, usize, usize, bool)>, // buffer, row0, rows, f16
    pub(super) cols: usize,
}

/// One stack of layers: who it is, how many lanes it runs and when.
pub(super) struct Stack<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) config: &'a TransformerConfig,
    pub(super) section: Section,
    pub(super) lanes: u32,
    pub(super) gate: u32,
    pub(super) slot: u32,
    pub(super) turn: u32,
    pub(super) rope: BufferId,
    pub(super) q: BufferId,
    pub(super) mixed: BufferId,
    pub(super) middle: BufferId,
    pub(super) hidden: BufferId,
}

pub(super) struct ProgramBuilder<'a> {
    pub(super) b: Builder,
    pub(super) layout: Layout,
    pub(super) tokens: usize,
    pub(super) state: BufferId,
    pub(super) dummy: BufferId,
    pub(super) files: &'a ModelFiles,
}

impl<'a> ProgramBuilder<'a> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn stack(
        &mut self,
        checkpoint: &'a Checkpoint,
        config: &'a TransformerConfig,
        section: Section,
        lanes: u32,
        gate: u32,
        (slot, turn): (u32, u32),
        rope: BufferId,
    ) -> Stack<'a> {
        let vector = lanes as usize * padded(config.dim);
        let name = section.name();
        Stack {
            q: self.b.zeros(format!("{name}.q"), vector),
            mixed: self.b.zeros(format!("{name}.mixed"), vector),
            middle: self.b.zeros(format!("{name}.middle"), vector),
            hidden: self.b.zeros(format!("{name}.hidden"), lanes as usize * padded(config.ffn_dim())),
            checkpoint,
            config,
            section,
            lanes,
            gate,
            slot,
            turn,
            rope,
        }
    }

    /// One transformer block from `input` to `output` (which may be the same row); `extra` is added to the output.
    pub(super) fn block(
        &mut self,
        s: &Stack<'_>,
        name: &str,
        input: Row,
        output: Row,
        extra: Option<BufferId>,
    ) -> Result<()> {
        let c = s.config;
        let (dim, width, hidden) = (c.dim, padded(c.dim), padded(c.ffn_dim()));
        let cache = s.lanes as usize * self.tokens * dim;
        let k = self.b.zeros(format!("{name}.k"), cache);
        let v = self.b.zeros(format!("{name}.v"), cache);

        let gain = self.gain(s.checkpoint, &format!("{name}.attention_norm.weight"))?;
        let wqkv = self.matrix(s.checkpoint, &[&format!("{name}.attention.wqkv.weight")])?;
        let (buffer, _, _, f16) = wqkv.whole()?;
        let flags = Flags { f16, norm: true, ..Flags::lanes(s.lanes) };
        let params = qkv::Params {
            gate: s.gate,
            slot: s.slot,
            turn: s.turn,
            dim: dim as u32,
            head: c.head_dim() as u32,
            cache: self.tokens as u32,
            blocks: (width / 8) as u32,
            eps: c.norm_eps,
            x_row: input.row,
            pad: [0; 3],
        };
        let bind = vec![self.state, input.buffer, gain, buffer, s.rope, s.q, k, v];
        self.b.step(&qkv::OP, s.section, flags, params, bind, Work::Units(3 * dim as u32 / 2));
        self.attend(s, k, v, (word::ZERO, s.slot), dim, 0);
        let wo = self.matrix(s.checkpoint, &[&format!("{name}.attention.wo.weight")])?;
        self.linear(s, &wo, Row::only(s.mixed), None, Some(input), None, Row::only(s.middle), width);

        let gain = self.gain(s.checkpoint, &format!("{name}.ffn_norm.weight"))?;
        let w1 = s.checkpoint.f32(&format!("{name}.feed_forward.w1.weight"))?;
        let w3 = s.checkpoint.f32(&format!("{name}.feed_forward.w3.weight"))?;
        let pairs = w1.chunks_exact(dim).zip(w3.chunks_exact(dim));
        let both: Vec<f32> = pairs.flat_map(|(gate, up)| gate.iter().chain(up)).copied().collect();
        let up = self.pack(format!("{name}.feed_forward.w1+w3"), &both, dim);
        for (buffer, row0, rows, f16) in up.chunks {
            let params = gate_up::Params {
                gate: s.gate,
                hidden: (rows / 2) as u32,
                cols: dim as u32,
                blocks: (width / 8) as u32,
                out_width: hidden as u32,
                eps: c.norm_eps,
                unit0: (row0 / 2) as u32,
                pad: 0,
            };
            let flags = Flags { f16, norm: true, ..Flags::lanes(s.lanes) };
            let bind = vec![self.state, s.middle, gain, buffer, s.hidden];
            self.b.step(&gate_up::OP, s.section, flags, params, bind, Work::Units((rows / 2) as u32));
        }
        let w2 = self.matrix(s.checkpoint, &[&format!("{name}.feed_forward.w2.weight")])?;
        self.linear(s, &w2, Row::only(s.hidden), None, Some(Row::only(s.middle)), extra, output, width);
        Ok(())
    }

    /// Attention of `s.q` over cache rows `span` (state words) into `s.mixed`.
    pub(super) fn attend(
        &mut self,
        s: &Stack<'_>,
        k: BufferId,
        v: BufferId,
        span: (u32, u32),
        stride: usize,
        v_offset: usize,
    ) {
        let c = s.config;
        let params = attend::Params {
            gate: s.gate,
            first: span.0,
            last: span.1,
            heads: c.n_head as u32,
            head: c.head_dim() as u32,
            cache: self.tokens as u32,
            stride: stride as u32,
            v_offset: v_offset as u32,
            q_stride: padded(c.dim) as u32,
            pad: [0; 3],
        };
        let bind = vec![self.state, s.q, k, v, s.mixed];
        let work = Work::Groups(s.lanes * c.n_head as u32);
        self.b.step(&attend::OP, s.section, Flags::lanes(s.lanes), params, bind, work);
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn linear(
        &mut self,
        s: &Stack<'_>,
        matrix: &Matrix,
        x: Row,
        gain: Option<BufferId>,
        residual: Option<Row>,
        extra: Option<BufferId>,
        out: Row,
        out_width: usize,
    ) {
        for &(buffer, row0, rows, f16) in &matrix.chunks {
            let flags = Flags {
                lanes: s.lanes,
                f16,
                norm: gain.is_some(),
                residual: residual.is_some(),
                extra: extra.is_some(),
            };
            let residual = residual.unwrap_or(Row::only(self.dummy));
            let params = linear::Params {
                gate: s.gate,
                x_row: x.row,
                out_row: out.row,
                rows: rows as u32,
                cols: matrix.cols as u32,
                blocks: (padded(matrix.cols) / 8) as u32,
                out_width: out_width as u32,
                row0: row0 as u32,
                eps: s.config.norm_eps,
                residual_row: residual.row,
                pad: [0; 2],
            };
            let (gain, extra) = (gain.unwrap_or(self.dummy), extra.unwrap_or(self.dummy));
            let bind = vec![self.state, x.buffer, gain, buffer, residual.buffer, extra, out.buffer];
            self.b.step(&linear::OP, s.section, flags, params, bind, Work::Units(rows.div_ceil(2) as u32));
        }
    }

    pub(super) fn logits(&mut self, s: &Stack<'_>, x: BufferId) -> Result<BufferId> {
        let gain = self.gain(s.checkpoint, "norm.weight")?;
        let output = self.matrix(s.checkpoint, &["output.weight"])?;
        let logits = self.b.zeros(format!("{}.logits", s.section.name()), s.lanes as usize * s.config.vocab_size);
        self.linear(s, &output, Row::only(x), Some(gain), None, None, Row::only(logits), s.config.vocab_size);
        Ok(logits)
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn embed(
        &mut self,
        checkpoint: &Checkpoint,
        section: Section,
        gate: u32,
        lanes: u32,
        classes: BufferId,
        out: BufferId,
        config: &TransformerConfig,
    ) -> Result<()> {
        let table = self.matrix(checkpoint, &["tok_embeddings.weight"])?;
        let width = padded(config.dim) as u32;
        for (buffer, row0, rows, f16) in table.chunks {
            let params = embed::Params { gate, lanes, width, row0: row0 as u32, rows: rows as u32, pad: [0; 3] };
            let flags = Flags { f16, ..Flags::lanes(lanes) };
            let bind = vec![self.state, classes, buffer, out];
            self.b.step(&embed::OP, section, flags, params, bind, Work::Threads(lanes * width));
        }
        Ok(())
    }

    pub(super) fn gain(&mut self, checkpoint: &Checkpoint, name: &str) -> Result<BufferId> {
        let values = checkpoint.f32(name)?;
        Ok(self.b.floats(name, &values))
    }

    /// One or several matrices of the same width, stacked by rows.
    pub(super) fn matrix(&mut self, checkpoint: &Checkpoint, names: &[&str]) -> Result<Matrix> {
        let mut values = Vec::new();
        for name in names {
            values.append(&mut checkpoint.f32(name)?);
        }
        let cols = checkpoint.shape(names[0])?[1];
        Ok(self.pack(names.join("+"), &values, cols))
    }

    pub(super) fn pack(&mut self, name: String, values: &[f32], cols: usize) -> Matrix {
        let half = self.layout.precision == Precision::F16 && fits_f16(values);
        let precision = if half { Precision::F16 } else { Precision::F32 };
        let chunks = pack(values, cols, precision, self.layout.binding_limit)
            .into_iter()
            .map(|c| (self.b.weights(name.clone(), c.words), c.row0, c.rows, half))
            .collect();
        Matrix { chunks, cols }
    }
}

impl Matrix {
    /// The only chunk of a matrix that always fits a binding (widths are at most 2560: 3D * D in f32 is 79 MB).
    pub(super) fn whole(&self) -> Result<(BufferId, usize, usize, bool)> {
        match self.chunks[..] {
            [chunk] => Ok(chunk),
            _ => Err(Error::Request("the device's storage bindings are too small for one layer of this model".into())),
        }
    }
}

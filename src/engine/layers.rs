//! The layers that all stacks share, as steps: transformer block, attention, projections, embeddings, logits.

use super::cache::CacheFormat;
use super::ops::{attend, embed, gate_up, linear, qkv};
use super::program::{BufferId, Builder, MatrixRows, Norm, Row, Section};
use super::state::word;
use super::weights::{Layout, pack, padded};
use crate::checkpoint::config::TransformerConfig;
use crate::checkpoint::stored::StoredMatrix;
use crate::checkpoint::{Checkpoint, ModelFiles};
use crate::error::{Error, Result};

/// A model's weights and sizes.
#[derive(Clone, Copy)]
pub(super) struct Model<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) config: &'a TransformerConfig,
}

/// Whose steps some are, and when they run.
#[derive(Clone, Copy)]
pub(super) struct Scope {
    pub(super) section: Section,
    /// Guidance lanes.
    pub(super) lanes: u32,
    /// State word: 0 skips them all.
    pub(super) gate: u32,
}

/// A matrix on the device.
pub(super) struct Matrix {
    pub(super) chunks: Vec<MatrixRows>,
    /// Rows of all chunks.
    pub(super) rows: usize,
}

impl Matrix {
    /// The only chunk of a matrix that always fits a binding (widths are at most 2560: 3D * D in f32 is 79 MB).
    pub(super) fn whole(&self) -> Result<MatrixRows> {
        match self.chunks[..] {
            [chunk] => Ok(chunk),
            _ => Err(Error::Request("the device's storage bindings are too small for one layer of this model".into())),
        }
    }
}

/// One stack of layers at one position, and what it computes in.
#[derive(Clone, Copy)]
pub(super) struct Stack<'a> {
    pub(super) model: Model<'a>,
    pub(super) scope: Scope,
    /// State word: the cache row of the position.
    pub(super) slot: u32,
    /// The position's angles, the same for all pictures unless `own_rope`.
    pub(super) rope: Row,
    pub(super) own_rope: bool,
    pub(super) q: BufferId,      // (picture, lane, D)
    pub(super) mixed: BufferId,  // attention's weighted mean of the values, (picture, lane, D)
    pub(super) middle: BufferId, // the stream between attention and feed-forward, (picture, lane, D)
    pub(super) hidden: BufferId, // (picture, lane, F)
}

/// The residual stream's way through a block, (picture, lane, D) each; it may end where it began.
#[derive(Clone, Copy)]
pub(super) struct Stream {
    pub(super) input: Row,
    pub(super) output: Row,
    /// Joins the stream at the output.
    pub(super) extra: Option<BufferId>,
}

impl Stream {
    /// Through a block and back.
    pub(super) fn in_place(x: BufferId) -> Self {
        Self { input: Row::only(x), output: Row::only(x), extra: None }
    }
}

/// What a query looks at: keys and values of the positions `first` to `last` (state words).
#[derive(Clone, Copy)]
pub(super) struct Cached {
    pub(super) k: BufferId,
    pub(super) v: BufferId,
    /// How they are kept.
    pub(super) format: CacheFormat,
    /// Values from one lane's first cache row to the next lane's.
    pub(super) lane: usize,
    /// Values from one cache row to the next.
    pub(super) stride: usize,
    /// Where v begins in it.
    pub(super) v_offset: usize,
    pub(super) first: u32,
    pub(super) last: u32,
}

/// `out = W x`, and what may come with it (see [`linear::Args`]).
#[derive(Clone, Copy)]
pub(super) struct Projection<'m> {
    pub(super) matrix: &'m Matrix,
    pub(super) x: Row,
    pub(super) norm: Option<Norm>,
    pub(super) residual: Option<Row>,
    pub(super) extra: Option<BufferId>,
    pub(super) out: Row,
    pub(super) out_width: usize,
}

impl<'m> Projection<'m> {
    /// `W x` alone, into a vector padded to whole loads.
    pub(super) fn plain(matrix: &'m Matrix, x: Row, out: Row) -> Self {
        Self { matrix, x, norm: None, residual: None, extra: None, out, out_width: padded(matrix.rows) }
    }
}

pub(super) struct ProgramBuilder<'a> {
    pub(super) b: Builder,
    pub(super) layout: Layout,
    pub(super) tokens: usize,
    pub(super) state: BufferId,
    pub(super) files: &'a ModelFiles,
}

impl ProgramBuilder<'_> {
    /// A stack of `model` at the cache row that the state word `slot` names, turned by `rope`.
    pub(super) fn stack<'m>(&mut self, model: Model<'m>, scope: Scope, slot: u32, rope: Row) -> Stack<'m> {
        let (lanes, name) = (scope.lanes as usize, scope.section.name());
        let vector = lanes * padded(model.config.dim);
        Stack {
            model,
            scope,
            slot,
            rope,
            own_rope: false,
            q: self.b.zeros(format!("{name}.q"), vector),
            mixed: self.b.zeros(format!("{name}.mixed"), vector),
            middle: self.b.zeros(format!("{name}.middle"), vector),
            hidden: self.b.zeros(format!("{name}.hidden"), lanes * padded(model.config.ffn_dim())),
        }
    }

    /// One transformer block.
    pub(super) fn block(&mut self, s: &Stack<'_>, name: &str, stream: Stream) -> Result<()> {
        let (model, state, tokens) = (s.model, self.state, self.tokens);
        let Scope { section, lanes, gate } = s.scope;
        let dim = model.config.dim;
        let format = self.layout.caches;
        let cache = format.words(lanes as usize * tokens * dim);
        let k = self.b.zeros(format!("{name}.k"), cache);
        let v = self.b.zeros(format!("{name}.v"), cache);

        let args = qkv::Args {
            state,
            gate,
            lanes,
            x: stream.input,
            norm: self.norm(model, &format!("{name}.attention_norm.weight"))?,
            weights: self.matrix(model, &[&format!("{name}.attention.wqkv.weight")])?.whole()?,
            rope: s.rope,
            own_rope: s.own_rope,
            head: model.config.head_dim(),
            q: s.q,
            k_cache: k,
            v_cache: v,
            cache_rows: tokens,
            slot: s.slot,
            format,
        };
        qkv::step(&mut self.b, section, args);
        let lane = tokens * dim;
        self.attend(s, Cached { k, v, format, lane, stride: dim, v_offset: 0, first: word::ZERO, last: s.slot });
        let wo = self.matrix(model, &[&format!("{name}.attention.wo.weight")])?;
        let projection = Projection::plain(&wo, Row::only(s.mixed), Row::only(s.middle));
        self.project(s.scope, Projection { residual: Some(stream.input), ..projection });

        let norm = self.norm(model, &format!("{name}.ffn_norm.weight"))?;
        let w1 = model.checkpoint.stored(&format!("{name}.feed_forward.w1.weight"))?;
        let w3 = model.checkpoint.stored(&format!("{name}.feed_forward.w3.weight"))?;
        let up = self.pack(format!("{name}.feed_forward.w1+w3"), w1.interleaved(w3, dim), dim);
        for weights in up.chunks {
            let args = gate_up::Args {
                state,
                gate,
                lanes,
                x: s.middle,
                norm,
                weights,
                out: s.hidden,
                out_width: padded(model.config.ffn_dim()),
            };
            gate_up::step(&mut self.b, section, args);
        }
        let w2 = self.matrix(model, &[&format!("{name}.feed_forward.w2.weight")])?;
        let projection = Projection::plain(&w2, Row::only(s.hidden), stream.output);
        self.project(s.scope, Projection { residual: Some(Row::only(s.middle)), extra: stream.extra, ..projection });
        Ok(())
    }

    /// Attention of `s.q` over what is cached, into `s.mixed`.
    pub(super) fn attend(&mut self, s: &Stack<'_>, cached: Cached) {
        let Cached { k, v, format, lane, stride, v_offset, first, last } = cached;
        let args = attend::Args {
            state: self.state,
            gate: s.scope.gate,
            lanes: s.scope.lanes,
            heads: s.model.config.n_head,
            head: s.model.config.head_dim(),
            q: s.q,
            k_cache: k,
            v_cache: v,
            format,
            lane,
            stride,
            v_offset,
            first,
            last,
            out: s.mixed,
        };
        attend::step(&mut self.b, s.scope.section, args);
    }

    /// A projection, chunk by chunk.
    pub(super) fn project(&mut self, scope: Scope, p: Projection<'_>) {
        let Projection { matrix, x, norm, residual, extra, out, out_width } = p;
        let (state, Scope { section, lanes, gate }) = (self.state, scope);
        for &weights in &matrix.chunks {
            let args = linear::Args { state, gate, lanes, x, norm, weights, residual, extra, out, out_width };
            linear::step(&mut self.b, section, args);
        }
    }

    /// The logits of the last layer's x, (picture, lane, V).
    pub(super) fn logits(&mut self, s: &Stack<'_>, x: BufferId) -> Result<BufferId> {
        let norm = Some(self.norm(s.model, "norm.weight")?);
        let output = self.matrix(s.model, &["output.weight"])?;
        let out_width = s.model.config.vocab_size;
        let logits = self.b.zeros(format!("{}.logits", s.scope.section.name()), s.scope.lanes as usize * out_width);
        let projection = Projection::plain(&output, Row::only(x), Row::only(logits));
        self.project(s.scope, Projection { norm, out_width, ..projection });
        Ok(logits)
    }

    /// The input of a token model, into `out`; `classes` as [`embed::Args`] has it.
    pub(super) fn embed(
        &mut self,
        model: Model<'_>,
        scope: Scope,
        classes: Option<BufferId>,
        out: BufferId,
    ) -> Result<()> {
        let (state, Scope { section, lanes, gate }) = (self.state, scope);
        for table in self.matrix(model, &["tok_embeddings.weight"])?.chunks {
            embed::step(&mut self.b, section, embed::Args { state, gate, lanes, classes, table, out });
        }
        Ok(())
    }

    pub(super) fn norm(&mut self, model: Model<'_>, name: &str) -> Result<Norm> {
        let gain = self.b.floats(name, &model.checkpoint.f32(name)?);
        Ok(Norm { gain, eps: model.config.norm_eps })
    }

    /// One or several matrices of the same width, stacked by rows.
    pub(super) fn matrix(&mut self, model: Model<'_>, names: &[&str]) -> Result<Matrix> {
        let cols = model.checkpoint.shape(names[0])?[1];
        let parts = names.iter().map(|name| model.checkpoint.stored(name)).collect::<Result<Vec<_>>>()?;
        Ok(self.pack(names.join("+"), StoredMatrix::stacked(parts), cols))
    }

    fn pack(&mut self, name: String, matrix: StoredMatrix, cols: usize) -> Matrix {
        let chunks = pack(matrix, cols, self.layout.precision, self.layout.binding_limit);
        let rows = chunks.iter().map(|chunk| chunk.rows).sum();
        let chunks = chunks.into_iter().map(|chunk| self.b.weights(name.clone(), chunk)).collect();
        Matrix { chunks, rows }
    }
}

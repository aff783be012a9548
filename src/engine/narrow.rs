//! The stacks of models that are narrow enough for ops which put their input together themselves (`engine/input.rs`): three dispatches a
//! block instead of five, and none for what only prepares another's input. What is computed is what `engine/build.rs` says.
//!
//! Two buffers go through a stack: `attended` (picture, lane, q | x | head, ..) and `fed` (picture, lane, x | slice, ..). The stream
//! is the sum of x and what follows it; the op that adds it up writes it down as the x of its own output.

use super::cache::CacheFormat;
use super::input::{Addend, Args, InputSource, Parts, WIDEST};
use super::layers::{Model, ProgramBuilder, Scope};
use super::ops::feed_forward::{self, SLICE};
use super::ops::input_qkv::{self, TurnsBy};
use super::ops::{attend_output, input_linear};
use super::program::{BufferId, Builder, Norm, Row, Section};
use super::rope;
use super::state::word;
use super::weights::{Chunk, Layout, Precision, pack, padded};
use crate::checkpoint::config::TransformerConfig;
use crate::checkpoint::stored::StoredMatrix;
use crate::error::Result;

impl Layout {
    /// Whether a model's ops put their input together themselves.
    pub fn fuses(&self, model: &TransformerConfig) -> bool {
        let largest = 4 * model.dim * model.vocab_size.max(2 * model.ffn_dim() + model.dim);
        let whole = model.dim.is_multiple_of(8) && model.head_dim().is_multiple_of(8);
        self.fused && self.caches == CacheFormat::F32 && model.dim <= WIDEST && whole && largest <= self.binding_limit
    }
}

/// One stack of layers at one position, and what it computes in.
#[derive(Clone, Copy)]
struct Narrow<'a> {
    model: Model<'a>,
    scope: Scope,
    /// State word: the cache row of the position.
    slot: u32,
    rope: BufferId,
    turns: TurnsBy,
    attended: BufferId, // (picture, lane, q | x | what each head adds)
    fed: BufferId,      // (picture, lane, x | what each slice adds)
}

impl Narrow<'_> {
    fn dim(&self) -> usize {
        self.model.config.dim
    }

    /// x and what the heads add, in (.., attended).
    fn after_attention(&self) -> Parts {
        let (dim, heads) = (self.dim(), self.model.config.n_head);
        self.parts(self.attended, (2 + heads) * dim, dim, 1 + heads)
    }

    /// x and what the slices add: what a block leaves.
    fn after_block(&self) -> Parts {
        let count = 1 + self.model.config.ffn_dim().div_ceil(SLICE);
        self.parts(self.fed, count * self.dim(), 0, count)
    }

    fn parts(&self, buffer: BufferId, stride: usize, first: usize, count: usize) -> Parts {
        Parts { at: Row::only(buffer), start: None, lanes: self.scope.lanes, stride, first, count }
    }
}

/// What the patch encoder keeps of its tokens, a layer: h, and keys and values of the cross-attention: (T + 1, picture, h | k | v).
/// The row past the last token's is the patch decoder's start vector.
#[derive(Clone, Copy)]
struct TokenMemory {
    rows: BufferId,
    dim: usize,
}

impl TokenMemory {
    /// h of the row that a state word names.
    fn h(self, row: u32) -> Parts {
        let at = Row { buffer: self.rows, row };
        Parts { at, start: None, lanes: 1, stride: 3 * self.dim, first: 0, count: 1 }
    }
}

impl<'a> ProgramBuilder<'a> {
    /// A whole token model at position i. Returns its logits, (picture, lane, V).
    pub(super) fn narrow_token_model(&mut self, model: Model<'a>, scope: Scope, classes: BufferId) -> Result<BufferId> {
        let rope = self.b.floats("rope", &rope::shifted_table(model.config));
        let stack = self.narrow(model, scope, word::POS, rope, TurnsBy::Position(word::POS));
        let mut source = self.embedding(model, Some(classes))?;
        for n in 0..model.config.n_layer {
            self.narrow_block(&stack, &format!("layers.{n}"), source)?;
            source = InputSource::Sum(stack.after_block(), None);
        }
        self.narrow_logits(&stack, source)
    }

    /// Patch encoder on the newest token, `boundary`, patch transformer where a patch starts, patch decoder at position i. Returns logits
    /// (picture, lane, V); `classes` (picture, lane, D).
    pub(super) fn narrow_dpar(
        &mut self,
        model: Model<'a>,
        classes: BufferId,
        boundary: impl FnOnce(&mut Builder),
    ) -> Result<BufferId> {
        let (rope, lanes, dim) =
            (self.b.floats("rope", &rope::shifted_table(model.config)), self.layout.lanes, model.config.dim);
        let memories = self.narrow_encoder(model, rope)?;
        boundary(&mut self.b);
        let patch = self.narrow_patch(model, &memories)?;
        let states = self.narrow_patch_transformer(model, InputSource::Closed(patch, classes))?;

        let scope = Scope { section: Section::PatchDecoder, lanes, gate: word::RUN };
        let stack = self.narrow(model, scope, word::POS, rope, TurnsBy::Position(word::POS));
        let layers = model.config.n_local_decoder_layers;
        // Each layer's state joins the stream at its input.
        let state = |n: usize| (n < layers).then(|| Addend { buffer: states, stride: layers * dim, first: n * dim });
        let h = Parts { start: Some(self.tokens), ..memories[memories.len() - 1].h(word::PREV) };
        let mut source = InputSource::Sum(h, state(0));
        for n in 0..layers {
            self.narrow_block(&stack, &format!("local_decoder.layers.{n}"), source)?;
            source = InputSource::Sum(stack.after_block(), state(n + 1));
        }
        self.narrow_logits(&stack, source)
    }

    fn narrow_encoder(&mut self, model: Model<'a>, rope: BufferId) -> Result<Vec<TokenMemory>> {
        let dim = model.config.dim;
        let scope = Scope { section: Section::PatchEncoder, lanes: 1, gate: word::HAS_TOKEN };
        // x_{i-1} sits in cache row i-1 and turns by its own angles: row i of the table.
        let stack = self.narrow(model, scope, word::PREV, rope, TurnsBy::Position(word::POS));
        let mut source = self.embedding(model, None)?;
        let mut memories = Vec::new();
        let start = model.checkpoint.f32("decoder_start_embedding.weight")?;
        for n in 0..model.config.n_local_encoder_layers {
            let rows = self.b.zeros(format!("encoder.{n}.memory"), (self.tokens + 1) * 3 * dim);
            let buffer = &mut self.b.buffers[rows.0];
            buffer.init = vec![0; buffer.words];
            for row in buffer.init[self.tokens * self.layout.pictures * 3 * dim..].chunks_exact_mut(3 * dim) {
                row[..dim].copy_from_slice(bytemuck::cast_slice(&start[..dim]));
            }
            self.narrow_block(&stack, &format!("local_encoder.layers.{n}"), source)?;
            let name = format!("local_encoder.cross_attn_layers.{n}");
            let norm = self.norm(model, &format!("{name}.cross_attn_norm_kv.weight"))?;
            let out = Row { buffer: rows, row: word::PREV };
            let args = Args { out, out_stride: 3 * dim, stream: Some(0), result: dim, norm, ..self.input(&stack) };
            let names = [format!("{name}.wk.weight"), format!("{name}.wv.weight")];
            let args = Args { source: InputSource::Sum(stack.after_block(), None), ..args };
            self.input_linear(&stack, args, &names.each_ref().map(String::as_str), 2 * dim)?;
            let memory = TokenMemory { rows, dim };
            memories.push(memory);
            source = InputSource::Sum(memory.h(word::PREV), None);
        }
        Ok(memories)
    }

    /// What the closing patch's tokens come to, (picture, D) in parts.
    fn narrow_patch(&mut self, model: Model<'a>, memories: &[TokenMemory]) -> Result<Parts> {
        let (dim, heads) = (model.config.dim, model.config.n_head);
        let scope = Scope { section: Section::PatchTransformer, lanes: 1, gate: word::CLOSE };
        let mut source = InputSource::Pool(memories[0].h(word::CLOSE_FIRST));
        let mut patch = memories[0].h(word::CLOSE_FIRST);
        for (n, memory) in memories.iter().enumerate() {
            let name = format!("local_encoder.cross_attn_layers.{n}");
            let stride = (2 + heads) * dim;
            let out = self.b.zeros(format!("patch.{n}"), stride);
            let norm = self.norm(model, &format!("{name}.cross_attn_norm_q.weight"))?;
            let args = Args {
                state: self.state,
                gate: scope.gate,
                lanes: 1,
                source,
                dim,
                norm,
                out: Row::only(out),
                out_stride: stride,
                stream: Some(dim),
                result: 0,
            };
            let wq = self.matrix(model, &[&format!("{name}.wq.weight")])?.whole()?;
            let section = scope.section;
            input_linear::step(&mut self.b, section, input_linear::Args { input: args, weights: wq, gain_rows: dim });
            let args = attend_output::Args {
                state: self.state,
                gate: scope.gate,
                lanes: 1,
                heads,
                head: model.config.head_dim(),
                kv: memory.rows,
                lane: 3 * dim,
                stride: self.layout.pictures * 3 * dim,
                k_offset: dim,
                first: word::CLOSE_FIRST,
                last: word::CLOSE_LAST,
                weights: self.matrix(model, &[&format!("{name}.wo.weight")])?.whole()?,
                out,
                out_stride: stride,
                query: 0,
                result: 2 * dim,
            };
            attend_output::step(&mut self.b, section, args);
            patch = Parts { at: Row::only(out), start: None, lanes: 1, stride, first: dim, count: 1 + heads };
            source = InputSource::Sum(patch, None);
        }
        Ok(patch)
    }

    /// Patch transformer at slot m. Returns what the decoder's layers add of the new patch, `Wo RMSNorm(s)`: (picture, lane, layer, D).
    fn narrow_patch_transformer(&mut self, model: Model<'a>, mut source: InputSource) -> Result<BufferId> {
        let (dim, layers) = (model.config.dim, model.config.n_local_decoder_layers);
        let scope = Scope { section: Section::PatchTransformer, lanes: self.layout.lanes, gate: word::BOUNDARY };
        let tables = rope::patch_tables(model.config);
        let turns = TurnsBy::Patch(tables.rows.len() / 2);
        let rope = self.b.floats("rope.patch", &[tables.rows, tables.columns].concat());
        let stack = self.narrow(model, scope, word::PATCH, rope, turns);
        for n in 0..model.config.n_layer {
            self.narrow_block(&stack, &format!("layers.{n}"), source)?;
            source = InputSource::Sum(stack.after_block(), None);
        }
        let name = |n: usize, what: &str| format!("local_decoder.cross_attn_layers.{n}.{what}.weight");
        let mut gains = Vec::new();
        for n in 0..layers {
            gains.extend(model.checkpoint.f32(&name(n, "cross_attn_norm_kv"))?);
        }
        let norm = Norm { gain: self.b.floats("cross_attn_norm_kv", &gains), eps: model.config.norm_eps };
        let states = self.b.zeros("decoder.states", scope.lanes as usize * layers * dim);
        let out_stride = layers * dim;
        let args = Args { source, norm, out: Row::only(states), out_stride, ..self.input(&stack) };
        let names: Vec<String> = (0..layers).map(|n| name(n, "wo")).collect();
        self.input_linear(&stack, args, &names.iter().map(String::as_str).collect::<Vec<_>>(), dim)?;
        Ok(states)
    }

    fn narrow<'m>(&mut self, model: Model<'m>, scope: Scope, slot: u32, rope: BufferId, turns: TurnsBy) -> Narrow<'m> {
        let (lanes, name, config) = (scope.lanes as usize, scope.section.name(), model.config);
        let slices = config.ffn_dim().div_ceil(SLICE);
        let attended = self.b.zeros(format!("{name}.attended"), lanes * (2 + config.n_head) * config.dim);
        let fed = self.b.zeros(format!("{name}.fed"), lanes * (1 + slices) * config.dim);
        Narrow { model, scope, slot, rope, turns, attended, fed }
    }

    /// The input of the next op behind a block, its output to be said.
    fn input(&mut self, s: &Narrow<'_>) -> Args {
        Args {
            state: self.state,
            gate: s.scope.gate,
            lanes: s.scope.lanes,
            source: InputSource::Sum(s.after_block(), None),
            dim: s.dim(),
            norm: Norm { gain: s.fed, eps: s.model.config.norm_eps },
            out: Row::only(s.fed),
            out_stride: s.after_block().stride,
            stream: None,
            result: 0,
        }
    }

    fn embedding(&mut self, model: Model<'_>, classes: Option<BufferId>) -> Result<InputSource> {
        Ok(InputSource::Embed(classes, self.matrix(model, &["tok_embeddings.weight"])?.whole()?))
    }

    fn narrow_block(&mut self, s: &Narrow<'_>, name: &str, source: InputSource) -> Result<()> {
        let (model, dim, heads) = (s.model, s.dim(), s.model.config.n_head);
        let section = s.scope.section;
        let kv = self.b.zeros(format!("{name}.kv"), s.scope.lanes as usize * self.tokens * 2 * dim);
        let norm = self.norm(model, &format!("{name}.attention_norm.weight"))?;
        let out_stride = s.after_attention().stride;
        let out = Row::only(s.attended);
        let args = input_qkv::Args {
            input: Args { source, norm, out, out_stride, stream: Some(dim), ..self.input(s) },
            weights: self.matrix(model, &[&format!("{name}.attention.wqkv.weight")])?.whole()?,
            rope: s.rope,
            turns: s.turns,
            head: model.config.head_dim(),
            kv,
            cache_rows: self.tokens,
            slot: s.slot,
        };
        input_qkv::step(&mut self.b, section, args);
        let args = attend_output::Args {
            state: self.state,
            gate: s.scope.gate,
            lanes: s.scope.lanes,
            heads,
            head: model.config.head_dim(),
            kv,
            lane: self.tokens * 2 * dim,
            stride: 2 * dim,
            k_offset: 0,
            first: word::ZERO,
            last: s.slot,
            weights: self.matrix(model, &[&format!("{name}.attention.wo.weight")])?.whole()?,
            out: s.attended,
            out_stride,
            query: 0,
            result: 2 * dim,
        };
        attend_output::step(&mut self.b, section, args);
        let norm = self.norm(model, &format!("{name}.ffn_norm.weight"))?;
        let source = InputSource::Sum(s.after_attention(), None);
        let input = Args { source, norm, stream: Some(0), result: dim, ..self.input(s) };
        let weights = self.both(model, &format!("{name}.feed_forward"))?;
        feed_forward::step(&mut self.b, section, feed_forward::Args { input, weights });
        Ok(())
    }

    /// Both matrices of a feed-forward in one buffer, kept alike.
    fn both(&mut self, model: Model<'_>, name: &str) -> Result<feed_forward::UpAndDown> {
        let (dim, hidden) = (model.config.dim, model.config.ffn_dim());
        let stored = |what: &str| model.checkpoint.stored(&format!("{name}.{what}.weight"));
        let up = stored("w1")?.interleaved(stored("w3")?, dim);
        let down = stored("w2")?;
        let one = |matrix: &StoredMatrix, cols: usize, precision| {
            pack(matrix.clone(), cols, precision, self.layout.binding_limit).into_iter().next()
        };
        let kept = |precision| one(&up, dim, precision).zip(one(&down, hidden, precision));
        let alike = |(up, down): &(Chunk, Chunk)| up.precision == down.precision;
        // `fuses` has seen to it that both fit a binding: there is one chunk of each.
        let (up, down) = kept(self.layout.precision)
            .filter(alike)
            .or_else(|| kept(Precision::F32))
            .ok_or_else(|| crate::error::Error::Internal(format!("{name} has no rows")))?;
        let (precision, at) = (up.precision, up.words.len());
        let words = [up.words, down.words].concat();
        let buffer = self.b.weights(name, Chunk { row0: 0, rows: 2 * hidden, cols: dim, precision, words }).buffer;
        Ok(feed_forward::UpAndDown { buffer, precision, hidden, down: at })
    }

    fn narrow_logits(&mut self, s: &Narrow<'_>, source: InputSource) -> Result<BufferId> {
        let norm = self.norm(s.model, "norm.weight")?;
        let vocab = s.model.config.vocab_size;
        let logits = self.b.zeros(format!("{}.logits", s.scope.section.name()), s.scope.lanes as usize * vocab);
        let args = Args { source, norm, out: Row::only(logits), out_stride: vocab, ..self.input(s) };
        self.input_linear(s, args, &["output.weight"], padded(vocab))?;
        Ok(logits)
    }

    fn input_linear(&mut self, s: &Narrow<'_>, input: Args, names: &[&str], gain_rows: usize) -> Result<()> {
        let weights = self.matrix(s.model, names)?.whole()?;
        input_linear::step(&mut self.b, s.scope.section, input_linear::Args { input, weights, gain_rows });
        Ok(())
    }
}

//! Turns the models into the steps of one token (dpar.md section 7).
//!
//! Order within a token i: entropy model and patch-encoder step on x_{i-1}, side by side; entropy, boundary; if token i
//! starts a patch: close the one before (pool, cross-attention) and one patch-transformer step; patch decoder; draw.
//! The paper encodes x_i at the end of step i; doing it at the start of step i + 1 is the same and needs no draw yet.

use super::cache::CacheFormat;
use super::layers::{Cached, Model, ProgramBuilder, Projection, Scope, Stack, Stream};
use super::ops::{boundary, decoder_input, patch_input, pool, record, sample};
use super::program::{BufferId, Builder, Ports, Program, Row, Section};
use super::room::Room;
use super::rope;
use super::stages::by_stage;
use super::state::{DRAW, tokens_a_submit, word};
use super::weights::{Layout, padded};
use crate::checkpoint::config::{Generator, TransformerConfig};
use crate::checkpoint::{Checkpoint, ModelFiles};
use crate::error::{Error, Result};

/// Builds the program of one token.
///
/// # Errors
/// [`Error::Request`] where the folder lacks the model, or more pictures are asked for than fit; [`Error::Checkpoint`] for
/// damaged weights.
pub fn build(files: &ModelFiles, generator: Generator, layout: Layout) -> Result<Program> {
    Room::of(&files.config, generator, layout).check(layout.pictures)?;
    let mut b = Builder::new(layout.pictures);
    let state = b.state();
    let p = ProgramBuilder { b, layout, tokens: files.config.tokens(), state, files };
    match generator {
        Generator::Dpar => p.dpar(),
        Generator::Baseline => p.baseline(),
    }
}

fn missing(files: &ModelFiles, what: &str) -> Error {
    if what == "baseline" && files.awaits_baseline() {
        return Error::Request(format!(
            "the weights of the `baseline` model of {} are not loaded yet: wait for them, or draw with DPAR",
            files.source
        ));
    }
    Error::Request(format!("{} has no `{what}` model: choose another --model, or a generator it has", files.source))
}

/// What the layers leave to the sampler and to sessions.
struct Outcome {
    classes: BufferId,   // (picture, lane, width)
    logits: BufferId,    // (picture, lane, V)
    entropies: BufferId, // (T, picture)
    patches: bool,
}

/// What a layer of the patch encoder remembers of its tokens.
struct LayerMemory {
    h: BufferId,  // (T, picture, width)
    kv: BufferId, // keys and values of the cross-attention, (T, picture, 2D)
}

impl<'a> ProgramBuilder<'a> {
    /// A model of the folder.
    fn model(
        &self,
        name: &str,
        checkpoint: Option<&'a Checkpoint>,
        config: Option<&'a TransformerConfig>,
    ) -> Result<Model<'a>> {
        match (checkpoint, config) {
            (Some(checkpoint), Some(config)) => Ok(Model { checkpoint, config }),
            _ => Err(missing(self.files, name)),
        }
    }

    fn baseline(mut self) -> Result<Program> {
        let files = self.files;
        let model = self.model("baseline", files.baseline.as_ref(), files.config.baseline.as_ref())?;
        let (section, lanes) = (Section::TokenModel, self.layout.lanes);
        let entropies = self.b.zeros("entropies", self.tokens);
        let classes = self.b.zeros("classes", lanes as usize * padded(model.config.dim));
        let logits = self.token_model(model, Scope { section, lanes, gate: word::RUN }, classes)?;
        self.finish(model, Outcome { classes, logits, entropies, patches: false })
    }

    fn dpar(mut self) -> Result<Program> {
        let (files, state) = (self.files, self.state);
        let model = self.model("dpar", files.dpar.as_ref(), files.config.dpar.as_ref())?;
        let entropy_model = self.model("entropy", files.entropy.as_ref(), files.config.entropy.as_ref())?;

        // Entropy model -> e_i -> boundary.
        let entropies = self.b.zeros("entropies", self.tokens);
        let mut null = class_row(entropy_model, entropy_model.config.num_classes)?;
        null.resize(padded(entropy_model.config.dim), 0.0);
        let null = self.b.floats("classes", &null.repeat(self.layout.pictures));
        let (section, gate) = (Section::EntropyModel, word::RUN);
        let logits = self.token_model(entropy_model, Scope { section, lanes: 1, gate }, null)?;
        let vocab = entropy_model.config.vocab_size;
        // Behind the patch encoder, which reads the state that it writes.
        let boundary = |b: &mut Builder| boundary::step(b, section, boundary::Args { state, logits, vocab, entropies });

        let classes = self.b.zeros("classes", self.layout.lanes as usize * padded(model.config.dim));
        let logits = match self.layout.fuses(model.config) {
            true => self.narrow_dpar(model, classes, boundary)?,
            false => self.patches(model, classes, boundary)?,
        };
        self.finish(model, Outcome { classes, logits, entropies, patches: true })
    }

    /// Patch encoder, boundary, patch transformer, patch decoder. Returns logits (picture, lane, V); `classes` (picture, lane, D).
    fn patches(
        &mut self,
        model: Model<'a>,
        classes: BufferId,
        boundary: impl FnOnce(&mut Builder),
    ) -> Result<BufferId> {
        // Patch encoder on x_{i-1}; at a boundary the closing patch's vector.
        let rope_table = self.b.floats("rope", &rope::shifted_table(model.config));
        let (stack, memories) = self.patch_encoder(model, rope_table)?;
        boundary(&mut self.b);
        let patch_vector = self.closing_patch(&stack, &memories)?;

        // Patch transformer, where a patch starts.
        let (state, width, lanes) = (self.state, padded(model.config.dim), self.layout.lanes);
        let states = self.patch_transformer(model, patch_vector, classes)?;

        // Patch decoder at position i.
        let scope = Scope { section: Section::PatchDecoder, lanes, gate: word::RUN };
        let args = decoder_input::Args {
            state,
            gate: scope.gate,
            lanes,
            start: self.b.floats("decoder.start", &model.checkpoint.f32("decoder_start_embedding.weight")?),
            h: memories[memories.len() - 1].h,
            patch_state: states[0],
            out: self.b.zeros("decoder.x", lanes as usize * width),
            width,
        };
        decoder_input::step(&mut self.b, scope.section, args);
        let stack = self.stack(model, scope, word::POS, Row { buffer: rope_table, row: word::POS });
        for n in 0..model.config.n_local_decoder_layers {
            let extra = states.get(n + 1).copied(); // the next layer's state joins at this layer's output
            let stream = Stream { extra, ..Stream::in_place(args.out) };
            self.block(&stack, &format!("local_decoder.layers.{n}"), stream)?;
        }
        self.logits(&stack, args.out)
    }

    /// Patch encoder on the newest token: what it computes in, and what its layers remember.
    fn patch_encoder(&mut self, model: Model<'a>, rope_table: BufferId) -> Result<(Stack<'a>, Vec<LayerMemory>)> {
        let (width, tokens, dim) = (padded(model.config.dim), self.tokens, model.config.dim);
        let scope = Scope { section: Section::PatchEncoder, lanes: 1, gate: word::HAS_TOKEN };
        // x_{i-1} sits in cache row i-1 and turns by its own angles: row i of the table.
        let stack = self.stack(model, scope, word::PREV, Row { buffer: rope_table, row: word::POS });
        let x = self.b.zeros("encoder.x", width);
        self.embed(model, scope, None, x)?;
        let mut input = Row::only(x);
        let mut layers = Vec::new();
        for n in 0..model.config.n_local_encoder_layers {
            let newest = |buffer| Row { buffer, row: word::PREV };
            let h = self.b.zeros(format!("encoder.{n}.h"), tokens * width);
            let stream = Stream { input, output: newest(h), extra: None };
            self.block(&stack, &format!("local_encoder.layers.{n}"), stream)?;
            let name = format!("local_encoder.cross_attn_layers.{n}");
            let norm = Some(self.norm(model, &format!("{name}.cross_attn_norm_kv.weight"))?);
            let wkv = self.matrix(model, &[&format!("{name}.wk.weight"), &format!("{name}.wv.weight")])?;
            let kv = self.b.zeros(format!("encoder.{n}.kv"), tokens * 2 * dim);
            let projection = Projection::plain(&wkv, newest(h), newest(kv));
            self.project(scope, Projection { norm, out_width: 2 * dim, ..projection });
            layers.push(LayerMemory { h, kv });
            input = newest(h);
        }
        Ok((stack, layers))
    }

    /// The vector of the patch that ends, (picture, width), from what the patch encoder's layers remember.
    fn closing_patch(&mut self, encoder: &Stack<'a>, layers: &[LayerMemory]) -> Result<BufferId> {
        let model = encoder.model;
        let (width, dim) = (padded(model.config.dim), model.config.dim);
        let scope = Scope { section: Section::PatchTransformer, lanes: 1, gate: word::CLOSE };
        let closing = Stack { scope, ..*encoder };
        let mut query = self.b.zeros("patch.query", width);
        let pooled = pool::Args { state: self.state, gate: scope.gate, h: layers[0].h, out: query, width };
        pool::step(&mut self.b, scope.section, pooled);
        for (n, layer) in layers.iter().enumerate() {
            let name = format!("local_encoder.cross_attn_layers.{n}");
            let norm = Some(self.norm(model, &format!("{name}.cross_attn_norm_q.weight"))?);
            let wq = self.matrix(model, &[&format!("{name}.wq.weight")])?;
            let projection = Projection::plain(&wq, Row::only(query), Row::only(closing.q));
            self.project(scope, Projection { norm, ..projection });
            let (first, last) = (word::CLOSE_FIRST, word::CLOSE_LAST);
            let (lane, stride) = (2 * dim, self.layout.pictures * 2 * dim);
            let own =
                Cached { k: layer.kv, v: layer.kv, format: CacheFormat::F32, lane, stride, v_offset: dim, first, last };
            self.attend(&closing, own);
            let wo = self.matrix(model, &[&format!("{name}.wo.weight")])?;
            let next = self.b.zeros(format!("patch.vector.{n}"), width);
            let projection = Projection::plain(&wo, Row::only(closing.mixed), Row::only(next));
            self.project(scope, Projection { residual: Some(Row::only(query)), ..projection });
            query = next;
        }
        Ok(query)
    }

    /// Patch transformer at slot m. Returns what each decoder layer adds of the new patch: `Wo RMSNorm(s)`, (lane, width).
    fn patch_transformer(
        &mut self,
        model: Model<'a>,
        patch_vector: BufferId,
        classes: BufferId,
    ) -> Result<Vec<BufferId>> {
        let (width, lanes, head) = (padded(model.config.dim), self.layout.lanes, model.config.head_dim());
        let scope = Scope { section: Section::PatchTransformer, lanes, gate: word::BOUNDARY };
        let tables = rope::patch_tables(model.config);
        let args = patch_input::Args {
            state: self.state,
            gate: scope.gate,
            lanes,
            patch_vector,
            classes,
            rows: self.b.floats("rope.rows", &tables.rows),
            columns: self.b.floats("rope.columns", &tables.columns),
            out: self.b.zeros("patch.x", lanes as usize * width),
            rope: self.b.zeros("rope.patch", head),
            width,
            head,
        };
        patch_input::step(&mut self.b, scope.section, args);
        let stack = Stack { own_rope: true, ..self.stack(model, scope, word::PATCH, Row::only(args.rope)) };
        for n in 0..model.config.n_layer {
            self.block(&stack, &format!("layers.{n}"), Stream::in_place(args.out))?;
        }
        let mut states = Vec::new();
        for n in 0..model.config.n_local_decoder_layers {
            let name = format!("local_decoder.cross_attn_layers.{n}");
            let state = self.b.zeros(format!("decoder.{n}.state"), lanes as usize * width);
            let norm = Some(self.norm(model, &format!("{name}.cross_attn_norm_kv.weight"))?);
            let wo = self.matrix(model, &[&format!("{name}.wo.weight")])?;
            let projection = Projection::plain(&wo, Row::only(args.out), Row::only(state));
            self.project(scope, Projection { norm, ..projection });
            states.push(state);
        }
        Ok(states)
    }

    /// A whole token model at position i. Returns its logits, (lane, V).
    fn token_model(&mut self, model: Model<'a>, scope: Scope, classes: BufferId) -> Result<BufferId> {
        if self.layout.fuses(model.config) {
            return self.narrow_token_model(model, scope, classes);
        }
        let x = self.b.zeros("x", scope.lanes as usize * padded(model.config.dim));
        let rope_table = self.b.floats("rope", &rope::shifted_table(model.config));
        self.embed(model, scope, Some(classes), x)?;
        let stack = self.stack(model, scope, word::POS, Row { buffer: rope_table, row: word::POS });
        for n in 0..model.config.n_layer {
            self.block(&stack, &format!("layers.{n}"), Stream::in_place(x))?;
        }
        self.logits(&stack, x)
    }

    /// Drawing and recording, and the program around all of it.
    fn finish(mut self, model: Model<'a>, outcome: Outcome) -> Result<Program> {
        let Outcome { classes, logits, entropies, patches } = outcome;
        let (config, state, lanes) = (model.config, self.state, self.layout.lanes);
        let forced = self.b.filled("forced", self.tokens, DRAW);
        let rows = tokens_a_submit(config.vocab_size);
        let guided = self.b.zeros("guided", rows * config.vocab_size);
        let records = self.b.records(self.tokens);
        let (section, gate, has_entropy) = (Section::Sampler, word::RUN, patches);
        let args = sample::Args { state, gate, lanes, logits, forced, guided, rows, entropies, has_entropy, records };
        sample::step(&mut self.b, section, args);
        self.b.steps = by_stage(self.b.steps);
        let each = self.b.steps.len();
        record::step(&mut self.b, section, record::Args { state, guided, rows, records });

        let class_width = padded(config.dim);
        let table = model.checkpoint.f32("cls_embedding.embedding_table.weight")?;
        let mut class_table = vec![0.0; (config.num_classes + 1) * class_width];
        for (to, from) in class_table.chunks_exact_mut(class_width).zip(table.chunks_exact(config.dim)) {
            to[..config.dim].copy_from_slice(from);
        }
        Ok(Program {
            buffers: self.b.buffers,
            steps: self.b.steps,
            each,
            ports: Ports { state, classes, forced, records, logits },
            tokens: self.tokens,
            lanes: lanes as usize,
            class_table,
            class_width,
            patches,
            pictures: self.layout.pictures,
            most: rows,
        })
    }
}

/// One row of a class-embedding table, (D).
fn class_row(model: Model<'_>, class: usize) -> Result<Vec<f32>> {
    let table = model.checkpoint.f32("cls_embedding.embedding_table.weight")?;
    let dim = model.config.dim;
    Ok(table[class * dim..(class + 1) * dim].to_vec())
}

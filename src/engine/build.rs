//! Turns the models into the steps of one token (dpar.md section 7).
//!
//! Order within a token i: entropy model on x_{i-1}, entropy, boundary; patch-encoder step on x_{i-1}; if token i
//! starts a patch: close the one before (pool, cross-attention) and one patch-transformer step; patch decoder; draw.
//! The paper encodes x_i at the end of step i; doing it at the start of step i + 1 is the same and needs no draw yet.

use super::layers::{ProgramBuilder, Row, Stack};
use super::op::Flags;
use super::ops::{boundary, decoder_input, entropy, patch_input, pool, record, sample};
use super::program::{BufferId, Builder, Ports, Program, Section, Work};
use super::rope;
use super::state::{DRAW, word};
use super::weights::{Layout, padded};
use crate::checkpoint::config::{Generator, TransformerConfig};
use crate::checkpoint::{Checkpoint, ModelFiles};
use crate::error::{Error, Result};

/// Builds the program of one token.
///
/// # Errors
/// [`Error::Request`] where the folder lacks the model, [`Error::Checkpoint`] for damaged weights.
pub fn build(files: &ModelFiles, generator: Generator, layout: Layout) -> Result<Program> {
    let mut b = Builder::default();
    let state = b.state();
    let dummy = b.zeros("dummy", 4);
    let p = ProgramBuilder { b, layout, tokens: files.config.tokens(), state, dummy, files };
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

impl<'a> ProgramBuilder<'a> {
    fn baseline(mut self) -> Result<Program> {
        let config = self.files.config.baseline.as_ref().ok_or_else(|| missing(self.files, "baseline"))?;
        let checkpoint = self.files.baseline.as_ref().ok_or_else(|| missing(self.files, "baseline"))?;
        let entropies = self.b.zeros("entropies", self.tokens);
        let (classes, logits) = self.token_model(checkpoint, config, Section::TokenModel, self.layout.lanes, None)?;
        self.finish(checkpoint, config, classes, logits, entropies, false)
    }

    fn dpar(mut self) -> Result<Program> {
        let files = self.files;
        let config = files.config.dpar.as_ref().ok_or_else(|| missing(files, "dpar"))?;
        let checkpoint = files.dpar.as_ref().ok_or_else(|| missing(files, "dpar"))?;
        let entropy_config = files.config.entropy.as_ref().ok_or_else(|| missing(files, "entropy"))?;
        let entropy_checkpoint = files.entropy.as_ref().ok_or_else(|| missing(files, "entropy"))?;

        // Entropy model -> e_i -> boundary.
        let entropies = self.b.zeros("entropies", self.tokens);
        let null = class_rows(entropy_checkpoint, entropy_config, entropy_config.num_classes)?;
        let section = Section::EntropyModel;
        let (_, logits) = self.token_model(entropy_checkpoint, entropy_config, section, 1, Some(&null))?;
        let params = entropy::Params { gate: word::RUN, vocab: entropy_config.vocab_size as u32, pad: [0; 2] };
        let bind = vec![self.state, logits, entropies];
        self.b.step(&entropy::OP, section, Flags::lanes(1), params, bind, Work::Groups(1));
        self.b.step(&boundary::OP, section, Flags::lanes(1), [0u32; 4], vec![self.state, entropies], Work::Groups(1));

        // Patch encoder on x_{i-1}.
        let width = padded(config.dim);
        let rope_table = self.b.floats("rope", &rope::shifted_table(config));
        let (h, patch_vector) = self.patch_encoder(checkpoint, config, rope_table)?;

        // Patch transformer, where a patch starts.
        let lanes = self.layout.lanes;
        let section = Section::PatchTransformer;
        let classes = self.b.zeros("classes", lanes as usize * width);
        let (rows, columns) = rope::patch_tables(config);
        let rows = self.b.floats("rope.rows", &rows);
        let columns = self.b.floats("rope.columns", &columns);
        let patch_rope = self.b.zeros("rope.patch", config.head_dim());
        let x = self.b.zeros("patch.x", lanes as usize * width);
        let quarter = (config.head_dim() / 4) as u32;
        let params = patch_input::Params { gate: word::BOUNDARY, lanes, width: width as u32, quarter };
        let bind = vec![self.state, patch_vector, classes, rows, columns, x, patch_rope];
        let threads = (lanes * width as u32).max(2 * quarter);
        self.b.step(&patch_input::OP, section, Flags::lanes(lanes), params, bind, Work::Threads(threads));
        let stack =
            self.stack(checkpoint, config, section, lanes, word::BOUNDARY, (word::PATCH, word::ZERO), patch_rope);
        for n in 0..config.n_layer {
            self.block(&stack, &format!("layers.{n}"), Row::only(x), Row::only(x), None)?;
        }
        let mut states = Vec::new(); // per decoder layer: Wo RMSNorm(s), (lane, D)
        for n in 0..config.n_local_decoder_layers {
            let name = format!("local_decoder.cross_attn_layers.{n}");
            let z = self.b.zeros(format!("decoder.{n}.state"), lanes as usize * width);
            let gain = self.gain(checkpoint, &format!("{name}.cross_attn_norm_kv.weight"))?;
            let wo = self.matrix(checkpoint, &[&format!("{name}.wo.weight")])?;
            self.linear(&stack, &wo, Row::only(x), Some(gain), None, None, Row::only(z), width);
            states.push(z);
        }

        // Patch decoder at position i.
        let section = Section::PatchDecoder;
        let start = self.b.floats("decoder.start", &checkpoint.f32("decoder_start_embedding.weight")?);
        let x = self.b.zeros("decoder.x", lanes as usize * width);
        let params = decoder_input::Params { gate: word::RUN, lanes, width: width as u32, pad: 0 };
        let bind = vec![self.state, start, h, states[0], x];
        let work = Work::Threads(lanes * width as u32);
        self.b.step(&decoder_input::OP, section, Flags::lanes(lanes), params, bind, work);
        let stack = self.stack(checkpoint, config, section, lanes, word::RUN, (word::POS, word::POS), rope_table);
        for n in 0..config.n_local_decoder_layers {
            let next = states.get(n + 1).copied(); // the next layer's state joins at this layer's output
            self.block(&stack, &format!("local_decoder.layers.{n}"), Row::only(x), Row::only(x), next)?;
        }
        let logits = self.logits(&stack, x)?;
        self.finish(checkpoint, config, classes, logits, entropies, true)
    }

    /// Patch encoder on the newest token, and at a boundary the closing patch's vector.
    /// Returns h_tok (T, width) and p (width).
    fn patch_encoder(
        &mut self,
        checkpoint: &'a Checkpoint,
        config: &'a TransformerConfig,
        rope_table: BufferId,
    ) -> Result<(BufferId, BufferId)> {
        let (width, tokens) = (padded(config.dim), self.tokens);
        let stack = self.stack(
            checkpoint,
            config,
            Section::PatchEncoder,
            1,
            word::HAS_TOKEN,
            (word::PREV, word::POS), // x_{i-1} sits in cache row i-1 and turns by its own angles: row i of the table
            rope_table,
        );
        let x = self.b.zeros("encoder.x", width);
        let none = self.dummy;
        self.embed(checkpoint, Section::PatchEncoder, word::HAS_TOKEN, 1, none, x, config)?;
        let mut input = Row::only(x);
        let mut layers = Vec::new(); // h (T, width), keys and values (T, 2D)
        for n in 0..config.n_local_encoder_layers {
            let h = Row { buffer: self.b.zeros(format!("encoder.{n}.h"), tokens * width), row: word::PREV };
            self.block(&stack, &format!("local_encoder.layers.{n}"), input, h, None)?;
            let name = format!("local_encoder.cross_attn_layers.{n}");
            let gain = self.gain(checkpoint, &format!("{name}.cross_attn_norm_kv.weight"))?;
            let (wk, wv) = (format!("{name}.wk.weight"), format!("{name}.wv.weight"));
            let kv = self.matrix(checkpoint, &[&wk, &wv])?;
            let cache = self.b.zeros(format!("encoder.{n}.kv"), tokens * 2 * config.dim);
            let out = Row { buffer: cache, row: word::PREV };
            self.linear(&stack, &kv, h, Some(gain), None, None, out, 2 * config.dim);
            layers.push((h.buffer, cache));
            input = h;
        }
        let closing = Stack { section: Section::PatchTransformer, gate: word::CLOSE, ..stack };
        let mut query = self.b.zeros("patch.query", width);
        let params = pool::Params { gate: word::CLOSE, width: width as u32, pad: [0; 2] };
        let bind = vec![self.state, layers[0].0, query];
        self.b.step(&pool::OP, closing.section, Flags::lanes(1), params, bind, Work::Threads(width as u32));
        for (n, (_, cache)) in layers.iter().enumerate() {
            let name = format!("local_encoder.cross_attn_layers.{n}");
            let gain = self.gain(checkpoint, &format!("{name}.cross_attn_norm_q.weight"))?;
            let wq = self.matrix(checkpoint, &[&format!("{name}.wq.weight")])?;
            self.linear(&closing, &wq, Row::only(query), Some(gain), None, None, Row::only(closing.q), width);
            let span = (word::CLOSE_FIRST, word::CLOSE_LAST);
            self.attend(&closing, *cache, *cache, span, 2 * config.dim, config.dim);
            let wo = self.matrix(checkpoint, &[&format!("{name}.wo.weight")])?;
            let next = self.b.zeros(format!("patch.vector.{n}"), width);
            let (mixed, residual) = (Row::only(closing.mixed), Some(Row::only(query)));
            self.linear(&closing, &wo, mixed, None, residual, None, Row::only(next), width);
            query = next;
        }
        Ok((layers[layers.len() - 1].0, query))
    }

    /// A whole token model at position i. Returns its class rows and logits (lane, V).
    fn token_model(
        &mut self,
        checkpoint: &'a Checkpoint,
        config: &'a TransformerConfig,
        section: Section,
        lanes: u32,
        classes: Option<&[f32]>,
    ) -> Result<(BufferId, BufferId)> {
        let width = padded(config.dim);
        let classes = match classes {
            Some(rows) => self.b.floats("classes", rows),
            None => self.b.zeros("classes", lanes as usize * width),
        };
        let x = self.b.zeros("x", lanes as usize * width);
        let rope_table = self.b.floats("rope", &rope::shifted_table(config));
        self.embed(checkpoint, section, word::RUN, lanes, classes, x, config)?;
        let stack = self.stack(checkpoint, config, section, lanes, word::RUN, (word::POS, word::POS), rope_table);
        for n in 0..config.n_layer {
            self.block(&stack, &format!("layers.{n}"), Row::only(x), Row::only(x), None)?;
        }
        Ok((classes, self.logits(&stack, x)?))
    }

    fn finish(
        mut self,
        checkpoint: &Checkpoint,
        config: &TransformerConfig,
        classes: BufferId,
        logits: BufferId,
        entropies: BufferId,
        patches: bool,
    ) -> Result<Program> {
        let (state, lanes) = (self.state, self.layout.lanes);
        let forced = self.b.words("forced", vec![DRAW; self.tokens]);
        let guided = self.b.zeros("guided", config.vocab_size);
        let records = self.b.records(self.tokens);
        let section = Section::Sampler;
        let params = sample::Params { gate: word::RUN, pad: [0; 3] };
        let bind = vec![state, logits, forced, guided];
        self.b.step(&sample::OP, section, Flags::lanes(lanes), params, bind, Work::Groups(1));
        let params = record::Params { gate: word::RUN, has_entropy: u32::from(patches), pad: [0; 2] };
        let bind = vec![state, guided, entropies, records];
        self.b.step(&record::OP, section, Flags::lanes(1), params, bind, Work::Groups(1));

        let class_width = padded(config.dim);
        let table = checkpoint.f32("cls_embedding.embedding_table.weight")?;
        let mut class_table = vec![0.0; (config.num_classes + 1) * class_width];
        for (to, from) in class_table.chunks_exact_mut(class_width).zip(table.chunks_exact(config.dim)) {
            to[..config.dim].copy_from_slice(from);
        }
        Ok(Program {
            buffers: self.b.buffers,
            steps: self.b.steps,
            ports: Ports { state, classes, forced, records, entropies, logits },
            tokens: self.tokens,
            vocab: config.vocab_size,
            lanes: lanes as usize,
            class_table,
            class_width,
            patches,
        })
    }
}

/// One row of a class-embedding table, (D).
fn class_rows(checkpoint: &Checkpoint, config: &TransformerConfig, class: usize) -> Result<Vec<f32>> {
    let table = checkpoint.f32("cls_embedding.embedding_table.weight")?;
    Ok(table[class * config.dim..(class + 1) * config.dim].to_vec())
}

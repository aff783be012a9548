//! The token loop as a fixed list of ops over named buffers, built once per model and number of lanes.
//!
//! A [`Program`] is one token: running its steps T times draws an image. Nothing in it depends on the position: every
//! op reads that from the `state` buffer, so executors record the same commands for every token. The builders that
//! turn the models into steps are in `engine/build.rs`.

use super::op::{Flags, Op, PARAM_WORDS};
use super::state::{RECORD_WORDS, STATE_WORDS, word};
use super::weights::{Chunk, Precision, padded};
use crate::mix::Mix;

/// A buffer of the program, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferId(pub(crate) usize);

/// A vector in a table of rows: the buffer, and the state word that names the row. A row of the table holds one for every picture.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The table.
    pub buffer: BufferId,
    /// State word: the row.
    pub row: u32,
}

impl Row {
    /// The first row, or the only one.
    pub fn only(buffer: BufferId) -> Self {
        Self { buffer, row: word::ZERO }
    }
}

/// Rows of a matrix on the device: all of them, or as many as fit a binding.
#[derive(Clone, Copy, Debug)]
pub struct MatrixRows {
    /// The packed rows (`engine/weights.rs`).
    pub buffer: BufferId,
    /// The first of them, counted in the whole matrix.
    pub row0: usize,
    /// How many.
    pub rows: usize,
    /// Columns, without the padding.
    pub cols: usize,
    /// How the words are to be read.
    pub precision: Precision,
}

/// RMSNorm in front of a projection (dpar.md section 3).
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    /// Its weights, (cols).
    pub gain: BufferId,
    /// What keeps it from dividing by 0.
    pub eps: f32,
}

/// A named buffer of 32-bit words.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// What it holds, for messages and traces.
    pub name: String,
    /// Its size, all pictures together.
    pub words: usize,
    /// Its first content; empty means zeros.
    pub init: Vec<u32>,
    /// Whether it holds weights (counted as such by the bench).
    pub weights: bool,
    /// Whether each picture has its part.
    pub pictures: bool,
}

/// How many invocations a step needs; the executor turns it into workgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// This many units of two weight rows.
    Units(u32),
    /// This many threads.
    Threads(u32),
    /// This many workgroups.
    Groups(u32),
}

/// The part of the model a step belongs to: what the bench times and the app colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// Entropy model, entropy and boundary rule.
    EntropyModel,
    /// Patch encoder, every token.
    PatchEncoder,
    /// Pooling, cross-attention and patch transformer: only where a patch starts.
    PatchTransformer,
    /// Patch decoder and logits.
    PatchDecoder,
    /// The fixed-length baseline's layers.
    TokenModel,
    /// Drawing and recording.
    Sampler,
}

impl Section {
    /// All sections in the order a token passes them.
    pub const ALL: [Self; 6] = [
        Self::EntropyModel,
        Self::PatchEncoder,
        Self::PatchTransformer,
        Self::PatchDecoder,
        Self::TokenModel,
        Self::Sampler,
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::EntropyModel => "entropy model",
            Self::PatchEncoder => "patch encoder",
            Self::PatchTransformer => "patch transformer",
            Self::PatchDecoder => "patch decoder",
            Self::TokenModel => "token model",
            Self::Sampler => "sampler",
        }
    }
}

/// One op with everything bound.
#[derive(Clone, Debug)]
pub struct Step {
    /// The op.
    pub op: &'static Op,
    /// Which part of the model it belongs to.
    pub section: Section,
    /// Values of its override constants.
    pub flags: Flags,
    /// Its parameter block.
    pub params: [u32; PARAM_WORDS],
    /// Its storage buffers, in the order of the op's bindings.
    pub bind: Vec<BufferId>,
    /// How much of it there is.
    pub work: Work,
}

/// The buffers that sessions write and read.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// `state` (picture, STATE_WORDS).
    pub state: BufferId,
    /// Class embeddings of the main model, (picture, lane, width).
    pub classes: BufferId,
    /// `forced` (T, picture): a token, or [`super::state::DRAW`].
    pub forced: BufferId,
    /// `records` (T, picture, RECORD_WORDS).
    pub records: BufferId,
    /// Logits of the main model (picture, lane, V).
    pub logits: BufferId,
}

/// One token of generation, for one model and number of lanes.
#[derive(Clone, Debug)]
pub struct Program {
    /// All buffers.
    pub buffers: Vec<Buffer>,
    /// The steps of one token, in order; from `each` on those that run once a submit.
    pub steps: Vec<Step>,
    /// How many steps run for each token.
    pub each: usize,
    /// Tokens a submit at most: of so many the logits are kept for what runs once a submit.
    pub most: usize,
    /// The buffers sessions talk to.
    pub ports: Ports,
    /// Tokens of an image, T.
    pub tokens: usize,
    /// Guidance lanes: 1, or 2 (class and null).
    pub lanes: usize,
    /// Class embeddings (C + 1, width), width padded: a session copies rows of it into `ports.classes`.
    pub class_table: Vec<f32>,
    /// Padded width of a class embedding.
    pub class_width: usize,
    /// Whether boundaries are placed (DPAR) or every token is a step (baseline).
    pub patches: bool,
    /// Pictures that are drawn at once: all stand at the same position. Buffers of a run hold them side by side: (picture, lane, ...),
    /// tables (row, picture, lane, ...). On the GPU a picture is a workgroup z.
    pub pictures: usize,
}

impl Program {
    /// Loose steps without a model, all ports on the first buffer: for tests and measurements.
    pub fn loose(b: Builder) -> Self {
        let first = BufferId(0);
        let ports = Ports { state: first, classes: first, forced: first, records: first, logits: first };
        Self {
            buffers: b.buffers,
            each: b.steps.len(),
            most: 1,
            steps: b.steps,
            ports,
            tokens: 1,
            lanes: 1,
            class_table: Vec::new(),
            class_width: 1,
            patches: false,
            pictures: b.pictures,
        }
    }

    /// Class embeddings for the lanes of a picture: what is asked for, then (with guidance) the null class. (lane, width)
    pub fn class_rows(&self, class: &Mix) -> Vec<u32> {
        let null = self.class_table.len() / self.class_width - 1;
        let rows = [class, &Mix::of(null)].map(|mix| mix.row(&self.class_table, self.class_width));
        bytemuck::cast_slice(&rows[..self.lanes].concat()).to_vec()
    }

    /// Bytes of weights read for a token that starts a patch and for one that does not.
    pub fn weight_bytes_per_token(&self) -> (usize, usize) {
        let bytes = |patch: bool| -> usize {
            let steps = self.steps.iter().filter(|s| patch || s.section != Section::PatchTransformer);
            // An embedding reads one row, not its table.
            let steps = steps.filter(|s| s.op.name != "embed");
            let bound =
                steps.flat_map(|s| s.op.storage.iter().zip(&s.bind)).filter(|(binding, _)| binding.name == "weights");
            bound.map(|(_, b)| self.buffers[b.0].words * 4).sum()
        };
        (bytes(true), bytes(false))
    }

    /// Device memory that a picture takes, in bytes: caches, activations, records.
    pub fn picture_bytes(&self) -> usize {
        self.buffers.iter().filter(|b| b.pictures).map(|b| b.words * 4).sum::<usize>() / self.pictures
    }

    /// Device memory of all buffers in bytes.
    pub fn device_bytes(&self) -> usize {
        self.buffers.iter().map(|b| b.words * 4).sum()
    }
}

/// Collects buffers and steps.
#[derive(Clone, Debug)]
pub struct Builder {
    /// Buffers so far.
    pub buffers: Vec<Buffer>,
    /// Steps so far.
    pub steps: Vec<Step>,
    /// Pictures that are drawn at once.
    pub pictures: usize,
    unused: Option<BufferId>,
}

impl Builder {
    /// Nothing yet, for so many pictures at once.
    pub fn new(pictures: usize) -> Self {
        Self { buffers: Vec::new(), steps: Vec::new(), pictures, unused: None }
    }

    /// A zeroed buffer of `words` for every picture.
    pub fn zeros(&mut self, name: impl Into<String>, words: usize) -> BufferId {
        let id = self.push(name.into(), (words * self.pictures).max(4), Vec::new(), false);
        self.buffers[id.0].pictures = true;
        id
    }

    /// A buffer of `words` for every picture, all of one value.
    pub fn filled(&mut self, name: impl Into<String>, words: usize, value: u32) -> BufferId {
        let id = self.zeros(name, words);
        self.buffers[id.0].init = vec![value; self.buffers[id.0].words];
        id
    }

    /// A buffer with content, the same for all pictures.
    pub fn words(&mut self, name: impl Into<String>, init: Vec<u32>) -> BufferId {
        self.push(name.into(), init.len().max(4), init, false)
    }

    /// A buffer of floats, its tail padded with zeros to whole loads.
    pub fn floats(&mut self, name: impl Into<String>, values: &[f32]) -> BufferId {
        let mut init: Vec<u32> = bytemuck::cast_slice(values).to_vec();
        init.resize(padded(values.len()), 0);
        self.words(name, init)
    }

    /// A buffer of packed weights.
    pub fn weights(&mut self, name: impl Into<String>, chunk: Chunk) -> MatrixRows {
        let Chunk { row0, rows, cols, precision, words } = chunk;
        let buffer = self.push(name.into(), words.len(), words, true);
        MatrixRows { buffer, row0, rows, cols, precision }
    }

    /// What stands in a binding that a step does not read: WebGPU wants a buffer in each.
    pub fn unused(&mut self) -> BufferId {
        let unused = self.unused.unwrap_or_else(|| self.words("unused", Vec::new()));
        self.unused = Some(unused);
        unused
    }

    fn push(&mut self, name: String, words: usize, init: Vec<u32>, weights: bool) -> BufferId {
        self.buffers.push(Buffer { name, words, init, weights, pictures: false });
        BufferId(self.buffers.len() - 1)
    }

    /// Appends a step. Each op's own `step` calls this, with its parameter struct and its buffers in order ([`Op::bind`]).
    pub fn step<P: bytemuck::Pod>(
        &mut self,
        op: &'static Op,
        section: Section,
        flags: Flags,
        params: P,
        bind: Vec<BufferId>,
        work: Work,
    ) {
        debug_assert_eq!(bind.len(), op.storage.len(), "{}", op.name);
        let mut block = [0u32; PARAM_WORDS];
        bytemuck::bytes_of_mut(&mut block)[..size_of::<P>()].copy_from_slice(bytemuck::bytes_of(&params));
        self.steps.push(Step { op, section, flags, params: block, bind, work });
    }

    /// The `state` buffer.
    pub fn state(&mut self) -> BufferId {
        self.zeros("state", STATE_WORDS)
    }

    /// The `records` buffer.
    pub fn records(&mut self, tokens: usize) -> BufferId {
        self.zeros("records", tokens * RECORD_WORDS)
    }
}

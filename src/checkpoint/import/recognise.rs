//! What a set of tensors is, and of which shape.

use std::fmt;
use std::path::Path;

use super::names::{CODEBOOK, Named};
use crate::checkpoint::config::{TransformerConfig, VqConfig};
use crate::error::{Error, Result};

/// What tensors do not say.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// Attention heads, where the width is none of the public models': of all token models and DPAR, or of each in the order of the
    /// files.
    pub heads: Vec<usize>,
    /// Grid side; where nobody says one, 16, or 24 for a file whose name says 384.
    pub grid: Option<usize>,
    /// GroupNorm groups of the tokenizer, where they are not 32.
    pub groups: Option<usize>,
    /// The token model is the entropy model alone: the folder looks at pictures and draws none.
    pub entropy_only: bool,
}

/// A model that was recognised.
#[derive(Clone, Debug, PartialEq)]
pub enum Recognised {
    /// A VQ tokenizer.
    Tokenizer(VqConfig),
    /// A token model: the fixed-length baseline, or an entropy model.
    TokenModel(TransformerConfig),
    /// DPAR.
    Dpar(TransformerConfig),
}

impl fmt::Display for Recognised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokenizer(c) => {
                let (by, codes, of) = (c.downsampling(), c.codebook_size, c.codebook_embed_dim);
                write!(f, "a VQ tokenizer, {by} x {by} pixels a token, {codes} codes of {of}")
            }
            Self::TokenModel(c) => write!(f, "a token model, {} layers x {}, {}", c.n_layer, c.dim, rest(c)),
            Self::Dpar(c) => {
                let layers = [c.n_local_encoder_layers, c.n_layer, c.n_local_decoder_layers].map(|n| n.to_string());
                write!(f, "DPAR, {} layers x {}, {}", layers.join("/"), c.dim, rest(c))
            }
        }
    }
}

fn rest(c: &TransformerConfig) -> String {
    let (heads, codes, classes, grid) = (c.n_head, c.vocab_size, c.num_classes, c.grid_size);
    let of = if classes == 1 { "class" } else { "classes" };
    format!("{heads} heads, {codes} codes, {classes} {of}, a grid of {grid} x {grid}")
}

/// Width and heads of the public token models: B, L, XL, XXL.
const FAMILIES: [(usize, usize); 4] = [(768, 12), (1024, 16), (1280, 20), (1536, 24)];
/// The width of LlamaGen-3B.
const OF_3B: usize = 3200;
/// GroupNorm groups of the public tokenizers.
const GROUPS: usize = 32;

/// Reads a model's shape off its tensors. `file` is the name used in messages.
///
/// # Errors
/// [`Error::Checkpoint`] naming a tensor that is missing or has another shape than its neighbours imply, [`Error::Request`] for
/// what has to be said beside the file. `heads`: what was said of this one.
pub fn recognise(file: &str, found: &Named<'_>, heads: Option<usize>, hints: &Hints) -> Result<Recognised> {
    let tensors = Tensors { file, found };
    if found.tensors.contains_key(CODEBOOK) {
        return tensors.tokenizer(hints).map(Recognised::Tokenizer);
    }
    let config = tensors.transformer(heads, hints)?;
    let local = config.n_local_encoder_layers + config.n_local_decoder_layers > 0;
    Ok(if local { Recognised::Dpar(config) } else { Recognised::TokenModel(config) })
}

struct Tensors<'a> {
    file: &'a str,
    found: &'a Named<'a>,
}

impl Tensors<'_> {
    fn bad(&self, problem: String) -> Error {
        Error::Checkpoint { file: self.file.to_owned(), problem }
    }

    fn ask(&self, problem: &str) -> Error {
        Error::Request(format!("{}: {problem}", self.file))
    }

    /// Whether the file is called after pictures of 384 pixels; what folder it lies in says nothing.
    fn says_384(&self) -> bool {
        Path::new(self.file).file_name().is_some_and(|name| name.to_string_lossy().contains("384"))
    }

    /// The extents of a tensor of so many of them.
    fn shape<const N: usize>(&self, name: &str) -> Result<[usize; N]> {
        let (_, tensor) = self.found.tensors.get(name).ok_or_else(|| self.bad(format!("has no tensor `{name}`")))?;
        <[usize; N]>::try_from(tensor.shape.as_slice())
            .map_err(|_| self.bad(format!("`{name}` has shape {:?}, {N} extents are needed", tensor.shape)))
    }

    /// How many of `{before}0{after}`, `{before}1{after}`, .. there are.
    fn count(&self, before: &str, after: &str) -> usize {
        (0..).take_while(|n| self.found.tensors.contains_key(format!("{before}{n}{after}").as_str())).count()
    }

    fn transformer(&self, heads: Option<usize>, hints: &Hints) -> Result<TransformerConfig> {
        let [vocab_size, dim] = self.shape("tok_embeddings.weight")?;
        let [rows, _] = self.shape("cls_embedding.embedding_table.weight")?;
        let layers = |under: &str| self.count(&format!("{under}layers."), ".attention.wqkv.weight");
        let n_layer = layers("");
        if n_layer == 0 {
            return Err(self.bad("has no tensor `layers.0.attention.wqkv.weight`".into()));
        }
        let [ffn, _] = self.shape("layers.0.feed_forward.w1.weight")?;
        let multiple =
            [256, 128, 64, 32, 16, 8, 4, 2, 1].into_iter().find(|m| (8 * dim / 3).next_multiple_of(*m) == ffn);
        let multiple_of = multiple.ok_or_else(|| {
            let name = "layers.0.feed_forward.w1.weight";
            self.bad(format!("`{name}` has {ffn} rows, which LlamaGen's rule makes of no model that is {dim} wide"))
        })?;
        if dim == OF_3B && heads.is_none() {
            return Err(self.ask("LlamaGen-3B is 3,200 wide, and the engine draws with models of at most 2,560"));
        }
        let known = FAMILIES.iter().find(|(width, _)| *width == dim).map(|(_, heads)| *heads);
        let n_head = heads.or(known).ok_or_else(|| {
            self.ask(&format!("it is {dim} wide, which none of the public models is: say how many attention heads it has, with --heads"))
        })?;
        Ok(TransformerConfig {
            dim,
            n_head,
            n_layer,
            n_local_encoder_layers: layers("local_encoder."),
            n_local_decoder_layers: layers("local_decoder."),
            vocab_size,
            num_classes: rows.saturating_sub(1),
            grid_size: hints.grid.unwrap_or(if self.says_384() { 24 } else { 16 }),
            multiple_of,
            norm_eps: 1e-5,
            rope_base: 10_000.0,
        })
    }

    fn tokenizer(&self, hints: &Hints) -> Result<VqConfig> {
        let [codebook_size, codebook_embed_dim] = self.shape(CODEBOOK)?;
        let [ch, _, _, _] = self.shape("encoder.conv_in.weight")?;
        let [_, z_channels, _, _] = self.shape("quant_conv.weight")?;
        let levels = self.count("encoder.conv_blocks.", ".res.0.conv1.weight");
        let mut ch_mult = Vec::new();
        for level in 0..levels {
            let name = format!("encoder.conv_blocks.{level}.res.0.conv1.weight");
            let [width, _, _, _] = self.shape(&name)?;
            if ch == 0 || width % ch != 0 {
                return Err(self.bad(format!("`{name}` makes {width} channels, no multiple of {ch}")));
            }
            ch_mult.push(width / ch);
        }
        if levels == 0 {
            return Err(self.bad("has no tensor `encoder.conv_blocks.0.res.0.conv1.weight`".into()));
        }
        let norm_groups = hints.groups.unwrap_or(GROUPS);
        if norm_groups == 0 || ch % norm_groups != 0 {
            return Err(self.ask(&format!(
                "its {ch} channels are not divided by {norm_groups} GroupNorm groups: say how many it has, with --groups"
            )));
        }
        Ok(VqConfig {
            ch,
            ch_mult,
            num_res_blocks: self.count("encoder.conv_blocks.0.res.", ".conv1.weight"),
            z_channels,
            codebook_size,
            codebook_embed_dim,
            norm_groups,
        })
    }
}

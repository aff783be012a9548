//! The tensors that a model of a config needs, in the names of the public PyTorch checkpoints.

use super::config::{TransformerConfig, VqConfig};

/// A tensor a model needs: its name and shape.
pub type TensorSpec = (String, Vec<usize>);

fn block_tensors(prefix: &str, c: &TransformerConfig, out: &mut Vec<TensorSpec>) {
    let (d, f) = (c.dim, c.ffn_dim());
    for (name, shape) in [
        ("attention.wqkv.weight", vec![3 * d, d]),
        ("attention.wo.weight", vec![d, d]),
        ("feed_forward.w1.weight", vec![f, d]),
        ("feed_forward.w2.weight", vec![d, f]),
        ("feed_forward.w3.weight", vec![f, d]),
        ("attention_norm.weight", vec![d]),
        ("ffn_norm.weight", vec![d]),
    ] {
        out.push((format!("{prefix}.{name}"), shape));
    }
}

/// Whether a tensor is a matrix that a layer multiplies with: what int8 is for. Embeddings are looked up, norms are vectors.
pub fn is_layer_matrix(name: &str, shape: &[usize]) -> bool {
    shape.len() == 2 && !name.contains("embedding")
}

/// The tensors of a token model (entropy model, fixed-length baseline), in the public LlamaGen names.
pub fn token_model_tensors(c: &TransformerConfig) -> Vec<TensorSpec> {
    let mut out = vec![
        ("cls_embedding.embedding_table.weight".to_owned(), vec![c.num_classes + 1, c.dim]),
        ("tok_embeddings.weight".to_owned(), vec![c.vocab_size, c.dim]),
        ("norm.weight".to_owned(), vec![c.dim]),
        ("output.weight".to_owned(), vec![c.vocab_size, c.dim]),
    ];
    for n in 0..c.n_layer {
        block_tensors(&format!("layers.{n}"), c, &mut out);
    }
    out
}

/// The tensors of DPAR: a token model's names (`layers.N` is the patch transformer) and the local encoder and decoder.
pub fn dpar_tensors(c: &TransformerConfig) -> Vec<TensorSpec> {
    let d = c.dim;
    let mut out = token_model_tensors(c);
    out.push(("decoder_start_embedding.weight".to_owned(), vec![1, d]));
    for n in 0..c.n_local_encoder_layers {
        block_tensors(&format!("local_encoder.layers.{n}"), c, &mut out);
        let cross = format!("local_encoder.cross_attn_layers.{n}");
        for norm in ["cross_attn_norm_q", "cross_attn_norm_kv"] {
            out.push((format!("{cross}.{norm}.weight"), vec![d]));
        }
        for w in ["wq", "wk", "wv", "wo"] {
            out.push((format!("{cross}.{w}.weight"), vec![d, d]));
        }
    }
    for n in 0..c.n_local_decoder_layers {
        block_tensors(&format!("local_decoder.layers.{n}"), c, &mut out);
        let cross = format!("local_decoder.cross_attn_layers.{n}");
        out.push((format!("{cross}.cross_attn_norm_kv.weight"), vec![d]));
        out.push((format!("{cross}.wo.weight"), vec![d, d]));
    }
    out
}

/// A tensor by which a file with the tokenizer's encoder is known.
pub const OF_THE_ENCODER: &str = "encoder.conv_in.weight";

/// The tensors of the VQ tokenizer, in the names of LlamaGen's `VQModel`.
pub fn vq_tensors(c: &VqConfig) -> Vec<TensorSpec> {
    [vq_encoder_tensors(c), vq_decoder_tensors(c)].concat()
}

/// Those that only pictures need that come from outside: the way from a picture to vectors.
pub fn vq_encoder_tensors(c: &VqConfig) -> Vec<TensorSpec> {
    let mut out = VqSpecs(Vec::new());
    let top = c.ch * c.ch_mult[c.ch_mult.len() - 1];
    out.conv("encoder.conv_in", 3, c.ch, 3);
    let mut width = c.ch;
    for (i, mult) in c.ch_mult.iter().enumerate() {
        let last = i + 1 == c.ch_mult.len();
        for j in 0..c.num_res_blocks {
            out.res(&format!("encoder.conv_blocks.{i}.res.{j}"), width, c.ch * mult);
            width = c.ch * mult;
            if last {
                out.attn(&format!("encoder.conv_blocks.{i}.attn.{j}"), width);
            }
        }
        if !last {
            out.conv(&format!("encoder.conv_blocks.{i}.downsample.conv"), width, width, 3);
        }
    }
    out.tail("encoder", top, c.z_channels);
    out.conv("quant_conv", c.z_channels, c.codebook_embed_dim, 1);
    out.0
}

/// The others: the codebook, and the way from codes to a picture.
pub fn vq_decoder_tensors(c: &VqConfig) -> Vec<TensorSpec> {
    let mut out = VqSpecs(Vec::new());
    let top = c.ch * c.ch_mult[c.ch_mult.len() - 1];
    out.conv("decoder.conv_in", c.z_channels, top, 3);
    let mut width = top;
    for (i, mult) in c.ch_mult.iter().rev().enumerate() {
        for j in 0..=c.num_res_blocks {
            out.res(&format!("decoder.conv_blocks.{i}.res.{j}"), width, c.ch * mult);
            width = c.ch * mult;
            if i == 0 {
                out.attn(&format!("decoder.conv_blocks.{i}.attn.{j}"), width);
            }
        }
        if i + 1 < c.ch_mult.len() {
            out.conv(&format!("decoder.conv_blocks.{i}.upsample.conv"), width, width, 3);
        }
    }
    out.norm("decoder.norm_out", width);
    out.conv("decoder.conv_out", width, 3, 3);
    out.mid("decoder", top);
    out.conv("post_quant_conv", c.codebook_embed_dim, c.z_channels, 1);
    out.0.push(("quantize.embedding.weight".to_owned(), vec![c.codebook_size, c.codebook_embed_dim]));
    out.0
}

struct VqSpecs(Vec<TensorSpec>);

impl VqSpecs {
    fn conv(&mut self, name: &str, i: usize, o: usize, k: usize) {
        self.0.push((format!("{name}.weight"), vec![o, i, k, k]));
        self.0.push((format!("{name}.bias"), vec![o]));
    }

    fn norm(&mut self, name: &str, c: usize) {
        self.0.push((format!("{name}.weight"), vec![c]));
        self.0.push((format!("{name}.bias"), vec![c]));
    }

    fn res(&mut self, name: &str, i: usize, o: usize) {
        self.norm(&format!("{name}.norm1"), i);
        self.conv(&format!("{name}.conv1"), i, o, 3);
        self.norm(&format!("{name}.norm2"), o);
        self.conv(&format!("{name}.conv2"), o, o, 3);
        if i != o {
            self.conv(&format!("{name}.nin_shortcut"), i, o, 1);
        }
    }

    fn attn(&mut self, name: &str, c: usize) {
        self.norm(&format!("{name}.norm"), c);
        for w in ["q", "k", "v", "proj_out"] {
            self.conv(&format!("{name}.{w}"), c, c, 1);
        }
    }

    fn mid(&mut self, part: &str, c: usize) {
        self.res(&format!("{part}.mid.0"), c, c);
        self.attn(&format!("{part}.mid.1"), c);
        self.res(&format!("{part}.mid.2"), c, c);
    }

    fn tail(&mut self, part: &str, c: usize, z: usize) {
        self.mid(part, c);
        self.norm(&format!("{part}.norm_out"), c);
        self.conv(&format!("{part}.conv_out"), c, z, 3);
    }
}

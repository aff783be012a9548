"""Generation with caches, many images at once (dpar.md section 7). The same tokens as the project's cacheless reference, up to ties
that float rounding decides (tests/test_generate.py).

All images of a batch stand at the same token i; their patches differ, so the patch transformer runs on the images whose token i
starts a patch. Lanes: with guidance 2B rows, first the classes, then the null class.
"""

import math

import torch
import torch.nn.functional as F

from .patching import PatchRule, entropies


def pcg3d(x, y, z):
    """Counter-based hash of three uint32, held in int64 tensors (Jarzynski & Olano 2020); the first output word."""
    mask = 0xFFFFFFFF
    x, y, z = ((a * 1664525 + 1013904223) & mask for a in (x, y, z))
    x = (x + y * z) & mask
    y = (y + z * x) & mask
    z = (z + x * y) & mask
    x, y, z = x ^ (x >> 16), y ^ (y >> 16), z ^ (z >> 16)
    return (x + y * z) & mask


def gumbel(seeds, position, vocab):
    """seeds (B,) -> Gumbel noise (B,V): u = (hash >> 8 + 0.5) / 2^24, -ln(-ln u)."""
    token = torch.arange(vocab, device=seeds.device)[None]
    h = pcg3d(seeds[:, None] & 0xFFFFFFFF, torch.full_like(token, position), token)
    u = ((h >> 8).double() + 0.5) / 2**24
    return (-(-u.log()).log()).float()


def draw(logits, seeds, position, temperature=1.0, top_k=0, top_p=1.0):
    """logits (B,V), seeds (B,) -> tokens (B,). temperature 0 is greedy; top-k keeps logits >= the k-th largest; top-p the shortest
    prefix of the descending order that reaches p."""
    if temperature == 0:
        return logits.argmax(-1)
    x = logits / temperature
    if top_k > 0:
        kth = x.topk(min(top_k, x.shape[-1])).values[:, -1:]
        x = x.masked_fill(x < kth, -math.inf)
    if top_p < 1:
        v, order = x.sort(dim=-1, descending=True)
        p = v.softmax(-1)
        drop = torch.zeros_like(x, dtype=torch.bool).scatter(1, order, p.cumsum(-1) - p > top_p)
        x = x.masked_fill(drop, -math.inf)
    return (x + gumbel(seeds, position, x.shape[-1])).argmax(-1)


class CachedBlock:
    """A block that takes one position a call and keeps keys and values (rows, H, length, d)."""

    def __init__(self, layer, rows, length, like):
        a = layer.attention
        self.layer, self.n_head = layer, a.n_head
        shape = (rows, a.n_head, length, a.wo.in_features // a.n_head)
        self.k, self.v = like.new_zeros(shape), like.new_zeros(shape)

    def step(self, x, rope, i):
        """All rows at position i: x (rows,1,D), rope (1,1,d/2,2)."""
        a = self.layer.attention
        q, k, v = a.qkv(self.layer.attention_norm(x), rope)
        self.k[:, :, i], self.v[:, :, i] = k[:, :, 0], v[:, :, 0]
        o = F.scaled_dot_product_attention(q, self.k[:, :, : i + 1], self.v[:, :, : i + 1])
        return self.finish(x, o)

    def step_rows(self, x, rope, rows, at):
        """Some rows, each at its own position: x (n,1,D), rope (n,1,d/2,2), rows (n,), at (n,)."""
        a = self.layer.attention
        q, k, v = a.qkv(self.layer.attention_norm(x), rope)
        self.k[rows, :, at], self.v[rows, :, at] = k[:, :, 0].to(self.k), v[:, :, 0].to(self.v)
        n = int(at.max()) + 1
        seen = torch.arange(n, device=at.device)[None] <= at[:, None]
        keys, values = (c[:, :, :n] if len(rows) == len(c) else c[:, :, :n].index_select(0, rows) for c in (self.k, self.v))
        return self.finish(x, F.scaled_dot_product_attention(q, keys, values, attn_mask=seen[:, None, None]))

    def finish(self, x, o):
        h = x + self.layer.attention.wo(o.transpose(1, 2).flatten(2))
        return h + self.layer.feed_forward(self.layer.ffn_norm(h))


def guided(logits, lanes, scale):
    if lanes == 1:
        return logits
    with_class, without = logits.chunk(2)
    return without + scale * (with_class - without)


def lanes_of(model, classes, scale):
    """Classes (B,) or class rows (B,1,D) -> number of lanes, class rows of all lanes (lanes*B,1,D)."""
    rows = model.cls_embedding(classes)
    if scale == 1:
        return 1, rows
    return 2, torch.cat([rows, model.cls_embedding(null_of(model, classes))])


def null_of(model, classes):
    """The null class for each image, (B,)."""
    return torch.full((len(classes),), model.c.num_classes, device=classes.device)


class TokenStepper:
    """A token model, one position a call."""

    def __init__(self, model, class_rows):
        self.model, T = model, model.c.grid_size**2
        self.first = class_rows
        self.blocks = [CachedBlock(layer, len(class_rows), T, self.first) for layer in model.layers]

    def step(self, i, tokens):
        """tokens (rows,) at i-1 (ignored for i = 0) -> logits (rows,V) for token i."""
        h = self.first if i == 0 else self.model.tok_embeddings(tokens)[:, None]
        for block in self.blocks:
            h = block.step(h, self.model.rope[:, i : i + 1], i)
        return self.model.output(self.model.norm(h))[:, 0].float()


class DparStepper:
    """DPAR, one token a call, with its patch path."""

    def __init__(self, model, class_rows, images):
        self.m, self.images, self.lanes = model, images, len(class_rows) // images
        c, T = model.c, model.c.grid_size**2
        like = model.tok_embeddings.weight
        self.dev = like.device
        self.class_input = class_rows
        self.encoder = [CachedBlock(b, images, T, like) for b in model.local_encoder.layers]
        self.patch = [CachedBlock(b, len(class_rows), T, like) for b in model.layers]
        self.decoder = [CachedBlock(b, len(class_rows), T, like) for b in model.local_decoder.layers]
        self.states = [like.new_zeros(images, T, c.dim) for _ in self.encoder]  # h_tok after each encoder layer
        self.first = torch.zeros(images, dtype=torch.long, device=self.dev)  # first token of the open patch
        self.index = torch.full((images,), -1, dtype=torch.long, device=self.dev)  # number of the open patch
        self.bias = [like.new_zeros(len(class_rows), 1, c.dim) for _ in self.decoder]  # Wo_l RMSNorm_l(s_m), held for the patch

    def close_patches(self, rows, i):
        """Pools the patches of images `rows` (n,) that end at token i-1 -> (n,1,D)."""
        first = self.first[rows]
        length = int((i - first).max())
        at = first[:, None] + torch.arange(length, device=self.dev)
        valid = (at < i)[:, None]
        at, query = at.clamp(max=i - 1), None
        for h, cross in zip(self.states, self.m.local_encoder.cross_attn_layers):
            w = h[rows[:, None], at][:, None]  # (n,1,L,D)
            if query is None:
                query = w.masked_fill(~valid[..., None], -math.inf).amax(2)
            n = cross.cross_attn_norm_kv(w)
            query = cross.attend(query, cross.wk(n), cross.wv(n), valid)
        return query

    def open_patches(self, starts, i):
        """The patch-transformer step of images (B,) bool whose token i starts a patch."""
        rows = starts.nonzero()[:, 0]
        if len(rows) == 0:
            return
        lane_rows = torch.cat([rows + lane * self.images for lane in range(self.lanes)])
        if i == 0:
            x = self.class_input
            rope = torch.zeros_like(self.m.rope_tok[:, :1]).expand(len(lane_rows), -1, -1, -1)
        else:
            g, first = self.m.c.grid_size, self.first[rows]
            x = self.close_patches(rows, i).repeat(self.lanes, 1, 1)
            end = torch.full_like(first, i - 1)
            rope = self.m.patch_rope(first[:, None] // g, first[:, None] % g, end[:, None] % g).repeat(self.lanes, 1, 1, 1)
        self.index[rows] += 1
        self.first[rows] = i
        at = self.index[rows].repeat(self.lanes)
        for block in self.patch:
            x = block.step_rows(x, rope, lane_rows, at)
        for bias, cross in zip(self.bias, self.m.local_decoder.cross_attn_layers):
            bias[lane_rows] = cross.project(x).to(bias)

    def decode(self, i):
        """-> logits (lanes*B, V) for token i."""
        if i == 0:
            h = self.m.decoder_start_embedding.weight[None].expand(self.images, 1, -1)
        else:
            h = self.states[-1][:, i - 1 : i]
        h = h.repeat(self.lanes, 1, 1)
        for block, bias in zip(self.decoder, self.bias):
            h = block.step(h + bias, self.m.rope_dec[:, i : i + 1], i)
        return self.m.output(self.m.norm(h))[:, 0].float()

    def encode(self, i, tokens):
        """tokens (B,) at i."""
        h = self.m.tok_embeddings(tokens)[:, None]
        for block, state in zip(self.encoder, self.states):
            h = block.step(h, self.m.rope_tok[:, i : i + 1], i)
            state[:, i] = h[:, 0]


@torch.no_grad()
def generate_dpar(entropy_model, dpar, classes, seeds, rule, cfg=2.0, temperature=1.0, top_k=0, top_p=1.0):
    """classes (B,) or class rows (B,1,D), seeds (B,) -> tokens (B,T), entropies (B,T) nats, starts (B,T) bool. Modes without
    entropy need no entropy model (entropies are then zero)."""
    B, g, T, dev = len(classes), dpar.c.grid_size, dpar.c.grid_size**2, classes.device
    lanes, class_rows = lanes_of(dpar, classes, cfg)
    model = DparStepper(dpar, class_rows, B)
    judge = None
    if rule.needs_entropy:
        judge = TokenStepper(entropy_model, entropy_model.cls_embedding(null_of(entropy_model, classes)))
    x = torch.zeros(B, T, dtype=torch.long, device=dev)
    ents, starts = torch.zeros(B, T, device=dev), torch.ones(B, T, dtype=torch.bool, device=dev)
    run = torch.zeros(B, dtype=torch.long, device=dev)
    for i in range(T):
        if judge:
            ents[:, i] = entropies(judge.step(i, x[:, i - 1]))
        starts[:, i] = rule.start(i, ents[:, i], run, g)
        run = torch.where(starts[:, i], 1, run + 1)
        model.open_patches(starts[:, i], i)
        x[:, i] = draw(guided(model.decode(i), lanes, cfg), seeds, i, temperature, top_k, top_p)
        model.encode(i, x[:, i])
    return x, ents, starts


@torch.no_grad()
def generate_tokens(model, classes, seeds, cfg=2.0, temperature=1.0, top_k=0, top_p=1.0):
    """The fixed-length baseline: classes (B,) or class rows (B,1,D), seeds (B,) -> tokens (B,T)."""
    B, T = len(classes), model.c.grid_size**2
    lanes, class_rows = lanes_of(model, classes, cfg)
    stepper = TokenStepper(model, class_rows)
    x = torch.zeros(B, T, dtype=torch.long, device=classes.device)
    for i in range(T):
        logits = stepper.step(i, x[:, i - 1].repeat(lanes))
        x[:, i] = draw(guided(logits, lanes, cfg), seeds, i, temperature, top_k, top_p)
    return x


__all__ = ["PatchRule", "draw", "generate_dpar", "generate_tokens", "gumbel", "pcg3d"]

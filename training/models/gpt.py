"""LLaMA-style token model and DPAR (dpar.md sections 3 to 6), with the parameter names of the public LlamaGen checkpoints.

Shapes: B images, T = g*g tokens in raster order, M <= T patches, L tokens in the longest patch, D width, H heads, d = D/H,
V codes. logits[:, i] predicts x_i. The same function as the project's reference (tests/test_models.py), laid out for speed:
keys and values of the pooling attention are made once a token, and tokens move to patch windows and back by gathers only.
"""

from dataclasses import asdict, dataclass, fields

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class ModelConfig:
    """Sizes as in config.json of a model folder; the last five fields shape training only and are not exported."""

    dim: int = 192
    n_head: int = 3
    n_layer: int = 8
    n_local_encoder_layers: int = 0
    n_local_decoder_layers: int = 0
    vocab_size: int = 1024
    num_classes: int = 557
    grid_size: int = 16
    multiple_of: int = 64
    norm_eps: float = 1e-5
    rope_base: float = 10000.0
    token_dropout_p: float = 0.0
    dropout_p: float = 0.0
    class_dropout_prob: float = 0.1
    patch_rope: str = "dynamic"  # or "plain": row and first column only, for the ablation; the Rust engine has no such model
    # Width of the entropy model whose last hidden states are added to the patch decoder's inputs; 0: they are not. A pilot beyond
    # the paper: neither generate.py nor the Rust engine has such a model.
    entropy_dim: int = 0

    TRAINING_ONLY = ("token_dropout_p", "dropout_p", "class_dropout_prob", "patch_rope", "entropy_dim")

    @property
    def is_dpar(self):
        return self.n_local_encoder_layers > 0

    def exported(self):
        return {k: v for k, v in asdict(self).items() if k not in self.TRAINING_ONLY}

    @classmethod
    def of(cls, d):
        """From a dict that may hold more than this."""
        known = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in d.items() if k in known})


def ffn_dim(c):
    """Width of the feed-forward layer: int(8 D / 3), rounded up to multiple_of."""
    h = int(8 * c.dim / 3)
    return (h + c.multiple_of - 1) // c.multiple_of * c.multiple_of


class RMSNorm(nn.Module):
    """x / rms(x) * weight, computed in f32."""

    def __init__(self, dim, eps):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return F.rms_norm(x.float(), self.weight.shape, self.weight.float(), self.eps)


def freqs(n, base):
    """n/2 angles per unit step."""
    return 1.0 / base ** (torch.arange(0, n, 2).float() / n)


def rope_2d(grid, head_dim, base):
    """(g*g, d/2, 2) cos and sin: the first half of the angles turns with the row, the second with the column."""
    f = freqs(head_dim // 2, base)
    a = torch.arange(grid).float()[:, None] * f
    angles = torch.cat([a[:, None].expand(grid, grid, -1), a[None].expand(grid, grid, -1)], -1).reshape(grid * grid, -1)
    return torch.stack([angles.cos(), angles.sin()], -1)


def rope_dynamic(row, first, last, head_dim, base):
    """Dynamic RoPE, positions (B,M) -> (B,M,d/2,2): angles [row | first | last | last | first] (dpar.md section 5)."""
    w, u = (freqs(n, base).to(row.device) for n in (head_dim // 2, head_dim // 8))
    parts = [(row, w), (first, u), (last, u), (last, u), (first, u)]
    angles = torch.cat([p[..., None].float() * f for p, f in parts], -1)
    return torch.stack([angles.cos(), angles.sin()], -1)


def rotate(x, rope):
    """x (B,T,H,d), rope (B|1,T,d/2,2): turns interleaved pairs. Zero rows (the class position) zero q and k, as in LlamaGen."""
    pair = x.float().unflatten(-1, (-1, 2))
    c, s = rope[:, :, None, :, 0], rope[:, :, None, :, 1]
    a, b = pair.unbind(-1)
    return torch.stack([a * c - b * s, a * s + b * c], -1).flatten(3).to(x.dtype)


def causal_attention(q, k, v):
    """q, k, v (B,H,T,d) -> (B,H,T,d). Written out on the CPU when training in bf16: PyTorch 2.15's fused kernel takes twice as long
    there (16 x 3 heads x 256 x 64 forward and back, two cores: 23 ms against 12)."""
    if q.device.type != "cpu" or q.dtype != torch.bfloat16 or not q.requires_grad:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    future = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool).triu(1)
    score = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return score.float().masked_fill(future, float("-inf")).softmax(-1).to(v.dtype) @ v


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.n_head = c.n_head
        self.wqkv = nn.Linear(c.dim, 3 * c.dim, bias=False)
        self.wo = nn.Linear(c.dim, c.dim, bias=False)
        self.dropout_p = c.dropout_p

    def qkv(self, x, rope):
        """x (B,T,D) -> q, k, v (B,H,T,d), q and k turned."""
        q, k, v = self.wqkv(x).unflatten(-1, (3, self.n_head, -1)).unbind(2)
        return (t.transpose(1, 2) for t in (rotate(q, rope), rotate(k, rope), v))

    def forward(self, x, rope):
        o = causal_attention(*self.qkv(x, rope))
        return F.dropout(self.wo(o.transpose(1, 2).flatten(2)), self.dropout_p, self.training)


class FeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = ffn_dim(c)
        self.w1 = nn.Linear(c.dim, h, bias=False)
        self.w3 = nn.Linear(c.dim, h, bias=False)
        self.w2 = nn.Linear(h, c.dim, bias=False)
        self.dropout_p = c.dropout_p

    def forward(self, x):
        return F.dropout(self.w2(F.silu(self.w1(x)) * self.w3(x)), self.dropout_p, self.training)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.attention = Attention(c)
        self.feed_forward = FeedForward(c)
        self.attention_norm = RMSNorm(c.dim, c.norm_eps)
        self.ffn_norm = RMSNorm(c.dim, c.norm_eps)

    def forward(self, x, rope):
        h = x + self.attention(self.attention_norm(x), rope)
        return h + self.feed_forward(self.ffn_norm(h))


class LabelEmbedder(nn.Module):
    """Classes (B,) -> rows (B,1,D). Index num_classes is the null class; train_ar.py replaces labels by it, not this module.
    Rows (B,1,D) pass as they are: `mix` makes those of several classes at once.

    In training a row may have parts that it shares with others (`share`): its group, the words of its name. Labels above the null
    class have nothing but parts. `fold` makes plain rows of them, which is what is exported."""

    def __init__(self, c):
        super().__init__()
        self.embedding_table = nn.Embedding(c.num_classes + 1, c.dim)
        self.register_buffer("shares", None, persistent=False)

    def share(self, shares):
        """shares (C+1+L,P): how much of each of P parts is in a label's row; the first C+1 labels have a row of their own too."""
        self.parts = nn.Embedding(shares.shape[1], self.embedding_table.embedding_dim)
        self.shares = shares
        for rows in (self.parts, self.embedding_table):
            nn.init.normal_(rows.weight, std=0.3)

    @torch.no_grad()
    def fold(self):
        if self.shares is not None:
            own = self.embedding_table.weight
            own += self.shares[: len(own)] @ self.parts.weight
            self.shares, self.parts = None, None

    def mix(self, weights, classes):
        """weights (B,K) summing to 1, classes (B,K) -> weighted means of their rows, (B,1,D)."""
        return (weights[..., None] * self(classes.flatten()).view(*classes.shape, -1)).sum(1, keepdim=True)

    def forward(self, y):
        if y.is_floating_point():
            return y
        if self.shares is None:
            return self.embedding_table(y)[:, None]
        rows = self.shares[y] @ self.parts.weight
        own = self.embedding_table.weight
        return (rows + F.pad(own, (0, 0, 0, len(self.shares) - len(own)))[y])[:, None]


def init_weights(module):
    """By width: 0.02 for all, which suits LlamaGen's width of 1,024, cost DPAR 0.3 nats at 128."""
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.5)
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.6 * module.in_features**-0.5)


class Transformer(nn.Module):
    """Token model: reads [class, x_0 .. x_{T-2}]. forward(tokens (B,T), classes (B,) or class rows (B,1,D)) -> logits (B,T,V)."""

    def __init__(self, c):
        super().__init__()
        self.c = c
        self.cls_embedding = LabelEmbedder(c)
        self.tok_embeddings = nn.Embedding(c.vocab_size, c.dim)
        self.layers = nn.ModuleList(Block(c) for _ in range(c.n_layer))
        self.norm = RMSNorm(c.dim, c.norm_eps)
        self.output = nn.Linear(c.dim, c.vocab_size, bias=False)
        self.apply(init_weights)
        nn.init.zeros_(self.output.weight)
        r = rope_2d(c.grid_size, c.dim // c.n_head, c.rope_base)
        self.register_buffer("rope", torch.cat([torch.zeros_like(r[:1]), r])[None], persistent=False)

    def hidden(self, x, y):
        """-> (B,T,D), what the output layer reads; [:, i] knows the tokens before x_i."""
        h = torch.cat([self.cls_embedding(y), self.tok_embeddings(x[:, :-1])], 1)
        h = F.dropout(h, self.c.token_dropout_p, self.training)
        for layer in self.layers:
            h = layer(h, self.rope[:, : h.shape[1]])
        return self.norm(h)

    def forward(self, x, y):
        return self.output(self.hidden(x, y))


class Windows(torch.autograd.Function):
    """Tokens to patch windows: (N,D), slots (S,), back (N,) -> (S,D). Every token has one real slot (`back` names it), what is
    read in the other slots must be masked by the caller: so the gradient is a gather too, not a scatter with duplicates."""

    @staticmethod
    def forward(ctx, flat, slots, back):
        ctx.save_for_backward(back)
        return flat.index_select(0, slots)

    @staticmethod
    def backward(ctx, grad):
        return grad.index_select(0, ctx.saved_tensors[0]), None, None


class PatchLayout:
    """Where the patches of a batch lie, from starts (B,T) bool. M, L are the batch's maxima; shorter ones are padded."""

    def __init__(self, starts, grid):
        B, T = starts.shape
        dev = starts.device
        self.ids = starts.long().cumsum(1) - 1  # (B,T) patch of each token
        self.M = int(self.ids[:, -1].max()) + 1
        n = torch.zeros(B, self.M, dtype=torch.long, device=dev).scatter_add_(1, self.ids, torch.ones_like(self.ids))
        first = n.cumsum(1) - n  # (B,M)
        self.L = int(n.max())
        offset = torch.arange(self.L, device=dev)
        window = (first[..., None] + offset).clamp(max=T - 1)
        self.valid = offset < n[..., None]  # (B,M,L)
        self.valid[..., 0] |= n == 0  # padding patches see one token, and nothing reads them
        batch = torch.arange(B, device=dev)
        self.slots = (window + (batch * T)[:, None, None]).flatten()  # (B*M*L,) into B*T tokens
        place = torch.arange(T, device=dev) - first.gather(1, self.ids)
        self.back = (((batch * self.M)[:, None] + self.ids) * self.L + place).flatten()  # (B*T,) into B*M*L slots
        s, e = first.clamp(max=T - 1), (first + n - 1).clamp(0, T - 1)
        self.row, self.first, self.last = s // grid, s % grid, e % grid
        self.flat_ids = (self.ids + (batch * self.M)[:, None]).flatten()  # (B*T,) into B*M patches

    def windows(self, h):
        """(B,T,D) -> (B,M,L,D)."""
        B, _, D = h.shape
        return Windows.apply(h.reshape(-1, D), self.slots, self.back).view(B, self.M, self.L, D)


class CrossAttention(nn.Module):
    """A patch queries its own tokens: query (B,M,D), h (B,T,D) -> (B,M,D). No RoPE."""

    def __init__(self, c):
        super().__init__()
        self.n_head = c.n_head
        self.cross_attn_norm_q = RMSNorm(c.dim, c.norm_eps)
        self.cross_attn_norm_kv = RMSNorm(c.dim, c.norm_eps)
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(c.dim, c.dim, bias=False) for _ in range(4))

    def forward(self, query, h, layout):
        n = self.cross_attn_norm_kv(h)
        return self.attend(query, layout.windows(self.wk(n)), layout.windows(self.wv(n)), layout.valid)

    def attend(self, query, k, v, valid):
        """k, v (B,M,L,D), valid (B,M,L)."""
        q = self.wq(self.cross_attn_norm_q(query))
        q, k, v = (t.unflatten(-1, (self.n_head, -1)) for t in (q, k, v))  # (B,M,H,d), (B,M,L,H,d)
        score = (q[:, :, None].float() * k.float()).sum(-1) * q.shape[-1] ** -0.5  # (B,M,L,H)
        weight = score.masked_fill(~valid[..., None], float("-inf")).softmax(2).to(v.dtype)
        return query + self.wo((weight[..., None] * v).sum(2).flatten(2))


class SingleKey(nn.Module):
    """Cross-attention to one key is a projection: adds Wo RMSNorm(s_m) of the patch m that holds each token."""

    def __init__(self, c):
        super().__init__()
        self.cross_attn_norm_kv = RMSNorm(c.dim, c.norm_eps)
        self.wo = nn.Linear(c.dim, c.dim, bias=False)

    def project(self, state):
        return self.wo(self.cross_attn_norm_kv(state))

    def forward(self, x, state, layout):
        z = self.project(state)
        return x + z.flatten(0, 1).index_select(0, layout.flat_ids).view_as(x)


class LocalEncoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.layers = nn.ModuleList(Block(c) for _ in range(c.n_local_encoder_layers))
        self.cross_attn_layers = nn.ModuleList(CrossAttention(c) for _ in range(c.n_local_encoder_layers))

    def forward(self, h, rope, layout):
        """(B,T,D) -> token states (B,T,D), patches (B,M,D). The first query is the largest value over the patch's tokens."""
        p = None
        for layer, cross in zip(self.layers, self.cross_attn_layers):
            h = layer(h, rope)
            if p is None:
                p = layout.windows(h).masked_fill(~layout.valid[..., None], float("-inf")).amax(2)
            p = cross(p, h, layout)
        return h, p


class LocalDecoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.layers = nn.ModuleList(Block(c) for _ in range(c.n_local_decoder_layers))
        self.cross_attn_layers = nn.ModuleList(SingleKey(c) for _ in range(c.n_local_decoder_layers))

    def forward(self, h, state, layout, rope):
        for layer, cross in zip(self.layers, self.cross_attn_layers):
            h = layer(cross(h, state, layout), rope)
        return h


class DynamicTransformer(nn.Module):
    """DPAR. forward(tokens (B,T), classes (B,) or class rows (B,1,D), starts (B,T) bool, and with `entropy_dim` the entropy model's
    hidden states (B,T,entropy_dim)) -> logits (B,T,V)."""

    def __init__(self, c):
        super().__init__()
        self.c = c
        local = ModelConfig(**{**asdict(c), "dropout_p": 0.0})
        self.cls_embedding = LabelEmbedder(c)
        self.tok_embeddings = nn.Embedding(c.vocab_size, c.dim)
        self.local_encoder = LocalEncoder(local)
        self.layers = nn.ModuleList(Block(c) for _ in range(c.n_layer))
        self.local_decoder = LocalDecoder(local)
        self.decoder_start_embedding = nn.Embedding(1, c.dim)
        self.norm = RMSNorm(c.dim, c.norm_eps)
        self.output = nn.Linear(c.dim, c.vocab_size, bias=False)
        self.apply(init_weights)
        nn.init.zeros_(self.output.weight)
        if c.entropy_dim:
            # Made after all else, and from nothing: so the others begin as they do without it.
            self.entropy_state = nn.Linear(c.entropy_dim, c.dim, bias=False)
            nn.init.zeros_(self.entropy_state.weight)
        r = rope_2d(c.grid_size, c.dim // c.n_head, c.rope_base)
        self.register_buffer("rope_tok", r[None], persistent=False)
        self.register_buffer("rope_dec", torch.cat([torch.zeros_like(r[:1]), r])[None], persistent=False)

    def patch_rope(self, row, first, last):
        """Positions (B,M) -> (B,M,d/2,2)."""
        c = self.c
        if c.patch_rope == "plain":
            return self.rope_tok[0][row * c.grid_size + first]
        return rope_dynamic(row, first, last, c.dim // c.n_head, c.rope_base)

    def forward(self, x, y, starts, states=None):
        B, T = x.shape
        layout = PatchLayout(starts, self.c.grid_size)
        h, p = self.local_encoder(self.tok_embeddings(x), self.rope_tok[:, :T], layout)
        r = self.patch_rope(layout.row, layout.first, layout.last)
        r = torch.cat([torch.zeros_like(r[:, :1]), r[:, :-1]], 1)
        q = torch.cat([self.cls_embedding(y), p[:, :-1]], 1)
        q = F.dropout(q, self.c.token_dropout_p, self.training)
        for layer in self.layers:
            q = layer(q, r)
        start = self.decoder_start_embedding.weight[None].expand(B, 1, -1)
        tokens = torch.cat([start, h[:, :-1]], 1)
        tokens = tokens if states is None else tokens + self.entropy_state(states)
        d = self.local_decoder(tokens, q, layout, self.rope_dec[:, :T])
        return self.output(self.norm(d))


def build(config):
    """The model a config describes: DPAR where it has local layers, else a token model."""
    c = config if isinstance(config, ModelConfig) else ModelConfig.of(config)
    return DynamicTransformer(c) if c.is_dpar else Transformer(c)

"""VQ tokenizer in the LlamaGen layout (names as in its checkpoints): residual conv encoder and decoder, l2-normalised codebook.

Shapes: B images of H x W pixels in [-1,1], grid H/f x W/f with f = 2^(len(ch_mult)-1), V codes of width `codebook_embed_dim`.
The same function as the project's reference (tests/test_models.py).
"""

import torch
import torch.nn.functional as F
from torch import nn


class Res(nn.Module):
    def __init__(self, i, o, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, i, eps=1e-6)
        self.conv1 = nn.Conv2d(i, o, 3, 1, 1)
        self.norm2 = nn.GroupNorm(groups, o, eps=1e-6)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1)
        self.nin_shortcut = nn.Conv2d(i, o, 1) if i != o else nn.Identity()

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return self.nin_shortcut(x) + h


class Attn(nn.Module):
    """One head over all positions."""

    def __init__(self, c, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, c, eps=1e-6)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(c, c, 1) for _ in range(4))

    def forward(self, x):
        n = self.norm(x)
        q, k, v = (f(n).flatten(2).transpose(1, 2)[:, None] for f in (self.q, self.k, self.v))  # (B,1,HW,C)
        o = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2).reshape(x.shape)
        return x + self.proj_out(o)


class Down(nn.Module):
    """Halves; pads right and bottom by one, as LlamaGen."""

    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, 2, 0)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Up(nn.Module):
    """Doubles, nearest."""

    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, 1, 1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Residual blocks of one resolution, with attention where `attn` has members."""

    def __init__(self):
        super().__init__()
        self.res, self.attn = nn.ModuleList(), nn.ModuleList()
        self.downsample = self.upsample = nn.Identity()

    def forward(self, h):
        for j, res in enumerate(self.res):
            h = res(h)
            if len(self.attn):
                h = self.attn[j](h)
        return self.upsample(self.downsample(h))


class Encoder(nn.Module):
    def __init__(self, ch, mult, num_res, z, groups):
        super().__init__()
        self.conv_in = nn.Conv2d(3, ch, 3, 1, 1)
        self.conv_blocks = nn.ModuleList()
        c = ch
        for i, m in enumerate(mult):
            level = Level()
            for _ in range(num_res):
                level.res.append(Res(c, ch * m, groups))
                c = ch * m
                if i == len(mult) - 1:
                    level.attn.append(Attn(c, groups))
            if i < len(mult) - 1:
                level.downsample = Down(c)
            self.conv_blocks.append(level)
        self.mid = nn.ModuleList([Res(c, c, groups), Attn(c, groups), Res(c, c, groups)])
        self.norm_out = nn.GroupNorm(groups, c, eps=1e-6)
        self.conv_out = nn.Conv2d(c, z, 3, 1, 1)

    def forward(self, x):
        h = self.conv_in(x)
        for m in [*self.conv_blocks, *self.mid]:
            h = m(h)
        return self.conv_out(F.silu(self.norm_out(h)))


class Decoder(nn.Module):
    def __init__(self, ch, mult, num_res, z, groups):
        super().__init__()
        c = ch * mult[-1]
        self.conv_in = nn.Conv2d(z, c, 3, 1, 1)
        self.mid = nn.ModuleList([Res(c, c, groups), Attn(c, groups), Res(c, c, groups)])
        self.conv_blocks = nn.ModuleList()
        for i in reversed(range(len(mult))):
            level = Level()
            for _ in range(num_res + 1):
                level.res.append(Res(c, ch * mult[i], groups))
                c = ch * mult[i]
                if i == len(mult) - 1:
                    level.attn.append(Attn(c, groups))
            if i:
                level.upsample = Up(c)
            self.conv_blocks.append(level)
        self.norm_out = nn.GroupNorm(groups, c, eps=1e-6)
        self.conv_out = nn.Conv2d(c, 3, 3, 1, 1)

    def forward(self, z):
        h = self.conv_in(z)
        for m in [*self.mid, *self.conv_blocks]:
            h = m(h)
        return self.conv_out(F.silu(self.norm_out(h)))


class VectorQuantizer(nn.Module):
    """Nearest code by the dot product of l2-normalised vectors. `usage` is a running count of how often each code is drawn (not
    exported); in training, codes that nobody uses are put on encoder outputs of the batch.

    `free` (for the first part of a training) leaves the vectors as they are but for some noise, and draws them to no code:
    from random codes on, commitment pressed 3 of 8 dimensions flat before anything had used them, and with them green and
    pink. `fit` then puts the codes where the vectors are."""

    NOISE = 0.1  # per dimension; about twice what 1,024 codes are off

    def __init__(self, k, d, beta=0.25):
        super().__init__()
        self.beta = beta
        self.free = False
        self.embedding = nn.Embedding(k, d)
        self.embedding.weight.data.copy_(F.normalize(torch.randn(k, d), dim=-1))
        self.register_buffer("usage", torch.ones(k))
        self.revived = torch.zeros(0, dtype=torch.long)  # the codes that the last step moved

    def forward(self, z):
        """z (B,d,h,w) -> codes' vectors (B,d,h,w), loss, indices (B,h,w)."""
        b, c, h, w = z.shape
        with torch.autocast(z.device.type, enabled=False):  # the nearest code must not depend on the training's precision
            f = F.normalize(z.float().permute(0, 2, 3, 1).reshape(-1, c), dim=-1)
            if self.free:
                near = F.normalize(f + self.NOISE * torch.randn_like(f), dim=-1) if self.training else f
                index = torch.zeros(len(f), dtype=torch.long, device=f.device)
                unused = 0 * self.embedding.weight.sum()  # distributed training wants a gradient for every parameter
                return near.view(b, h, w, c).permute(0, 3, 1, 2), unused, index.view(b, h, w)
            e = F.normalize(self.embedding.weight.float(), dim=-1)
            index = (f.detach() @ e.detach().t()).argmax(1)
            q = e[index]
            loss = F.mse_loss(q, f.detach()) + self.beta * F.mse_loss(q.detach(), f)
        if self.training:
            self.track(f.detach(), index)
        q = f + (q - f).detach()
        return q.view(b, h, w, c).permute(0, 3, 1, 2), loss, index.view(b, h, w)

    @torch.no_grad()
    def fit(self, f, rounds=30):
        """Spherical k-means++: f (N,d) normalised vectors, N well above the number of codes, alike on all ranks."""
        k = len(self.usage)
        codes = f[torch.randint(0, len(f), (k,), device=f.device)]
        off = (1 - f @ codes[0]).clamp(min=0)  # of the nearest code so far
        for i in range(1, k):
            codes[i] = f[torch.multinomial(off + 1e-12, 1)[0]]
            off = torch.minimum(off, (1 - f @ codes[i]).clamp(min=0))
        for _ in range(rounds):
            index = torch.cat([(part @ codes.t()).argmax(1) for part in f.split(65536)])
            count = torch.bincount(index, minlength=k)
            sums = torch.zeros_like(codes).index_add_(0, index, f)
            sums[count == 0] = f[torch.randint(0, len(f), (int((count == 0).sum()),), device=f.device)]
            codes = F.normalize(sums, dim=-1)
        self.embedding.weight.data.copy_(codes)
        self.usage.fill_(1.0)

    @torch.no_grad()
    def track(self, f, index, decay=0.99, dead_below=0.02):
        """Updates `usage` (draws a step, running mean) and revives dead codes; alike on all ranks of a distributed run."""
        count = torch.bincount(index, minlength=len(self.usage)).float()
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        if distributed:
            torch.distributed.all_reduce(count)
        self.usage.mul_(decay).add_(count, alpha=1 - decay)
        dead = (self.usage < dead_below).nonzero().flatten()
        self.revived = dead
        if len(dead):
            fresh = f[torch.randint(0, len(f), (len(dead),), device=f.device)]
            if distributed:
                torch.distributed.broadcast(fresh, 0)
            self.embedding.weight.data[dead] = fresh
            self.usage[dead] = 1.0


class VQModel(nn.Module):
    def __init__(
        self, ch=32, ch_mult=(1, 2, 2, 4), num_res_blocks=1, z_channels=64, codebook_size=1024, codebook_embed_dim=8, norm_groups=32
    ):
        super().__init__()
        self.cfg = dict(
            ch=ch, ch_mult=list(ch_mult), num_res_blocks=num_res_blocks, z_channels=z_channels, codebook_size=codebook_size,
            codebook_embed_dim=codebook_embed_dim, norm_groups=norm_groups,
        )  # fmt: skip
        self.encoder = Encoder(ch, ch_mult, num_res_blocks, z_channels, norm_groups)
        self.decoder = Decoder(ch, ch_mult, num_res_blocks, z_channels, norm_groups)
        self.quantize = VectorQuantizer(codebook_size, codebook_embed_dim)
        self.quant_conv = nn.Conv2d(z_channels, codebook_embed_dim, 1)
        self.post_quant_conv = nn.Conv2d(codebook_embed_dim, z_channels, 1)

    @property
    def downsampling(self):
        return 2 ** (len(self.cfg["ch_mult"]) - 1)

    def encode(self, x):
        return self.quantize(self.quant_conv(self.encoder(x)))

    def decode(self, q):
        return self.decoder(self.post_quant_conv(q))

    def decode_code(self, index):
        """(B,h,w) -> (B,3,H,W)."""
        return self.decode(F.normalize(self.quantize.embedding.weight, dim=-1)[index].permute(0, 3, 1, 2))

    def forward(self, x):
        q, loss, index = self.encode(x)
        return self.decode(q), loss, index

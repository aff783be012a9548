"""Pictures from drawings: scale, shift, mirror, light colour changes, and a background. Vectorised, seeded.

Every random number comes from the generator that is passed in (on the CPU), so a seed gives the same pictures on every machine
up to float rounding.
"""

import math

import torch
import torch.nn.functional as F

SCALE = (0.55, 0.90)  # side of the drawing's square, as a share of the picture's
HUE = 0.022  # turns either way (8 degrees)


def uniform(g, shape, low=0.0, high=1.0):
    return low + (high - low) * torch.rand(shape, generator=g)


def hue_matrix(turns):
    """(B,) -> (B,3,3): rotates RGB about the grey axis."""
    a = turns * 2 * math.pi
    c, s = a.cos()[:, None, None], a.sin()[:, None, None]
    mean = torch.full((3, 3), 1 / 3)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    return c * torch.eye(3) + (1 - c) * mean + s * cross


def backgrounds(n, size, g):
    """(n,3,size,size) in [0,1]: a third white, an eighth light grey, the others light tints, half of which are softly shaded in
    one direction. (Dark ones were tried and left out: dark drawings vanish on them.)"""
    kind = torch.rand(n, generator=g)
    tint = 1 - uniform(g, (n, 3), 0.0, 0.22) * uniform(g, (n, 1), 0.2, 1.0)
    grey = uniform(g, (n, 1), 0.82, 0.96).expand(n, 3)
    base = torch.where(kind[:, None] < 0.33, torch.ones(n, 3), tint)
    base = torch.where(((kind > 0.33) & (kind < 0.45))[:, None], grey, base)
    angle = uniform(g, (n,), 0, 2 * math.pi)
    depth = uniform(g, (n,), 0.02, 0.10) * (kind > 0.70).float()
    line = torch.linspace(-1, 1, size)
    ramp = angle.cos()[:, None, None] * line[None, None] + angle.sin()[:, None, None] * line[None, :, None]
    return (base[:, :, None, None] - (depth[:, None, None] * (ramp + 1) / 2)[:, None]).clamp(0, 1)


def compose(rgba, g, size, keep_direction=None, augment=True):
    """rgba uint8 (B,S,S,4), straight alpha -> pictures (B,3,size,size) in [-1,1].

    keep_direction: bool (B,), True where a mirrored picture would mean something else (data.no_flip). Sampled at twice the size
    and averaged, so that small drawings do not alias. augment=False: centred at 0.8 on white."""
    x = torch.as_tensor(rgba).permute(0, 3, 1, 2).float() / 255
    B = x.shape[0]
    alpha = x[:, 3:]
    if not augment:
        g = torch.Generator().manual_seed(0)
    s = uniform(g, (B,), *SCALE)
    mirror = torch.rand(B, generator=g) < 0.5
    if keep_direction is not None:
        mirror &= ~torch.as_tensor(keep_direction)
    sx = torch.where(mirror, -1.0, 1.0)
    shift = uniform(g, (B, 2), -0.8, 0.8) * (1 - s)[:, None]  # the square stays inside, with room
    matrix = hue_matrix(uniform(g, (B,), -HUE, HUE) * (torch.rand(B, generator=g) < 0.6))
    light = uniform(g, (B, 1, 1, 1), 0.94, 1.05)
    bg = backgrounds(B, size, g)
    if not augment:
        s, sx, shift = torch.full((B,), 0.8), torch.ones(B), torch.zeros(B, 2)
        matrix, light, bg = torch.eye(3).expand(B, 3, 3), torch.ones(B, 1, 1, 1), torch.ones_like(bg)
    colour = (torch.einsum("bij,bjhw->bihw", matrix, x[:, :3]) * light).clamp(0, 1)
    x = torch.cat([colour * alpha, alpha], 1)  # premultiplied: edges stay clean
    theta = torch.zeros(B, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = sx / s, 1 / s
    theta[:, :, 2] = -shift / s[:, None]
    theta[:, 0, 2] *= sx
    grid = F.affine_grid(theta, (B, 4, 2 * size, 2 * size), align_corners=False)
    x = F.avg_pool2d(F.grid_sample(x, grid, align_corners=False), 2)
    return (x[:, :3] + (1 - x[:, 3:]) * bg).clamp(0, 1) * 2 - 1

"""Pictures from drawings: scale, shift and a background. Vectorised, seeded.

Every random number comes from the generator that is passed in (on the CPU), so a seed gives the same pictures on every machine
up to float rounding.
"""

import torch
import torch.nn.functional as F

SCALE = (0.80, 0.92)  # side of the drawing's square, as a share of the picture's
FILL = (1.02, 1.15)  # of a picture without transparency: it fills the frame


def uniform(g, shape, low=0.0, high=1.0):
    return low + (high - low) * torch.rand(shape, generator=g)


def backgrounds(n, size, g):
    """(n,3,size,size) in [0,1]: three in five white, the others a light tint."""
    tint = 1 - uniform(g, (n, 3), 0.0, 0.22) * uniform(g, (n, 1), 0.2, 1.0)
    white = torch.rand(n, 1, generator=g) < 0.6
    return torch.where(white, torch.ones(n, 3), tint)[:, :, None, None].expand(n, 3, size, size)


def compose(rgba, g, size, fill=None, augment=True):
    """rgba uint8 (B,S,S,4), straight alpha -> pictures (B,3,size,size) in [-1,1].

    Nothing is mirrored: hands, clocks and lettering would change their meaning. Sampled at twice the size and averaged, so that
    small drawings do not alias. fill: bool (B,), pictures that fill the frame. augment=False: centred at 0.86 on white."""
    x = torch.as_tensor(rgba).permute(0, 3, 1, 2).float() / 255
    B = x.shape[0]
    fill = torch.zeros(B, dtype=torch.bool) if fill is None else torch.as_tensor(fill)
    if augment:
        u = torch.rand(B, generator=g)
        s = torch.where(fill, FILL[0] + (FILL[1] - FILL[0]) * u, SCALE[0] + (SCALE[1] - SCALE[0]) * u)
        shift = uniform(g, (B, 2), -0.25, 0.25) * (1 - s)[:, None]  # the drawing stays inside, with room
        bg = backgrounds(B, size, g)
    else:
        s, shift, bg = torch.where(fill, FILL[0], 0.86), torch.zeros(B, 2), torch.ones(B, 3, size, size)
    x = torch.cat([x[:, :3] * x[:, 3:], x[:, 3:]], 1)  # premultiplied: edges stay clean
    theta = torch.zeros(B, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / s
    theta[:, :, 2] = -shift / s[:, None]
    grid = F.affine_grid(theta, (B, 4, 2 * size, 2 * size), align_corners=False)
    x = F.avg_pool2d(F.grid_sample(x, grid, align_corners=False), 2)
    return (x[:, :3] + (1 - x[:, 3:]) * bg).clamp(0, 1) * 2 - 1

"""Distances between sets of pictures, in features (N,D) of the classifier."""

import torch


def moments(f):
    f = f.double()
    d = f - f.mean(0)
    return f.mean(0), d.T @ d / (len(f) - 1)


def sqrt_psd(m):
    w, v = torch.linalg.eigh(m)
    return (v * w.clamp(min=0).sqrt()) @ v.T


def frechet(a, b):
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2) (Heusel et al. 2017), in f64."""
    (m1, c1), (m2, c2) = moments(a), moments(b)
    r = sqrt_psd(c1)
    cross = torch.linalg.eigvalsh(r @ c2 @ r).clamp(min=0).sqrt().sum()
    return float(((m1 - m2) ** 2).sum() + c1.trace() + c2.trace() - 2 * cross)


def kernel_distance(a, b, blocks=10):
    """-> squared maximum mean discrepancy with the kernel (x . y / D + 1)^3 (Binkowski et al. 2018), unbiased, and its standard
    error: mean and spread over as many pairs of blocks, none of which shares a picture with another. In f64."""
    found = []
    for x, y in zip(a.double().chunk(blocks), b.double().chunk(blocks)):
        n, m = len(x), len(y)
        k = lambda p, q: (p @ q.T / p.shape[1] + 1) ** 3  # noqa: E731
        xx, yy, xy = k(x, x), k(y, y), k(x, y)
        within = (xx.sum() - xx.trace()) / (n * (n - 1)) + (yy.sum() - yy.trace()) / (m * (m - 1))
        found.append(within - 2 * xy.mean())
    found = torch.stack(found)
    return float(found.mean()), float(found.std(correction=len(found) > 1) / len(found) ** 0.5)


def precision_recall(real, fake, k=3):
    """Share of fakes inside the real set's k-nearest-neighbour balls, and the reverse (Kynkäänniemi et al. 2019)."""

    def inside(points, centres):
        radius = torch.cdist(centres, centres).kthvalue(k + 1, dim=1).values  # the first is the point itself
        hits = [(torch.cdist(p, centres) <= radius).any(1) for p in points.split(1000)]
        return float(torch.cat(hits).float().mean())

    return inside(fake, real), inside(real, fake)


def canonical(x, side=24):
    """Pictures (B,3,H,W) in [-1,1] -> (B,3*side*side): what differs from the border's colour, cut to its box, on white, scaled to
    side x side. Takes place, scale and background off, so that drawings can be compared."""
    b = x.shape[0]
    border = torch.cat([x[:, :, 0], x[:, :, -1], x[:, :, :, 0], x[:, :, :, -1]], 2)
    mask = (x - border.median(2).values[:, :, None, None]).abs().amax(1) > 0.25
    out = x.new_ones(b, 3, side, side)
    for i in range(b):
        ys, xs = mask[i].any(1).nonzero()[:, 0], mask[i].any(0).nonzero()[:, 0]
        if len(ys) and len(xs):
            cut = torch.where(mask[i], x[i], 1.0)[:, ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
            out[i] = torch.nn.functional.interpolate(cut[None], (side, side), mode="area")[0]
    return out.flatten(1)


def nearest(a, b):
    """(N,D), (M,D) -> root-mean-square distance to the nearest of b (N,), which (N,)."""
    best = [torch.cdist(p, b).min(1) for p in a.split(500)]
    scale = a.shape[1] ** -0.5
    return torch.cat([m.values for m in best]) * scale, torch.cat([m.indices for m in best])

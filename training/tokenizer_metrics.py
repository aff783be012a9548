"""How good a tokenizer is: PSNR, SSIM, codebook usage."""

import torch
import torch.nn.functional as F


def psnr(a, b):
    """(B,3,H,W) in [-1,1] -> dB of each picture (B,)."""
    return 10 * torch.log10(4 / ((a - b) ** 2).mean((1, 2, 3)).clamp(min=1e-10))


def ssim(a, b):
    """Structural similarity of each picture (B,) on [0,1] values, 11x11 Gaussian window of sigma 1.5 (Wang et al. 2004)."""
    a, b = (a + 1) / 2, (b + 1) / 2
    x = torch.arange(11, device=a.device) - 5.0
    k = torch.exp(-(x**2) / (2 * 1.5**2))
    k = (k / k.sum())[None, None, :]

    def blur(t):
        t = t.flatten(0, 1)[:, None]
        return F.conv2d(F.conv2d(t, k[..., None, :]), k[..., :, None])

    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
    s = (2 * ma * mb + 0.01**2) * (2 * cov + 0.03**2) / ((ma**2 + mb**2 + 0.01**2) * (va + vb + 0.03**2))
    return s.view(a.shape[0], -1).mean(1)


def usage(index, codes):
    """Indices (any shape) -> share of the codes in use, perplexity exp(entropy of the code frequencies)."""
    p = torch.bincount(index.flatten(), minlength=codes).float()
    p = p / p.sum()
    entropy = -(p[p > 0] * p[p > 0].log()).sum()
    return float((p > 0).float().mean()), float(entropy.exp())

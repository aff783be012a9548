"""Small PatchGAN discriminator (Isola et al. 2017, as LlamaGen and VQGAN use it) with hinge losses and adaptive weight."""

import torch
import torch.nn.functional as F
from torch import nn


class PatchDiscriminator(nn.Module):
    """(B,3,H,W) -> scores (B,1,h,w), one for each overlapping patch of 34 pixels. GroupNorm instead of BatchNorm: small batches."""

    def __init__(self, ch=24):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, ch, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(ch, 2 * ch, 4, 2, 1, bias=False),
            nn.GroupNorm(8, 2 * ch),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * ch, 4 * ch, 4, 1, 1, bias=False),
            nn.GroupNorm(8, 4 * ch),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * ch, 1, 4, 1, 1),
        )

    def forward(self, x):
        return self.net(x)


def discriminator_loss(real, fake):
    return (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2


def adaptive_weight(reconstruction, adversarial, last_weight):
    """How much the adversarial loss may weigh: gradients on the decoder's last layer of the same size (VQGAN, eq. 7)."""
    r = torch.autograd.grad(reconstruction, last_weight, retain_graph=True)[0].norm()
    a = torch.autograd.grad(adversarial, last_weight, retain_graph=True)[0].norm()
    return (r / (a + 1e-4)).clamp(0, 1e3).detach()

"""The drawings of data.py as training takes them: augmented, in batches of a step."""

import numpy as np
import torch

import data
from augment import compose


class Pictures:
    """Augmented pictures of the training split, step by step; validation pictures, always the same."""

    def __init__(self, args):
        found = data.load(args.data)
        self.images, self.size, self.seed = np.ascontiguousarray(found.images), args.size, args.seed
        self.groups, self.cls, self.fill = found.groups, found.cls, found.fill
        self.train, self.val = np.flatnonzero(~found.is_val), np.flatnonzero(found.is_val)
        self.weight = data.picture_weights([found.rows[i] for i in self.train])

    def pictures(self, i, seed):
        """Pictures i, augmented by a seed: (len(i),3,size,size)."""
        return compose(self.images[i], torch.Generator().manual_seed(int(seed)), self.size, self.fill[i])

    def batch(self, step, n, rank, ranks, with_index=False):
        """This rank's share (n/ranks,3,size,size) of the step's n pictures, and which they are."""
        rng = np.random.default_rng([self.seed, step])
        i = rng.choice(self.train, n, p=self.weight)[rank::ranks]
        x = self.pictures(i, rng.integers(1 << 40) + rank)
        return (x, i) if with_index else x

    def validation(self, n):
        return self.pictures(self.val[np.linspace(0, len(self.val) - 1, min(n, len(self.val))).astype(int)], 99)

"""A model that embeds pictures, small enough for tests of the tools."""

import torch
from mmengine.model import BaseModel
from part_synth.models.data_preprocessor import PartSynthDataPreprocessor
from part_synth.registry import MODELS
from torch import nn


@MODELS.register_module()
class TinyEmbedder(BaseModel):
    """Unit embeddings (B, dims) of an 8 x 8 version of the picture."""

    def __init__(self, dims=12):
        super().__init__(data_preprocessor=PartSynthDataPreprocessor())
        self.pool = nn.AdaptiveAvgPool2d(8)
        self.linear = nn.Linear(2 * 3 * 64, dims)

    def embed(self, images, backgrounds=None):
        backgrounds = torch.zeros_like(images) if backgrounds is None else backgrounds
        pooled = self.pool(torch.cat([images, backgrounds], 1)).flatten(1)
        return nn.functional.normalize(self.linear(pooled), dim=1)

    def forward(self, inputs, data_samples=None, mode="tensor"):
        return self.embed(inputs["image"][:, 0])


@MODELS.register_module()
class TinyNoEmbedder(BaseModel):
    """A model that does something else."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, inputs, data_samples=None, mode="tensor"):
        return self.linear(inputs)

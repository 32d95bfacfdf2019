"""A model, a data set and a metric small enough to train in a moment, for tests of the tools.

The model has several submodules and optimisers, dropout, batch norm, integer and boolean buffers,
and draws from NumPy and torch, as a real one may.
"""

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS
from torch import nn
from torch.utils.data import Dataset


@DATASETS.register_module()
class TinyDataset(Dataset):
    def __init__(self, length=8, broken=None):
        self.points = torch.randn(length, 4, generator=torch.Generator().manual_seed(5))
        self.broken = broken

    def __len__(self):
        return len(self.points)

    def __getitem__(self, index):
        if self.broken == "numpy":
            np.zeros(3).reshape(2, 2)
        return {"inputs": self.points[index]}


@MODELS.register_module()
class TinyModel(BaseModel):
    def __init__(self, width=8, broken=None):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(4, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(width, 2),
        )
        self.decoder = nn.Linear(2, 4)
        self.register_buffer("parents", torch.tensor([-1, 0, 1]))
        self.register_buffer("visible", torch.tensor([True, False]))
        self.broken = broken

    def forward(self, inputs, mode="tensor"):
        if mode == "loss":
            noise = torch.randn_like(inputs) * 0.1 + float(np.random.rand()) * 0.01
            points = self.decoder(self.encoder(inputs + noise))
            self.dtype = points.dtype
            return {"loss": (points.float() - inputs).square().mean()}
        points = self.decoder(self.encoder(inputs))
        if mode == "predict":
            torch.randn(3)  # validation draws random numbers too
            return [{"pred": p, "gt": g} for p, g in zip(points.float(), inputs, strict=True)]
        return points

    def train_step(self, data, optim_wrapper):
        if self.broken == "program":
            return undefined_name  # noqa: F821
        if self.broken == "numpy":
            np.zeros(3).reshape(2, 2)
        data = self.data_preprocessor(data, training=True)
        with optim_wrapper["encoder"].optim_context(self):
            losses = self._run_forward(data, mode="loss")
        optim_wrapper.zero_grad()
        optim_wrapper["encoder"].backward(losses["loss"])
        optim_wrapper["encoder"].step()
        optim_wrapper["decoder"].step()
        loss = losses["loss"].detach()
        return {"loss": loss, "is_bfloat16": float(self.dtype == torch.bfloat16)}


@METRICS.register_module()
class TinyMetric(BaseMetric):
    def __init__(self, key="p_mpjpe_mm"):
        super().__init__()
        self.key = key

    def process(self, data_batch, data_samples):
        self.results += [float((s["pred"] - s["gt"]).norm()) for s in data_samples]

    def compute_metrics(self, results):
        return {self.key: float(np.mean(results)), "undefined_pct": float("nan")}


@HOOKS.register_module()
class RecordLossHook(Hook):
    """Append 'epoch iteration loss bfloat16' of every iteration to losses.txt, losses exactly."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        with open(f"{runner.work_dir}/losses.{runner.rank}.txt", "a") as file:
            loss = outputs["loss"].item().hex()
            file.write(f"{runner.epoch} {runner.iter} {loss} {bool(outputs['is_bfloat16'])}\n")


@HOOKS.register_module()
class WeightSumHook(Hook):
    """Write the sum of all weights to weights.RANK.txt."""

    def after_train(self, runner):
        """The sum of all weights, exactly: it must be the same on all ranks."""
        total = sum(p.double().sum() for p in runner.model.state_dict().values())
        with open(f"{runner.work_dir}/weights.{runner.rank}.txt", "w") as file:
            file.write(float(total).hex())

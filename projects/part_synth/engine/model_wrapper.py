"""Distributed training of a model that has several optimisers."""

from mmengine.model import MMDistributedDataParallel
from torch import Tensor


class MultiOptimDistributedDataParallel(MMDistributedDataParallel):
    """Distributed wrapper for models with a ``train_step`` of their own.

    mmengine's ``MMDistributedDataParallel`` replaces the model's ``train_step`` by one for a single
    optimiser. Its ``MMSeparateDistributedDataParallel`` wraps every submodule, which puts
    ``.module.`` into the names of the weights, so that its checkpoints can be loaded neither by a
    resumed run nor by a single process. Here the model's own ``train_step`` runs, and the one
    forward pass that it asks for by ``self._run_forward(data, mode='loss')`` goes through the
    wrapper, which sums the gradients of all processes in the backward pass. Names of weights stay.

    A config names it ``part_synth.engine.MultiOptimDistributedDataParallel``; the tools take it by
    themselves where the config names several optimisers and no wrapper.

    Args:
        module (BaseModel): A model whose ``train_step`` runs one forward and one backward pass.
        find_unused_parameters (bool): Whether a step may leave parameters out. Default: True,
            since objectives that take turns do.
        broadcast_buffers (bool): Whether every forward pass takes over the buffers of the first
            process. Default: False; ``SyncBuffersHook`` averages them once an epoch.
        **kwargs: As in :class:`torch.nn.parallel.DistributedDataParallel`.
    """

    def __init__(
        self,
        module,
        find_unused_parameters: bool = True,
        broadcast_buffers: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(
            module=module,
            find_unused_parameters=find_unused_parameters,
            broadcast_buffers=broadcast_buffers,
            **kwargs,
        )

    def train_step(self, data: dict, optim_wrapper) -> dict[str, Tensor]:
        """One step of the model, its forward pass distributed.

        Args:
            data (dict): Batch of the data loader.
            optim_wrapper (OptimWrapper): What the model's ``train_step`` takes.

        Returns:
            dict[str, Tensor]: What the model's ``train_step`` returns, to log.

        Raises:
            RuntimeError: The model's ``train_step`` did not ask for exactly one forward pass:
                the gradients of the processes would differ.
        """
        calls = 0

        def run_forward(*args, **kwargs):
            nonlocal calls
            calls += 1
            return self._run_forward(*args, **kwargs)

        # Only for the time of the step: a lasting reference to the wrapper would be a cycle.
        self.module._run_forward = run_forward
        try:
            log_vars = self.module.train_step(data, optim_wrapper)
        finally:
            del self.module._run_forward
        if calls != 1:
            raise RuntimeError(
                f"train_step of {type(self.module).__name__} must call self._run_forward(data, "
                f"mode='loss') exactly once to share its gradients, but did so {calls} times."
            )
        return log_vars

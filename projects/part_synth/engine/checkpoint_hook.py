"""Checkpoints that a killed run can't leave half-written."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log

from part_synth.registry import HOOKS

from .unwrap import unwrap

ATOMIC_BACKEND = "part_synth_atomic"


class AtomicLocalBackend(LocalBackend):
    """mmengine's local file backend, with ``put`` as one atomic step.

    The bytes go to a temporary file of the same folder, are flushed to the disk, and take the
    final name by ``os.replace``: a reader finds the old file or the new one, never a part.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write ``obj`` to ``filepath``, replacing what was there.

        Args:
            obj (bytes): The data.
            filepath (str or Path): Where to; missing folders are made.
        """
        target = Path(filepath)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes files readable by their owner only.
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


register_backend(ATOMIC_BACKEND, AtomicLocalBackend, force=True)


class _KeepRemovals:
    """A file backend that notes the files to remove instead of removing them."""

    def __init__(self, backend) -> None:
        self.backend = backend
        self.removals: list[str] = []

    def __getattr__(self, name: str):
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        self.removals.append(path)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, safe against being killed at any moment.

    mmengine writes straight to the final name and removes the old checkpoint before it writes the
    new one, so that a run killed in between (with ``max_keep_ckpts=1``: always) can leave nothing
    to resume from. Here files are written atomically, old ones go only when the new one is whole,
    and temporary files that a killed run left are swept. Everything else, and every argument, is
    as in the base class. A folder that is not on a local disk is left to its own backend.

    A run that goes on from another run's checkpoint in a folder of its own has no best checkpoint
    yet: mmengine would hold it to the other's score, and remove the other's file.

    A model that does not train what ``save_best`` measures says so in the log by its method
    ``save_best_warning(metric) -> str | None``.
    """

    def before_train(self, runner) -> None:
        """Choose the atomic backend for a local folder, sweep what a killed run left, and warn.

        Args:
            runner (Runner): The runner of the training process.
        """
        warn = getattr(unwrap(runner.model), "save_best_warning", None)
        if warn is not None and runner.val_loop is not None:
            metrics = [self.save_best] if isinstance(self.save_best, str) else self.save_best or []
            for text in filter(None, map(warn, metrics)):
                print_log(text, logger="current", level=logging.WARNING)
        out_dir = str(self.out_dir or runner.work_dir)
        is_local = "://" not in out_dir
        if is_local and self.backend_args is None and self.file_client_args is None:
            self.backend_args = {"backend": ATOMIC_BACKEND}
        super().before_train(runner)
        self._forget_best_of_others(runner)
        if is_local and is_main_process():
            for leftover in Path(self.out_dir).glob(".*.pth.*"):
                leftover.unlink()

    def _forget_best_of_others(self, runner) -> None:
        """Of a resumed run keep the best checkpoint that lies in this run's folder, no other."""
        several = len(getattr(self, "key_indicators", ())) > 1
        for indicator in self.key_indicators if several else [None]:
            suffix = f"_{indicator}" if several else ""
            known = runner.message_hub.runtime_info.get(f"best_ckpt{suffix}")
            if not known or Path(known).parent == Path(self.out_dir):
                continue
            here = Path(self.out_dir, Path(known).name)
            best = str(here) if here.is_file() else None  # the folder was moved, or copied
            if best is None:
                runner.message_hub.runtime_info.pop(f"best_ckpt{suffix}")
                runner.message_hub.runtime_info.pop(f"best_score{suffix}", None)
            else:
                runner.message_hub.update_info(f"best_ckpt{suffix}", best)
            if several:
                self.best_ckpt_path_dict[indicator] = best
            else:
                self.best_ckpt_path = best

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Turn the arrays of the data set's meta information to lists.

        mmengine allows few kinds of arrays when it reads a file in torch's safe mode, and warns at
        length about others.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): What is about to be written.
        """
        hub = checkpoint.get("message_hub", {})
        for holder in (checkpoint.get("meta", {}), hub.get("runtime_info", {})):
            if isinstance(holder.get("dataset_meta"), dict):
                holder["dataset_meta"] = {
                    name: value.tolist() if isinstance(value, np.ndarray) else value
                    for name, value in holder["dataset_meta"].items()
                }

    def _save_checkpoint_with_step(self, runner, step, meta) -> None:
        with self._remove_afterwards():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner, metrics) -> None:
        with self._remove_afterwards():
            super()._save_best_checkpoint(runner, metrics)

    @contextmanager
    def _remove_afterwards(self) -> Iterator[None]:
        """Carry out the removals of the block once all its files are written."""
        backend = self.file_backend
        self.file_backend = _KeepRemovals(backend)
        try:
            yield
            removals = self.file_backend.removals
        finally:
            self.file_backend = backend
        # A resumed run may write the very file that it meant to replace.
        current = {self.last_ckpt, getattr(self, "best_ckpt_path", None)}
        current.update(getattr(self, "best_ckpt_path_dict", {}).values())
        for path in removals:
            if path not in current:
                backend.remove(path)

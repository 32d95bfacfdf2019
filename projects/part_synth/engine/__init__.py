"""Hooks, an optimiser, wrappers of optimisers: what drives a run around the model."""

from .amp import AutocastOptimWrapper
from .bad_case_hook import BadCaseHook
from .checkpoint_guard import (
    CheckpointGuardHook,
    check_checkpoint_file,
    check_resumable,
    check_unfinished,
    find_resumable_checkpoint,
)
from .checkpoint_hook import AtomicCheckpointHook, AtomicLocalBackend
from .epoch_seed_hook import EpochSeedHook
from .lifting_hooks import KeypointAdapterHook, LiftingPriorsHook
from .model_wrapper import MultiOptimDistributedDataParallel
from .muon import Muon
from .objective_schedule_hook import ObjectiveScheduleHook
from .optim_wrapper_constructor import MultiOptimWrapperConstructor
from .pose_prior_hook import PosePriorHook, PosePriorLengthsHook
from .results_table_hook import ResultsTableHook

__all__ = [
    "AtomicCheckpointHook",
    "AtomicLocalBackend",
    "AutocastOptimWrapper",
    "BadCaseHook",
    "CheckpointGuardHook",
    "EpochSeedHook",
    "KeypointAdapterHook",
    "LiftingPriorsHook",
    "MultiOptimDistributedDataParallel",
    "MultiOptimWrapperConstructor",
    "Muon",
    "ObjectiveScheduleHook",
    "PosePriorHook",
    "PosePriorLengthsHook",
    "ResultsTableHook",
    "check_checkpoint_file",
    "check_resumable",
    "check_unfinished",
    "find_resumable_checkpoint",
]

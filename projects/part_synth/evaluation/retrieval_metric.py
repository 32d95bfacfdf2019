"""Pose retrieval as a metric of a run."""

from __future__ import annotations

from collections.abc import Sequence

from part_synth.evaluation.embedded_frames import EmbeddedFrames, EmbeddingMetric
from part_synth.evaluation.retrieval import PROTOCOLS, check_options, evaluate_retrieval
from part_synth.registry import METRICS


@METRICS.register_module()
class PoseRetrievalMetric(EmbeddingMetric):
    """Mean-PA-MPJPE@K of the embedding, beside an oracle and chance.

    Every test frame is a query. See :class:`~part_synth.evaluation.embedded_frames.
    EmbeddingMetric` for what data samples need, and
    :func:`~part_synth.evaluation.retrieval.evaluate_retrieval` for the definition and the keys.

    Args:
        topk: The K.
        protocols: ``'same_view'``, ``'cross_view'`` or both.
        exclude: What a query may not retrieve: ``'instant'``, ``'clip'``, ``'person'``, or several,
            whose keys then end in ``/instant`` and so on.
        min_gap: Seconds, for ``'instant'``.
        max_queries: More queries are thinned to about this many; None takes all.
        seed: Of the thinning.
        collect_device: As in ``BaseMetric``.
        prefix: As in ``BaseMetric``.
        collect_dir: As in ``BaseMetric``.

    Raises:
        ValueError: An argument is wrong.
    """

    def __init__(
        self,
        topk: Sequence[int] = (1, 5, 10, 20),
        protocols: Sequence[str] = PROTOCOLS,
        exclude: str | Sequence[str] = "instant",
        min_gap: float = 0.5,
        max_queries: int | None = 4000,
        seed: int = 0,
        collect_device: str = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix=prefix, collect_dir=collect_dir)
        # Now: a wrong option must not come to light after the first epoch.
        check_options(topk, protocols, exclude, min_gap, max_queries)
        self.options = {
            "topk": topk,
            "protocols": protocols,
            "exclude": exclude,
            "min_gap": min_gap,
            "max_queries": max_queries,
            "seed": seed,
        }

    def measure(self, frames: EmbeddedFrames) -> dict[str, float]:
        """Retrieval errors; see :func:`~part_synth.evaluation.retrieval.evaluate_retrieval`.

        Args:
            frames: The test set.

        Returns:
            Metrics by name, mm, and ratios.
        """
        return evaluate_retrieval(frames, **self.options)

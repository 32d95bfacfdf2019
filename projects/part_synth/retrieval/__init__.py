"""Search of poses by embedding: a gallery on disk, exact neighbours, and views out of step.

Symbols: N frames of a gallery, Q queries, D numbers of an embedding, K neighbours.
"""

from part_synth.retrieval.embedder import EmbedderInfo, model_fingerprint
from part_synth.retrieval.gallery import PoseGallery
from part_synth.retrieval.neighbours import NeighbourIndex, Neighbours, search
from part_synth.retrieval.view_offset import ViewOffset, estimate_view_offset

__all__ = [
    "EmbedderInfo",
    "NeighbourIndex",
    "Neighbours",
    "PoseGallery",
    "ViewOffset",
    "estimate_view_offset",
    "model_fingerprint",
    "search",
]

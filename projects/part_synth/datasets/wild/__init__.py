"""People's own videos as a data set: found, followed, cut into clips, written, read again.

:class:`WildFrames` is the layout 'wild'; :func:`prepare_videos` writes it.
"""

from .clips import ClipRules
from .layout import WildFrames
from .options import VideoOutcome, WildOptions
from .prepare import prepare_videos

__all__ = ["ClipRules", "VideoOutcome", "WildFrames", "WildOptions", "prepare_videos"]

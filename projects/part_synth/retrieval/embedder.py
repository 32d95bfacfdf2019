"""Which model made an embedding. Numbers of two models mean nothing to each other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields

import torch
from torch import nn


@dataclass(frozen=True)
class EmbedderInfo:
    """The model that embedded a gallery.

    Attributes:
        fingerprint: Hash of the weights, see :func:`model_fingerprint`.
        model: Name of the model's class.
        config: File of its config, absolute.
        checkpoint: File of its weights, absolute.
        crop_size: Side of the crops that it saw, px.
        background: Whether it was given pictures of the empty scene.
        cfg_options: What the command line changed in the config.
    """

    fingerprint: str
    model: str = ""
    config: str = ""
    checkpoint: str = ""
    crop_size: int = 0
    background: bool = False
    cfg_options: dict = field(default_factory=dict)

    def to_json(self) -> str:
        """The attributes as JSON."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> EmbedderInfo:
        """Read what :meth:`to_json` wrote; keys of later versions are left out.

        Args:
            text: JSON.

        Returns:
            EmbedderInfo: The attributes.

        Raises:
            ValueError: The text is something else.
        """
        content = json.loads(text)
        if not isinstance(content, dict) or "fingerprint" not in content:
            raise ValueError("the model that embedded the gallery is not named")
        known = {entry.name for entry in fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in known})

    def check_same(self, fingerprint: str, who: str = "The query's model") -> None:
        """Raise unless a model has the weights that embedded the gallery.

        Args:
            fingerprint: From :func:`model_fingerprint`.
            who: First words of the message.

        Raises:
            ValueError: It has others.
        """
        if fingerprint != self.fingerprint:
            raise ValueError(
                f"{who} is not the one that embedded the gallery (weights {fingerprint[:12]}, the "
                f"gallery's {self.fingerprint[:12]}): distances between them mean nothing. Use "
                f"{self.config or 'its config'} with {self.checkpoint or 'its checkpoint'}, or "
                "build the gallery again with tools/build_gallery.py."
            )


def model_fingerprint(model: nn.Module) -> str:
    """Hash of all weights and buffers of a model, wherever they came from.

    The file is not hashed: the same weights saved again, without the optimiser for example, are
    the same model.

    Args:
        model: Any module.

    Returns:
        str: SHA-256 in hexadecimal.
    """
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if not isinstance(value, torch.Tensor):
            continue
        value = value.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        # As bytes: NumPy knows no bfloat16.
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

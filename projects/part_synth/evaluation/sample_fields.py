"""Reading a data sample as metrics get it: a dict of groups of fields."""

from __future__ import annotations

from mmengine.structures import BaseDataElement


def sample_fields(sample: dict, group: str) -> dict:
    """Fields of one group, such as ``pred_fields``, by name; empty where it is not there.

    Args:
        sample: A data sample as a dict, its groups dicts or data elements.
        group: Name of the group.

    Returns:
        The fields.
    """
    fields = sample.get(group)
    return fields.to_dict() if isinstance(fields, BaseDataElement) else fields or {}

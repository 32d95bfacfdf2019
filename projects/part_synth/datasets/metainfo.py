"""Meta information of the 17 joints in the form mmpose's visualisers and metrics expect."""

from __future__ import annotations

# Upper body in mmpose's sense: everything above the pelvis.
_UPPER_BODY = tuple(range(7, 17))
# BGR, as mmpose draws: the right side orange, the left side green, the middle blue.
_COLOURS = {"right": (0, 128, 255), "left": (0, 255, 0), "": (255, 153, 51)}


def h36m_metainfo(dataset_name: str) -> dict:
    """Parsed meta information, equal in its keys to mmpose's ``parse_pose_metainfo``.

    All values are plain Python, where mmpose has arrays: arrays can't be compared with ``==``, come
    back from a checkpoint as lists, and a resumed run would call the data set another one.

    Args:
        dataset_name (str): Name of the data set, for logs and visualisers.

    Returns:
        dict: ``num_keypoints``, ``keypoint_id2name``, ``flip_indices``, ``skeleton_links``, ...
    """
    from part_synth.geometry import H36M17

    names = tuple(H36M17.joint_names)
    limbs = [(int(parent), int(child)) for parent, child in H36M17.limbs]
    colours = [list(_COLOURS[_side(name)]) for name in names]
    return {
        "dataset_name": dataset_name,
        "num_keypoints": len(names),
        "keypoint_id2name": dict(enumerate(names)),
        "keypoint_name2id": {name: i for i, name in enumerate(names)},
        "upper_body_ids": list(_UPPER_BODY),
        "lower_body_ids": [i for i in range(len(names)) if i not in _UPPER_BODY],
        "flip_indices": [int(i) for i in H36M17.flip_indices],
        "flip_pairs": [(int(left), int(right)) for left, right in H36M17.left_right_pairs],
        "keypoint_colors": colours,
        "num_skeleton_links": len(limbs),
        "skeleton_links": limbs,
        "skeleton_link_colors": [list(colours[child]) for _, child in limbs],
        "dataset_keypoint_weights": [1.0] * len(names),
        "sigmas": [0.05] * len(names),
    }


def _side(name: str) -> str:
    prefix = name.split("_", 1)[0]
    return prefix if prefix in ("left", "right") else ""

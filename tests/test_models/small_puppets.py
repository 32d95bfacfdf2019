"""Puppets other than the package's own, as dicts of what a file holds."""

import copy
import json

from part_synth.models import DEFAULT_PUPPET

_HEADER = {"format": "part_synth.puppet", "version": 1}
_DEFAULT = json.loads(DEFAULT_PUPPET.read_text())


def _capsule(part, start, end, radius, **more):
    return dict(part=part, start=start, end=end, start_radius=radius, end_radius=radius, **more)


HAT = copy.deepcopy(_DEFAULT)
HAT["parts"].append("hat")
HAT["virtual_joints"]["hat_top"] = "crown + 0.25 * unit(head - neck_base)"
HAT["virtual_joints"]["hat_low"] = "crown + 0.10 * unit(head - neck_base)"
HAT["capsules"].append(_capsule("hat", "hat_low", "hat_top", 0.09, clothes="accessory"))


def three_parts():
    """A head, an upper and a lower body without virtual joints."""
    return {
        **_HEADER,
        "parts": ["upper", "lower", "head"],
        "capsules": [
            _capsule("upper", "root", "thorax", 0.15, clothes="top"),
            _capsule("lower", "left_hip", "left_foot", 0.08, clothes="bottom"),
            _capsule("lower", "right_hip", "right_foot", 0.08, clothes="bottom"),
            _capsule("head", "neck_base", "head", 0.1),
        ],
    }


def many_parts(count):
    """The package's own puppet, with a tail in as many parts as are missing."""
    puppet = copy.deepcopy(_DEFAULT)
    puppet["virtual_joints"]["tail_0"] = "root - 0.15 * hips_front"
    for i in range(1, count - len(_DEFAULT["parts"]) + 1):
        puppet["parts"].append(f"tail_{i}")
        puppet["virtual_joints"][f"tail_{i}"] = f"tail_{i - 1} - 0.12 * hips_front"
        puppet["capsules"].append(_capsule(f"tail_{i}", f"tail_{i - 1}", f"tail_{i}", 0.07))
    return puppet

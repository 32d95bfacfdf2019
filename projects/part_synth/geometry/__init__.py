"""Pure geometry on tensors with any leading dimensions, float32 and float64, differentiable.

Map for users:

- skeleton: :data:`H36M17`, the 15 part names, joint names of other data sets;
- camera: projection, extrinsics as in mmpose's ``cameras.pkl``, view rotations, crops;
- body frame: pose with the yaw removed, heading, canonical camera pose, mirror image;
- kinematics: bone lengths, parent-relative directions, forward kinematics, rest pose;
- articulation: limits of every joint with their clinical sources, violation and clamp;
- lifting: the frame 2D poses are lifted in, and the way there from pixels;
- procrustes: similarity alignment without reflection, scale alignment.
"""

from ._common import full_precision
from .articulation import JOINT_LIMITS, ArticulationLimits, JointLimit
from .body_frame import body_yaw, canonicalise_camera_pose, mirror, to_body_frame
from .camera import (
    back_project,
    camera_to_world,
    crop_intrinsics,
    project,
    view_angles,
    view_rotation,
    world_to_camera,
)
from .kinematics import (
    REST_DIRECTIONS,
    bone_lengths,
    forward_kinematics,
    local_directions,
    pelvis_frame,
    swing,
)
from .lifting import (
    BONES_TOTAL,
    ROOT_DISTANCE,
    aim_at,
    aim_points,
    bones_total,
    far_camera,
    flat_points,
    lift_points,
    mirror_points,
    turn_about_root,
    unit_scale,
)
from .procrustes import procrustes_align, scale_align
from .skeleton import H36M17, PART_FLIP_INDICES, PART_NAMES, Skeleton, skeleton_from_names

__all__ = [
    "BONES_TOTAL",
    "H36M17",
    "JOINT_LIMITS",
    "PART_FLIP_INDICES",
    "PART_NAMES",
    "REST_DIRECTIONS",
    "ROOT_DISTANCE",
    "ArticulationLimits",
    "JointLimit",
    "Skeleton",
    "aim_at",
    "aim_points",
    "back_project",
    "body_yaw",
    "bone_lengths",
    "bones_total",
    "camera_to_world",
    "canonicalise_camera_pose",
    "crop_intrinsics",
    "far_camera",
    "flat_points",
    "forward_kinematics",
    "full_precision",
    "lift_points",
    "local_directions",
    "mirror",
    "mirror_points",
    "pelvis_frame",
    "procrustes_align",
    "project",
    "scale_align",
    "skeleton_from_names",
    "swing",
    "to_body_frame",
    "turn_about_root",
    "unit_scale",
    "view_angles",
    "view_rotation",
    "world_to_camera",
]

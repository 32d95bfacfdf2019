# The lifter for mmpose's own MMPoseInferencer(pose3d=THIS_FILE, pose3d_weights='weights.pth', ...),
# for deployments whose code can't change; see docs/in_the_wild.md. For a lifter of your own copy
# this file and put its config here.
_base_ = ["config.py"]
default_scope = "mmpose"

# model
model = dict(objective=None)

# dataset: what mmpose reads of it are the names of the joints and the frames of a window
_data = dict(
    type="Human36mDataset",
    # mmpose divides the window's frames out of these; seq_len is the lifter's number of frames.
    seq_len=1,
    causal=False,
    metainfo=dict(from_file="configs/_base_/datasets/h36m.py"),
    pipeline=[dict(type="part_synth.PackKeypointWindow")],
)

# loaders
train_dataloader = dict(_delete_=True, dataset=_data)
test_dataloader = dict(_delete_=True, collate_fn="part_synth.collate", dataset=_data)

# visualizer
visualizer = dict(type="part_synth.Pose3dDrawing")

# The embedded data set as a moving person seen by four cameras at once.
_base_ = ["synthetic_mocap.py"]

# loaders
train_dataloader = dict(
    # Instants of four views each: eight of one person, and eight with labels.
    batch_size=16,
    sampler=dict(samples_per_epoch=4000),
    batch_sampler=dict(
        type="part_synth.MultiViewBatchSampler", groups=1, labelled=8, min_gap=0.3, scope="person"
    ),
    dataset=dict(
        _delete_=True,
        type="part_synth.MultiViewDataset",
        data_root={{_base_.data_root}},
        synthetic={{_base_.synthetic}},
        split="train",
        num_views=4,
        # The ladder of supervision: which people's labels are used, and what share of them.
        labelled=dict(subjects=["S1"], fraction=1.0),
        crop=dict(
            size=64,
            padding={{_base_.box_padding}},
            shift=0.06,
            scale=0.12,
            flip=0.5,
            background="median",
            cache="encoded",
            part_labels=False,
        ),
    ),
)

# evaluators
val_evaluator = dict(
    _delete_=True,
    type="part_synth.PoseMetric",
    reference_poses={{_base_.unpaired_poses}},
    per_action=False,
)
test_evaluator = [
    dict(
        type="part_synth.PoseMetric",
        reference_poses={{_base_.unpaired_poses}},
        per_action=True,
    ),
    dict(
        type="part_synth.PoseRetrievalMetric",
        topk=(1, 5, 10, 20),
        exclude=("instant", "clip", "person"),
        min_gap=0.3,
    ),
    dict(type="part_synth.IdentityProbeMetric"),
    dict(type="part_synth.ViewSyncMetric"),
]

# Human3.6M as moving people seen by four cameras at once.
_base_ = ["h36m_frames.py"]

# loaders
train_dataloader = dict(
    # Instants of four views each: eight of one person, and eight with labels.
    sampler=dict(samples_per_epoch=16000),
    batch_sampler=dict(
        type="part_synth.MultiViewBatchSampler", groups=1, labelled=8, min_gap=0.5, scope="clip"
    ),
    dataset=dict(
        _delete_=True,
        type="part_synth.MultiViewDataset",
        layout="h36m",
        data_root={{_base_.data_root}},
        split="train",
        subjects=["S1", "S5", "S6", "S7"],
        num_views=4,
        # The ladder of supervision: which people's labels are used, and what share of them.
        labelled=dict(subjects=["S1"], fraction=1.0),
        # 50 frames per second: neighbours are alike.
        frame_step=5,
        crop=dict(
            size={{_base_.image_size}},
            padding={{_base_.box_padding}},
            shift=0.06,
            scale=0.12,
            flip=0.5,
        ),
    ),
)
val_dataloader = dict(dataset=dict(crop=dict(background=None)))
test_dataloader = dict(dataset=dict(crop=dict(background=None)))

# evaluators
test_evaluator = [
    dict(
        type="part_synth.PoseMetric",
        reference_poses={{_base_.unpaired_poses}},
        per_action=True,
    ),
    dict(type="part_synth.PoseRetrievalMetric", exclude=("instant", "person")),
    dict(type="part_synth.IdentityProbeMetric"),
]

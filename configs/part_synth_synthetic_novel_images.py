# Test of the painter (tools/test.py): every frame of the test people from the looks of another
# frame of its clip, beside copying that frame and beside the empty scene.
_base_ = ["part_synth_synthetic.py"]

# model
model = dict(predict_novel_images=True, puppet_fit=dict(type="part_synth.PuppetFit"))

# loaders
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="part_synth.VideoPairDataset",
        data_root={{_base_.data_root}},
        synthetic={{_base_.synthetic}},
        split="test",
        test_mode=True,
        num_frames=2,
        min_gap=0.3,
        same_clip=True,
        crop={{_base_.test_crop}},
    )
)

# evaluators
test_evaluator = dict(_delete_=True, type="part_synth.NovelImageMetric")

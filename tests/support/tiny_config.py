# runtime
default_scope = "mmpose"
custom_imports = dict(imports=["tiny_project"], allow_failed_imports=False)
env_cfg = dict(
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0), dist_cfg=dict(backend="nccl")
)
randomness = dict(seed=3)
log_level = "WARNING"
visualizer = dict(
    type="Visualizer", _scope_="mmengine", vis_backends=[dict(type="LocalVisBackend")]
)

# optimizer
optim_wrapper = dict(
    constructor="part_synth.MultiOptimWrapperConstructor",
    clip_grad=dict(max_norm=5.0),
    encoder=dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=0.01)),
    decoder=dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01, momentum=0.9)),
)

# schedule
train_cfg = dict(by_epoch=True, max_epochs=4, val_interval=1)
val_cfg = dict()
test_cfg = dict()
# 'end' would follow max_epochs, which a test shortens to break a run off.
param_scheduler = dict(type="CosineAnnealingLR", T_max=4, end=4, by_epoch=True)
auto_scale_lr = dict(base_batch_size=8)

# hooks
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=1),
    checkpoint=dict(
        type="part_synth.AtomicCheckpointHook",
        interval=1,
        max_keep_ckpts=1,
        save_best="p_mpjpe_mm",
        rule="less",
    ),
)
custom_hooks = [
    dict(type="SyncBuffersHook"),
    dict(type="part_synth.EpochSeedHook"),
    dict(type="RecordLossHook"),
    dict(type="WeightSumHook"),
]

# model
# The scope spares the lookup in mmpose, which imports all of its models and mmdet.
model = dict(type="TinyModel", _scope_="mmengine")

# dataloaders
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    collate_fn=dict(type="default_collate"),
    sampler=dict(type="DefaultSampler", _scope_="mmengine", shuffle=True),
    dataset=dict(type="TinyDataset", _scope_="mmengine"),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    collate_fn=dict(type="default_collate"),
    sampler=dict(type="DefaultSampler", _scope_="mmengine", shuffle=False),
    dataset=dict(type="TinyDataset", _scope_="mmengine"),
)
test_dataloader = val_dataloader

# evaluators
val_evaluator = dict(type="TinyMetric", _scope_="mmengine")
test_evaluator = val_evaluator

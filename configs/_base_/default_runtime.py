# What every config of this project shares: runtime and hooks. Numbers without a source are plain
# conventions of mmengine.

# runtime
default_scope = "mmpose"  # our own parts carry their prefix: type='part_synth.X'
env_cfg = dict(
    cudnn_benchmark=False,
    # Workers are forked (they share the index of the data set) and OpenCV starts no threads of its
    # own inside them.
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    # Without a GPU the tools take gloo instead.
    dist_cfg=dict(backend="nccl"),
)
randomness = dict(seed=0)
load_from = None
resume = False
log_level = "INFO"
# The printed losses are means over the last 50 iterations.
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=True, num_digits=4)
visualizer = dict(type="Visualizer", vis_backends=[dict(type="LocalVisBackend")])

# hooks
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    # Two checkpoints: the newest, and the one before it should the newest be bad.
    checkpoint=dict(
        type="part_synth.AtomicCheckpointHook",
        interval=1,
        max_keep_ckpts=2,
        save_best="p_mpjpe_mm",
        rule="less",
    ),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    # Batch-norm statistics of several processes are averaged before validation.
    sync_buffers=dict(type="SyncBuffersHook"),
    # A resumed run continues to the losses of an unbroken one.
    epoch_seed=dict(type="part_synth.EpochSeedHook"),
    # Switched on by --show, --show-dir and --badcase of the tools.
    visualization=dict(type="part_synth.SaveVisualizationHook", enable=False),
    badcase=dict(type="part_synth.BadCaseHook", enable=False),
)

import subprocess
import sys

from tiny_part_synth import TINY

PROGRAM = """
import sys, types
from mmengine.registry import DefaultScope
from mmpose.registry import MODELS
import part_synth.models

HEAVY = ("mmpose.models", "mmcv.ops", "mmdet")
config = {config!r}
loaded = lambda: [name for name in HEAVY if name in sys.modules]
assert not loaded(), "importing part_synth.models imports %s" % loaded()

# A scope of its own keeps mmpose's registry from importing mmpose.models.
model = MODELS.build(dict(config, _scope_="part_synth"))
assert type(model) is part_synth.models.PartSynth
assert not loaded(), "building imports %s" % loaded()

# As in a config of mmpose, whose registry imports its own models first: an empty stand-in here,
# which is faster and shows that none of them is needed.
sys.modules["mmpose.models"] = types.ModuleType("mmpose.models")
DefaultScope.get_instance("test", scope_name="mmpose")
model = MODELS.build(dict(config))
assert type(model) is part_synth.models.PartSynth
assert type(model.encoder.backbone).__name__ == "TinyResNet"
assert type(model.objectives["synthesis"].foreground).__name__ == "ForegroundLoss"
print("built")
"""


def test_built_from_mmposes_registry_in_a_fresh_process():
    program = PROGRAM.format(config=TINY)
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.endswith("built\n")

"""What importing the package must not do."""

import pkgutil
import subprocess
import sys

import part_synth
import pytest

HEAVY = ("mmpose.models", "mmcv.ops", "mmdet")


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


def test_no_module_imports_compiled_operators_or_detectors():
    modules = [m.name for m in pkgutil.walk_packages(part_synth.__path__, "part_synth.")]
    assert "part_synth.engine.amp" in modules and len(modules) > 20
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_package_itself_imports_nothing():
    code = "import sys, part_synth; print([m for m in ('torch', 'mmengine') if m in sys.modules])"
    assert run_python(code).stdout.strip() == "[]"


def test_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert version("part_synth") == part_synth.__version__


@pytest.mark.parametrize("name", ["part_synth.EpochSeedHook", "part_synth.AtomicCheckpointHook"])
def test_prefixed_names_resolve_from_the_scope_of_mmpose(name):
    from mmengine.registry import DefaultScope
    from mmpose.registry import HOOKS

    with DefaultScope.overwrite_default_scope("mmpose"):
        assert HOOKS.get(name).__name__ == name.split(".")[1]


def test_every_registry_is_a_child_of_the_scope():
    import part_synth.registry
    from mmengine.registry import Registry

    ours = [r for r in vars(part_synth.registry).values() if isinstance(r, Registry)]
    ours = [r for r in ours if r.scope == "part_synth"]
    assert len(ours) >= 10
    assert all(registry.parent is not None for registry in ours)
    for registry in ours:
        registry.import_from_location()
    names = {name for registry in ours for name in registry.module_dict}
    assert {"EpochSeedHook", "AutocastOptimWrapper", "MultiOptimWrapperConstructor"} <= names

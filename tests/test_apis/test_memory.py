import platform
import subprocess
import sys

import pytest
from part_synth.apis import memory
from part_synth.apis.memory import keep_freed_memory

# Pages that the kernel had to hand out while a block of 20 MB was taken and freed again.
COUNT_FAULTS = """
import resource, sys
import torch
from part_synth.apis.memory import keep_freed_memory
torch.set_num_threads(1)
if sys.argv[1] == "keep":
    keep_freed_memory()
for _ in range(3):
    torch.zeros(5_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(5_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode):
    command = [sys.executable, "-c", COUNT_FAULTS, mode]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_freed_blocks_are_used_again():
    assert faults("keep") < 0.05 * 20 * 5_000_000 * 4 / 4096


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_are_left_alone(monkeypatch, system):
    monkeypatch.setattr(memory.sys, "platform", system)
    assert keep_freed_memory() is False


def test_c_library_without_the_setting(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    assert keep_freed_memory() is False

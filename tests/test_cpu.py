"""Settings of the machine: what they leave in memory."""

import platform
import subprocess
import sys

import pytest

# Blocks of 76 MiB one after the other, and after each a result that stays, as in the evaluation of
# many samples. A heap that keeps large blocks puts results into their holes and grows with each.
CHUNKS = r"""
import re, torch
from pathlib import Path
from aigc_tutorial.cpu import tune_cpu

def peak():
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 2**10

tune_cpu()
x = torch.rand(20_000, 16, generator=torch.Generator().manual_seed(0))
before = peak()
radii = [
    torch.cdist(chunk, x).topk(4, dim=1, largest=False).values[:, -1]
    for chunk in x[:10_000].split(1_000)
]
print(peak() - before)
"""


@pytest.mark.skipif(platform.system() != "Linux", reason="settings of glibc, and /proc")
def test_large_blocks_go_back_to_the_system_when_they_are_freed() -> None:
    command = [sys.executable, "-c", CHUNKS]
    mebibytes = float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert 70 < mebibytes < 230  # one block or two of the ten, which are 760 together

"""Settings of the machine that make training on a CPU faster and change no result."""

import ctypes
import platform
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # names of glibc's mallopt(3)
_ONE_GIGABYTE = 1 << 30


@cache
def tune_cpu() -> None:
    """Keep freed memory and flush denormal numbers; done once in a process.

    By default glibc gives every block above 128 kB back to the system when it is freed and asks for
    it again in the next step, which costs page faults: 1.15 to 1.35 times the time of a step on
    MNIST-sized batches. Denormal numbers, which Adam's second moments reach, are computed slowly by
    many processors; they are flushed in the calling thread and in threads that start later, while
    torch's worker threads keep what held when the first of them started. Elsewhere than on Linux
    with glibc the first setting is not available and nothing is done about memory.
    """
    torch.set_flush_denormal(True)
    if platform.system() == "Linux" and platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _ONE_GIGABYTE)
        libc.mallopt(_M_TRIM_THRESHOLD, _ONE_GIGABYTE)


def fast_precision() -> Literal["bf16", "no"]:
    """Precision in which this processor multiplies matrices fastest, for ``Engine``.

    Processors with the bfloat16 instructions of AVX-512 or AMX multiply about twice as fast in it.
    Others have to imitate them, and are slower than in single precision. A version of torch that
    cannot tell what the processor is able to do gets "no".

    >>> fast_precision() in ("bf16", "no")
    True
    """
    able: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16" if able.get("avx512_bf16") or able.get("amx_bf16") else "no"

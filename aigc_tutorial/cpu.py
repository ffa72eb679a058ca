"""Settings of the machine that make training on a CPU faster and change no result."""

import ctypes
import platform
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # names of glibc's mallopt(3)
_LARGE_BLOCK, _FREE_AT_THE_TOP = 32 << 20, 128 << 20  # bytes


@cache
def tune_cpu() -> None:
    """Keep freed blocks of middle size and flush denormal numbers; done once in a process.

    By default glibc gives a block above 128 kB back to the system when it is freed (the limit rises
    with what a program frees) and asks for it again in the next step, which costs page faults.
    With this call blocks up to 32 MB stay with the process, and so do 128 MB of free memory at the
    end of its heap: enough for a step on MNIST-sized batches. Larger blocks go back at once. Were
    they kept too, small results would settle in the holes they leave, the next large block would
    not fit, and the heap would grow with every one.

    Denormal numbers, which Adam's second moments reach, are computed slowly by many processors;
    they are flushed in the calling thread and in threads that start later, while torch's worker
    threads keep what held when the first of them started. Elsewhere than on Linux with glibc the
    first setting is not available and nothing is done about memory.
    """
    torch.set_flush_denormal(True)
    if platform.system() == "Linux" and platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
        libc.mallopt(_M_TRIM_THRESHOLD, _FREE_AT_THE_TOP)


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

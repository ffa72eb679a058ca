"""A second device without a GPU: its tensors lie in main memory, but do not mix with the CPU's.

torch lets Python stand in for the backend of one more device. Here the CPU computes every operation
on it, after a check of what a GPU would refuse: an operand on the CPU that is not a single number,
a random generator of the CPU, conversion to NumPy, and float64 as on Apple's GPUs. So the mistakes
that the first reader with a GPU would meet are errors on a machine that has none.
"""

import os
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _DummyPrivateUse1Hook,
    _setup_privateuseone_for_python_backend,
)

NAME = "emulated"
_UNKNOWN_TYPES = (torch.float64, torch.complex128)
_NO_FLOAT64 = "the emulated device has no float64, nor on the way to the CPU; convert after .cpu()"


class _Hook(_DummyPrivateUse1Hook):
    """What torch asks about the device."""

    def is_available(self) -> bool:
        return False

    def is_built(self) -> bool:
        return True


class _Module(_DummyBackendModule):
    """``torch.emulated``."""

    def is_available(self) -> bool:
        return False

    def synchronize(self, device: object = None) -> None:
        """Wait for nothing: every operation is done when it returns."""

    def get_rng_state(self, device: object = None) -> Tensor:
        """Return nothing to restore: no number is drawn on the device."""
        return torch.empty(0, dtype=torch.uint8)

    def set_rng_state(self, state: Tensor, device: object = None) -> None:
        """Restore nothing."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


def is_possible() -> bool:
    """Whether this process may have the device, which a forked one may not."""
    return "MUTANT_UNDER_TEST" not in os.environ


@cache
def device() -> torch.device:
    """Set the device up, once in a process, and return it."""
    if not is_possible():
        pytest.skip("mutmut forks, and autograd's threads for one more device do not survive that")
    _setup_privateuseone_for_python_backend(NAME, backend_module=_Module(), hook=_Hook())
    _library.fallback(_compute, "PrivateUse1")
    _factories.impl("eye", _eye, "PrivateUse1")
    return torch.device(NAME, 0)


_library = torch.library.Library("_", "IMPL")
_factories = torch.library.Library("aten", "IMPL")


class EmulatedTensor(Tensor):
    """A tensor that says it is on the emulated device; its numbers are in ``numbers``."""

    numbers: Tensor

    @staticmethod
    def __new__(cls, numbers: Tensor) -> "EmulatedTensor":
        if numbers.dtype in _UNKNOWN_TYPES:
            raise TypeError(_NO_FLOAT64)
        tensor = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            numbers.shape,
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            device=device(),
        )
        tensor.numbers = numbers
        return tensor

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"{self.numbers!r} on {NAME}"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, op: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _compute(op, *args, **(kwargs or {}))


# Between devices, or with indices on the CPU: what a GPU allows.
_MIXING = ("aten::_to_copy", "aten::copy_", "aten::_copy_from", "aten::index.", "aten::index_put")


def _type_after(name: str, args: Any, kwargs: Any) -> torch.dtype | None:
    """The type that a copy ends in, on whatever device; an Apple GPU converts before it sends."""
    position = {"aten::copy_": 0, "aten::_copy_from": 1}.get(name)
    if position is not None:
        target: Tensor = args[position]
        return target.dtype
    return kwargs.get("dtype") if name.startswith("aten::_to_copy") else None


def _eye(n: int, *, dtype: torch.dtype | None = None, **_: Any) -> Tensor:
    """Torch's own resizes an empty tensor, and an emulated one would not know its new size."""
    return EmulatedTensor(torch.eye(n, dtype=dtype, device="cpu"))


def _compute(op: Any, *args: Any, **kwargs: Any) -> Any:
    """Compute an operation that touches the emulated device, after a GPU's checks."""
    name, leaves = op.name(), tree_leaves((args, kwargs))
    tensors = [x for x in leaves if isinstance(x, Tensor)]
    emulated = [x for x in tensors if isinstance(x, EmulatedTensor)]
    wanted = kwargs.get("device")
    here = bool(emulated) if wanted is None else torch.device(wanted).type == NAME
    if any(isinstance(x, torch.Generator) for x in leaves):
        raise RuntimeError(f"{name}: expected a generator of the {NAME} device, found the CPU's")
    mixing = name.startswith(_MIXING) and isinstance(args[0], EmulatedTensor)
    mixing = mixing or name.startswith(_MIXING[:3])
    if emulated and not mixing:
        for x in tensors:
            if not isinstance(x, EmulatedTensor) and x.ndim:
                raise RuntimeError(
                    f"{name}: expected all tensors on one device, found {NAME} and cpu"
                )
    if name.startswith("aten::copy_"):
        here = isinstance(args[0], EmulatedTensor)
    if emulated and _type_after(name, args, kwargs) in _UNKNOWN_TYPES:
        raise TypeError(f"{name}: {_NO_FLOAT64}")
    known = {id(x.numbers): x for x in emulated}

    def to_cpu(x: Any) -> Any:
        if isinstance(x, EmulatedTensor):
            return x.numbers
        return torch.device("cpu") if isinstance(x, torch.device) and x.type == NAME else x

    def back(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        if id(x) in known:
            return known[id(x)]
        return EmulatedTensor(x) if here else x

    args, kwargs = tree_map(to_cpu, (args, kwargs))
    return tree_map(back, op(*args, **kwargs))

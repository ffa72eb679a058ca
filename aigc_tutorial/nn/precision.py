"""Where half a precision is too little."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Float
from torch import Tensor


def full_precision(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The numbers in float32, or in float64 if that is what they are.

    A network may compute in bfloat16, which keeps three digits; a loss, a penalty or a logarithm of
    what it returns needs more of them.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def rounding_of_factors() -> float:
    """By what share a product of float32 may be off since a reader has allowed rounded factors.

    ``torch.set_float32_matmul_precision`` allows TF32, or bfloat16; 0 where neither is.
    """
    try:
        allowed = torch.get_float32_matmul_precision()
    except RuntimeError:
        # Allowed for one backend, by torch.backends.….fp32_precision, which torch does not sum up.
        allowed = "medium"
    return {"highest": 0.0, "high": 2**-9, "medium": 2**-6}[allowed]


@contextmanager
def autocast_off() -> Iterator[None]:
    """Compute in the types that the tensors have, within a caller's ``torch.autocast`` too.

    It keeps its first copy of every weight until it ends: a network that is trained in it stays as
    it began, without a word. And a measure must not depend on what is around it.
    """
    here = torch.accelerator.current_accelerator()
    with ExitStack() as contexts:
        for kind in {"cpu", "cpu" if here is None else here.type}:
            if torch.is_autocast_enabled(kind):
                contexts.enter_context(torch.autocast(kind, enabled=False))
        yield

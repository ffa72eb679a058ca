r"""LoRA: adapt a trained model by two thin matrices beside each of its frozen ones.

A linear map of a trained model keeps its matrix :math:`W_0`, and learns a correction of rank r:

.. math:: h = W_0 x + \frac{\alpha}{r} B A x, \qquad A \in \mathbb{R}^{r \times d_\text{in}},
    \quad B \in \mathbb{R}^{d_\text{out} \times r}

With :math:`B = 0` at the beginning, the adapted model computes what the trained one does, bit for
bit. Source: Hu et al. (2021), arXiv 2106.09685, equation 3. Of :math:`A` the paper says Gaussian;
the authors' code draws it uniformly from :math:`\pm 1 / \sqrt{d_\text{in}}`, and so does this.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aigc_tutorial.adaptation.targets import as_out_in, chosen_layers, some_of
from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import as_count

_TRAINABLE = "_trainable_before_lora"
"""Attribute of each adapted module: its own parameters that removing LoRA sets free again."""


class LoRALinear(nn.Module):
    """A frozen linear layer and the two factors that are learned beside it.

    Attributes:
        base: the layer as it was, frozen; nothing here ever changes it.
        A: (r, d_in), maps an input to r numbers.
        B: (d_out, r), maps these to a correction of the output.
        scale: what the correction is multiplied by, alpha / r.
        is_on: whether it is added; :func:`without_lora` switches it off.
        merged: the sum of all while the layer is merged, else None. It is a copy that no
            ``state_dict`` holds: the state is the same whether merged or not.
    """

    merged: Tensor | None
    not_saved_since = (
        "it has LoRA, which its configuration does not know, and would not be loaded again; "
        "adaptation.save_lora(model, folder) writes the factors, and "
        "remove_lora(model, keep=True) adds them to the weights"
    )

    def __init__(self, base: nn.Module, rank: int, alpha: float, *, rng: torch.Generator) -> None:
        super().__init__()
        self.base, self.scale, self.is_on = base.requires_grad_(False), alpha / rank, True
        n_out, n_in = as_out_in(base, self._base_weight).shape
        a = torch.empty(rank, n_in, device=rng.device).uniform_(-1, 1, generator=rng) / n_in**0.5
        self.A = nn.Parameter(a.to(self._base_weight))
        self.B = nn.Parameter(self._base_weight.new_zeros(n_out, rank))
        self.register_buffer("merged", None, persistent=False)
        self.register_load_state_dict_post_hook(_merge_again)

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_out"]:
        """The base's output and the correction."""
        if not self.is_on:
            return self.base(x)
        if self.merged is None:
            return self.base(x) + F.linear(F.linear(x, self.A), self.B) * self.scale
        if self.training and torch.is_grad_enabled():
            raise RuntimeError(
                "a merged LoRA cannot learn: its factors are not used; call unmerge_lora(model) "
                "before the training, or model.eval() to use the model"
            )
        return torch.func.functional_call(self.base, {"weight": self.merged}, (x,))

    def merge(self) -> None:
        """Add the correction to a copy of the base's matrix, by which one product does for both."""
        self.merged = None
        self.merged = self.weight.detach().clone()

    @property
    def weight(self) -> Tensor:
        """The matrix that is in force, laid out as the base's: for code that multiplies itself."""
        if not self.is_on:
            return self._base_weight
        if self.merged is not None:
            return self.merged
        return self._base_weight + as_out_in(self.base, self.B @ self.A) * self.scale

    @property
    def bias(self) -> Tensor | None:
        """The base's bias, if it has one; it is frozen."""
        return getattr(self.base, "bias", None)

    @property
    def rank(self) -> int:
        """The number r of rows of ``A`` and of columns of ``B``."""
        return len(self.A)

    @property
    def _base_weight(self) -> Tensor:
        weight = self.base.weight
        assert isinstance(weight, Tensor)
        return weight


def _merge_again(layer: nn.Module, _missing_keys: Any) -> None:
    """After other weights were loaded into a merged layer and its base."""
    assert isinstance(layer, LoRALinear)
    if layer.merged is not None:
        layer.merge()


def add_lora(
    model: nn.Module,
    *,
    rank: int = 8,
    alpha: float | None = None,
    targets: str | Sequence[str] | None = None,
    rng: torch.Generator,
) -> tuple[str, ...]:
    """Freeze a model, and put LoRA's factors beside its linear layers: these alone learn now.

    The model is changed in place and trained as before, by ``ar.train`` for example, which moves
    the factors by AdamW at ``learning_rate_others``. A checkpoint of such a training is continued
    by building model and factors anew, from the same seeds.

    >>> from aigc_tutorial import adaptation, nn, zoo
    >>> model = zoo.load("english-bytes")
    >>> layers = adaptation.add_lora(model, rank=4, rng=torch.Generator().manual_seed(0))
    >>> layers[:2]
    ('blocks.0.attention.query_key_value', 'blocks.0.attention.output')
    >>> nn.count_parameters(model)
    32768

    Args:
        model: any module with layers ``nn.Linear``, or ``Conv1D``, as the ``transformers``
            library's GPT-2 calls them.
        rank: r, at most the smaller width of each layer.
        alpha: the correction is scaled by alpha / r; None for r, which is a scale of 1.
        targets: names of layers, each in full, or its end after a dot: "query_key_value" is that of
            every block. None for all linear layers but those with a row for each token, which the
            model's ``symbol_layers`` names, and those whose matrix another module shares.
        rng: draws ``A``.

    Returns:
        The names of the layers that were adapted, in the model's order.

    Raises:
        ValueError: if there is no layer of such a name or kind, or one shares its matrix, as a head
            that is tied to the embedding does: the correction would be the head's alone, and the
            two be tied no more. Also if the model has LoRA already, or the rank is too large.
    """
    rank, rng = as_count(rank, "rank"), require_rng(rng)
    scale = rank if alpha is None else float(alpha)
    if not 0 < scale < math.inf:
        raise ValueError(f"alpha must be above 0 and finite, or None for the rank, got {alpha}")
    if found := list(lora_layers(model)):
        raise ValueError(
            f"the {type(model).__name__} has LoRA already, in {some_of(found)}; train that, or "
            "take it off first: remove_lora(model, keep=True) leaves what it learned in the weights"
        )
    names = chosen_layers(model, targets)
    for name in names:
        base = model.get_submodule(name)
        if rank > (width := min(base.weight.shape)):  # type: ignore[union-attr,arg-type]
            raise ValueError(
                f"rank {rank} is more than {width}, the smaller width of {name}, whose matrix "
                f"has no higher rank; expected 1 to {width}, or other targets"
            )
    for part in model.modules():
        own = part.named_parameters(recurse=False)
        setattr(part, _TRAINABLE, [name for name, p in own if p.requires_grad])
    model.requires_grad_(False)
    for name in names:
        base = model.get_submodule(name)
        layer = LoRALinear(base, rank, scale, rng=rng).train(base.training)
        model.set_submodule(name, layer)
    return names


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """The adapted layers of a model by name; none if it has no LoRA."""
    return {name: part for name, part in model.named_modules() if isinstance(part, LoRALinear)}


@contextmanager
def without_lora(model: nn.Module) -> Iterator[None]:
    """Let a model compute what it did before it was adapted, with the same bits, and go on after.

    For a comparison, or for the reference that a tuned model must not leave too far. Every use of
    the model in the meantime is without, in other threads too.

    Raises:
        ValueError: if the model has no LoRA.
    """
    before = {layer: layer.is_on for layer in existing_lora(model).values()}
    for layer in before:
        layer.is_on = False
    try:
        yield
    finally:
        for layer, was_on in before.items():
            layer.is_on = was_on


def merge_lora(model: nn.Module) -> None:
    """Add each correction to a copy of its layer's matrix: the model is as fast as before LoRA.

    The sum is rounded once for each weight, so outputs differ from those of the unmerged model in
    the last bits. The frozen matrices stay aside, which :func:`unmerge_lora` relies on and which
    takes their memory twice; :func:`remove_lora` lets go of them.

    Raises:
        ValueError: if the model has no LoRA.
    """
    for layer in existing_lora(model).values():
        layer.merge()


def unmerge_lora(model: nn.Module) -> None:
    """Undo :func:`merge_lora`: base and factors are what they were, bit for bit.

    Nothing is subtracted, which would leave rounding behind: the sums are dropped.

    Raises:
        ValueError: if the model has no LoRA.
    """
    for layer in existing_lora(model).values():
        layer.merged = None


def remove_lora(model: nn.Module, *, keep: bool) -> None:
    """Take LoRA off: the model is of plain layers again, to be saved, exported or adapted anew.

    What could be trained before it was adapted can be trained again.

    Args:
        model: is changed in place.
        keep: True adds what was learned to the weights; False leaves the weights of before, bit for
            bit.

    Raises:
        ValueError: if the model has no LoRA.
    """
    for name, layer in existing_lora(model).items():
        layer.is_on = True
        base = layer.base.train(layer.training)
        if keep:
            layer.merge()
            with torch.no_grad():
                layer._base_weight.copy_(layer.weight)
        model.set_submodule(name, base)
    for part in model.modules():  # what was adapted may be a part of what is given here, or more
        for name in part.__dict__.pop(_TRAINABLE, ()):
            part.get_parameter(name).requires_grad_(True)


def existing_lora(model: nn.Module) -> dict[str, LoRALinear]:
    """The adapted layers by name; a ValueError if there is none."""
    if not (layers := lora_layers(model)):
        raise ValueError(
            f"the {type(model).__name__} has no LoRA; add_lora(model, rank=8, rng=rng) adds it"
        )
    return layers

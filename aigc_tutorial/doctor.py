"""Whether a machine's numbers can be trusted: small networks on its device against the CPU.

A device that multiplies wrongly trains all the same, only worse, and the reader looks for the fault
in the book. So before the first page: forward pass, gradients and twenty training steps of a small
GAN and of a small Transformer, once on the device in float32 and once on the CPU in float64, whose
own rounding is far below all that is asked for here.

>>> from aigc_tutorial import doctor
>>> diagnosis = doctor.examine("cpu")
>>> diagnosis.is_trusted
True
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from aigc_tutorial import ar, gan
from aigc_tutorial.environment import Report, lacks_memory, report
from aigc_tutorial.gan.penalties import r1_penalty
from aigc_tutorial.nn import evaluation_mode, gradients_on, seeded_weights
from aigc_tutorial.training import Engine

ModuleT = TypeVar("ModuleT", bound=nn.Module)

N_STEPS = 20
TOLERANCES = {"forward": 1e-4, "gradient": 1e-3, "training": 2e-2}
"""By what share numbers may differ from those of the CPU in float64.

Float32 itself is a hundred times nearer. Twenty steps make the rounding of the first one larger; a
wrong gradient changes them by much more. The rounding of factors to ten bits (TF32), which GPUs do
in convolutions unless they are told not to, is switched off meanwhile.
"""

_SHAPE = (1, 8, 8)
_N_ROWS, _BATCH, _CONTEXT, _VOCABULARY = 64, 8, 16, 16
# A tensor whose numbers are tiny beside the others', such as the gradient of a bias before a batch
# norm, is all rounding: it is measured by this share of the others' size.
_SMALLEST_SHARE = 1e-3


@dataclass(frozen=True)
class Check:
    """One computation on the device beside the same on the CPU.

    Attributes:
        name: what was computed.
        difference: by what share the device's numbers differ; NaN if there is none.
        tolerance: by what share they may.
        seconds: that it took on the device, with what it compiles at its first use.
        error: what the device said in place of numbers; empty if it computed.
        lacks_memory: whether it said that its memory, or the CPU's, is full.
    """

    name: str
    difference: float
    tolerance: float
    seconds: float
    error: str = ""
    lacks_memory: bool = False

    @property
    def is_passed(self) -> bool:
        """Whether there are numbers, and as near as they must be."""
        return not self.error and self.difference <= self.tolerance

    def __str__(self) -> str:
        """One line for a table."""
        mark = "ok    " if self.is_passed else "MEMORY" if self.lacks_memory else "WRONG "
        if self.error:
            return f"{mark} {self.name:<22} {self.error.splitlines()[0]}"
        return (
            f"{mark} {self.name:<22} differs by {self.difference:.1e}, allowed "
            f"{self.tolerance:.0e}; {self.seconds:.2f} s"
        )


@dataclass(frozen=True)
class Diagnosis:
    """What :func:`examine` found.

    Attributes:
        report: Python, devices and packages.
        device: what was examined.
        checks: each computation.
    """

    report: Report
    device: str
    checks: tuple[Check, ...]

    @property
    def is_trusted(self) -> bool:
        """Whether every check is passed."""
        return all(check.is_passed for check in self.checks)

    def __str__(self) -> str:
        """The machine, each check, and the verdict."""
        if self.is_trusted:
            verdict = f"{self.device} can be trusted."
        elif all(check.is_passed or check.lacks_memory for check in self.checks):
            verdict = (
                "There was not enough memory, though the networks are small: end other programs "
                f"and examine again. Of {self.device} nothing wrong is known."
            )
        else:
            verdict = (
                f"{self.device} cannot be trusted with float32: use --device cpu, or "
                'Engine(device="cpu"), and try another version of torch or of the driver.'
            )
        against = f"{self.device} in float32 against the CPU in float64:"
        return "\n".join([str(self.report), "", against, *map(str, self.checks), "", verdict])


def examine(device: str | torch.device | None = None, *, engine: Engine | None = None) -> Diagnosis:
    """Compute on a device and on the CPU, and compare.

    Args:
        device: what to examine; by default the GPU where there is one, else the CPU, whose float32
            is compared with its own float64.
        engine: in place of the device, one that is set up already.

    Raises:
        ValueError: if there is no such device.
    """
    engine = Engine(device=device) if engine is None else engine
    checks = [
        _check(f"{name}, {what}", TOLERANCES[what], compute, engine)
        for name, computations in (("GAN", _GAN), ("Transformer", _TRANSFORMER))
        for what, compute in computations.items()
    ]
    return Diagnosis(report(), str(engine.device), tuple(checks))


Computation = Callable[[Engine, torch.dtype], Iterable[Tensor]]


def _check(name: str, tolerance: float, compute: Computation, engine: Engine) -> Check:
    started = time.perf_counter()
    try:
        expected = _expected(compute)
        started = time.perf_counter()
        with _whole_factors():
            found = [x.detach().cpu().double() for x in compute(engine, torch.float32)]
    except (ArithmeticError, MemoryError, NotImplementedError, RuntimeError, TypeError) as error:
        seconds = time.perf_counter() - started
        words = str(error) or type(error).__name__
        return Check(name, float("nan"), tolerance, seconds, words, lacks_memory(error))
    seconds = time.perf_counter() - started
    return Check(name, _difference(found, expected), tolerance, seconds)


@cache
def _expected(compute: Computation) -> list[Tensor]:
    return [x.detach().double() for x in compute(Engine(device="cpu"), torch.float64)]


@contextmanager
def _whole_factors() -> Iterator[None]:
    """Multiply in full float32, also where TF32 is usual."""
    backends: Any = torch.backends
    settings = (backends.cudnn.conv, backends.cuda.matmul)
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "ieee"
        yield
    finally:
        for setting, precision in zip(settings, before, strict=True):
            setting.fp32_precision = precision


def _difference(found: list[Tensor], expected: list[Tensor]) -> float:
    """The largest share by which a tensor differs; infinite where a number is not finite."""
    size = max(float(x.norm()) for x in expected)
    shares = [
        float((a - b).norm()) / max(float(b.norm()), _SMALLEST_SHARE * size)
        for a, b in zip(found, expected, strict=True)
    ]
    return max(share if share == share else float("inf") for share in shares)


def _filled(module: ModuleT, dtype: torch.dtype) -> ModuleT:
    """The module with numbers in the matrices that begin as zeros, behind which nothing is seen."""
    rng = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1 and not parameter.any():
                numbers = torch.randn(parameter.shape, generator=rng)
                parameter.copy_(numbers / parameter[0].numel() ** 0.5)
    return module.to(dtype)


def _networks(dtype: torch.dtype) -> tuple[gan.ConvGenerator, gan.ConvDiscriminator]:
    with seeded_weights(0):
        generator = gan.ConvGenerator(gan.ConvGeneratorConfig(8, _SHAPE, (16, 8)))
        discriminator = gan.ConvDiscriminator(gan.ConvDiscriminatorConfig(_SHAPE, (8, 16, 16)))
    return _filled(generator, dtype), _filled(discriminator, dtype)


def _images(dtype: torch.dtype) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    return torch.rand(_N_ROWS, *_SHAPE, generator=rng).to(dtype) * 2 - 1


def _forward_of_gan(engine: Engine, dtype: torch.dtype) -> Iterable[Tensor]:
    generator, discriminator = (net.to(engine.device) for net in _networks(dtype))
    z = torch.randn(_BATCH, 8, generator=torch.Generator().manual_seed(2)).to(dtype)
    with torch.no_grad(), evaluation_mode(generator), evaluation_mode(discriminator):
        images = generator(z.to(engine.device))
        return [images, discriminator(images)]


@gradients_on()
def _gradient_of_gan(engine: Engine, dtype: torch.dtype) -> Iterable[Tensor]:
    generator, discriminator = (net.to(engine.device) for net in _networks(dtype))
    z = torch.randn(_BATCH, 8, generator=torch.Generator().manual_seed(2)).to(dtype)
    x_real = _images(dtype)[:_BATCH].to(engine.device)
    logits = discriminator(x_real), discriminator(generator(z.to(engine.device)))
    loss = gan.losses.relativistic_discriminator_loss(*logits)
    (loss + r1_penalty(discriminator, x_real)).backward()  # twice differentiated
    return _gradients(generator) + _gradients(discriminator)


def _training_of_gan(engine: Engine, dtype: torch.dtype) -> Iterable[Tensor]:
    config = gan.GANTrainingConfig(
        n_images=N_STEPS * _BATCH,
        batch_size=_BATCH,
        learning_rate_generator=1e-3,
        learning_rate_discriminator=1e-3,
        penalty_every=4,
        ema_half_life_images=_BATCH,
    )
    result = gan.train(
        *_networks(dtype), _images(dtype), config=config, engine=engine, progress_bar=False
    )
    z = torch.Generator().manual_seed(2)
    losses = [torch.tensor(result.history[f"loss_{who}"]) for who in ("generator", "discriminator")]
    return [*losses, result.generator.sample(_BATCH, rng=z)]


def _transformer(dtype: torch.dtype) -> ar.Transformer:
    sizes = ar.TransformerConfig(_VOCABULARY, context=_CONTEXT, n_layers=2, n_heads=2, width=32)
    with seeded_weights(0):
        model = ar.Transformer(sizes)
    return _filled(model, dtype)


def _tokens() -> Tensor:
    """A text with something to learn: each token follows from the one before it, mostly."""
    rng = torch.Generator().manual_seed(3)
    steps = torch.randint(1, 3, (_N_ROWS * _CONTEXT,), generator=rng)
    return steps.cumsum(0) % _VOCABULARY


def _forward_of_transformer(engine: Engine, dtype: torch.dtype) -> Iterable[Tensor]:
    model, rows = _transformer(dtype).to(engine.device), _tokens().view(-1, _CONTEXT)[:_BATCH]
    with torch.no_grad(), evaluation_mode(model):
        return [model(rows.to(engine.device))]


@gradients_on()
def _gradient_of_transformer(engine: Engine, dtype: torch.dtype) -> Iterable[Tensor]:
    model, rows = _transformer(dtype).to(engine.device), _tokens().view(-1, _CONTEXT)[:_BATCH]
    model.nll(rows.to(engine.device)).mean().backward()
    return _gradients(model)


def _training_of_transformer(engine: Engine, dtype: torch.dtype) -> Iterable[Tensor]:
    config = ar.ARTrainingConfig(
        n_tokens=N_STEPS * _BATCH * _CONTEXT, batch_size=_BATCH, warmup_tokens=1_000
    )
    model = _transformer(dtype)
    result = ar.train(model, _tokens(), config=config, engine=engine, progress_bar=False)
    rows = _tokens().view(-1, _CONTEXT)[:_BATCH]
    with torch.no_grad():
        return [torch.tensor(result.history["loss"]), result.model(rows)]


def _gradients(module: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in module.parameters() if parameter.grad is not None]


_GAN: dict[str, Any] = {
    "forward": _forward_of_gan,
    "gradient": _gradient_of_gan,
    "training": _training_of_gan,
}
_TRANSFORMER: dict[str, Any] = {
    "forward": _forward_of_transformer,
    "gradient": _gradient_of_transformer,
    "training": _training_of_transformer,
}

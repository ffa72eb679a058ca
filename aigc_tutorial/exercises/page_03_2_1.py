"""Exercises of the page that takes GAN training step by step."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "03_2_1_gan_steps"


def _optimizer_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for decay, epsilon in ((0.99, 1e-8), (0.9, 1e-2)):
        weight, gradient = torch.randn(2, 6, generator=rng)
        mean_square = torch.rand(6, generator=rng)
        yield weight, gradient, mean_square, 0.05, decay, epsilon


def _rmsprop(
    weight: Tensor, gradient: Tensor, mean_square: Tensor, rate: float, decay: float, epsilon: float
) -> tuple[Tensor, Tensor]:
    mean_square = decay * mean_square + (1 - decay) * gradient.square()
    return weight - rate * gradient / (mean_square.sqrt() + epsilon), mean_square


@exercise(
    "rmsprop-step",
    page=PAGE,
    level="warm-up",
    cases=_optimizer_cases,
    hint="first update the running mean of the squared gradient, then divide the gradient by its "
    "square root plus epsilon.",
    remark="Multiply all gradients by 1000: after a while the steps are what they were.",
    mistakes=[
        Mistake(
            lambda w, g, v, rate, decay, eps: (
                w - rate * g / (v.sqrt() + eps),
                decay * v + (1 - decay) * g.square(),
            ),
            "you divided by the old mean square. Update it first.",
        ),
        Mistake(
            lambda w, g, v, rate, decay, eps: _rmsprop(w, g, v, rate, 1 - decay, eps),
            "decay is the share of the old value that is kept.",
        ),
        Mistake(
            lambda w, g, v, rate, decay, eps: (
                w - rate * g / ((new := decay * v + (1 - decay) * g.square()) + eps).sqrt(),
                new,
            ),
            "here epsilon stands outside of the root, as in torch.",
        ),
        Mistake(
            lambda w, g, v, rate, decay, eps: (
                w + rate * g / ((new := decay * v + (1 - decay) * g.square()).sqrt() + eps),
                new,
            ),
            "that is a step uphill.",
        ),
    ],
)
def rmsprop_step(
    weight: Float[Tensor, " P"],
    gradient: Float[Tensor, " P"],
    mean_square: Float[Tensor, " P"],
    learning_rate: float,
    decay: float,
    epsilon: float,
) -> tuple[Float[Tensor, " P"], Float[Tensor, " P"]]:
    """One step of RMSprop; return the new weight and the new mean square, each (P,)."""
    mean_square = decay * mean_square + (1 - decay) * gradient.square()
    return weight - learning_rate * gradient / (mean_square.sqrt() + epsilon), mean_square


def _pair_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n in (4, 9):
        networks = []
        for sizes in ((3, 5, 2), (2, 5, 1)):
            network = nn.Sequential(
                nn.Linear(sizes[0], sizes[1]), nn.Tanh(), nn.Linear(sizes[1], sizes[2])
            )
            for parameter in network.parameters():
                parameter.data = torch.randn(parameter.shape, generator=rng)
            networks.append(network)
        make, score = networks
        judge = nn.Sequential(score, nn.Flatten(0))
        yield make, judge, torch.randn(n, 3, generator=rng)


def _what_moved(arguments: tuple[Any, ...], loss: Tensor) -> dict[str, Any]:
    generator, discriminator, _ = arguments
    loss.backward()

    def total(network: nn.Module) -> Tensor:
        # None would mean that the loss does not reach the network at all.
        parts = [p.grad for p in network.parameters() if p.grad is not None]
        return torch.cat([part.flatten() for part in parts]) if parts else torch.zeros(0)

    return {
        "the loss": loss.detach(),
        "the gradient of the generator": total(generator),
        "the gradient of the discriminator": total(discriminator),
        "whether all weights can still learn": all(
            p.requires_grad for p in (*generator.parameters(), *discriminator.parameters())
        ),
    }


@exercise(
    "generator-turn",
    page=PAGE,
    level="core",
    cases=_pair_cases,
    observe=_what_moved,
    hint="freeze the discriminator's parameters with requires_grad_(False), compute "
    "softplus(-logit) of the generated samples and its mean, and switch them on again.",
    remark="The gradient has passed through the discriminator and left no trace in it.",
    mistakes=[
        Mistake(
            lambda g, d, z: nn.functional.softplus(-d(g(z))).mean(),
            "the generator's gradient is right, but the discriminator has collected one too, which "
            "its own next update would add to.",
        ),
        Mistake(
            lambda g, d, z: nn.functional.softplus(-d(g(z).detach())).mean(),
            "detach cuts the generator off: this is how the discriminator's turn begins.",
        ),
        Mistake(
            lambda g, d, z: nn.functional.softplus(_frozen(d, lambda: d(g(z)))).mean(),
            "this is the discriminator's loss on generated samples. The generator wants the "
            "opposite.",
        ),
        Mistake(
            lambda g, d, z: nn.functional.softplus(-d.requires_grad_(False)(g(z))).mean(),
            "the gradients are right, but the discriminator stays frozen, so that its own turn "
            "would move nothing. Switch it on again.",
        ),
    ],
)
def generator_turn(
    generator: nn.Module, discriminator: nn.Module, z: Float[Tensor, "B Z"]
) -> Float[Tensor, ""]:
    """Non-saturating loss of the generator for latents (B, Z), for its turn.

    The caller runs ``backward`` on what you return. After that every parameter of the generator
    must have its gradient, and no parameter of the discriminator may have any. Leave the
    discriminator trainable: its turn comes again.
    """
    discriminator.requires_grad_(False)
    loss = nn.functional.softplus(-discriminator(generator(z))).mean()
    discriminator.requires_grad_(True)
    return loss


def _frozen(network: nn.Module, compute: Callable[[], Tensor]) -> Tensor:
    network.requires_grad_(False)
    result = compute()
    network.requires_grad_(True)
    return result


def _kept(accuracies: Sequence[float], n_test: int, patience: int, mistake: str) -> int:
    """The rule with a mistake: another accuracy to compare with, or another index to return."""
    margin, kept, reference = 1 / math.sqrt(n_test), 0, accuracies[0]
    for i, accuracy in enumerate(accuracies):
        if accuracy < reference - margin:
            kept, reference = i, accuracy
        elif i - kept >= patience:
            return i if mistake == "stop" else kept
        if mistake == "previous":
            reference = accuracy
        if mistake == "lowest":
            reference = min(reference, accuracy)
    return len(accuracies) - 1 if mistake == "stop" else kept


def _run_cases(_rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield [0.99, 0.91, 0.83, 0.74, 0.68, 0.66], 4_000, 2
    yield [0.99, 0.80, 0.70, 0.69, 0.71, 0.66, 0.65], 4_000, 2
    yield [0.99, 0.70, 0.696, 0.692, 0.60], 4_000, 2
    yield [0.95, 0.62, 0.51, 0.50, 0.49], 1_000, 2
    yield [0.95, 0.90, 0.92, 0.91, 0.93], 100, 3
    yield [0.99, 0.70, 0.69, 0.68, 0.67, 0.50], 4_000, 2  # slowly: beats the last kept one in two
    yield [0.90, 0.89, 0.70, 0.695, 0.60, 0.595, 0.592, 0.40], 4_000, 2
    yield [0.80, 0.90, 0.70, 0.90, 0.60, 0.90, 0.90, 0.50], 4_000, 2
    yield [0.99, 0.70, 0.75, 0.72, 0.40], 4_000, 2  # better than the check before, and no more
    yield [0.80, 0.785, 0.77, 0.755], 4_000, 3  # each step within two errors, two of them not


@exercise(
    "when-to-stop",
    page=PAGE,
    level="research",
    cases=_run_cases,
    hint="keep the index of the last improvement, and compare each accuracy with the one there; "
    "only one that is lower by more than 2 * 0.5 / sqrt(n_test) takes its place.",
    remark="What remains is to take the generator of the index, which is not the last one.",
    mistakes=[
        Mistake(
            lambda accuracies, n_test, patience: min(
                range(len(accuracies)), key=lambda i: accuracies[i]
            ),
            "you looked at the whole run. When it is time to stop, the future is not known.",
        ),
        Mistake(
            lambda accuracies, n_test, patience: next(
                (
                    i
                    for i, accuracy in enumerate(accuracies)
                    if accuracy < 0.5 + 1 / math.sqrt(n_test)
                ),
                len(accuracies) - 1,
            ),
            "this waits for one half, which most generators never reach. Stop when it gets no "
            "better.",
        ),
        Mistake(
            lambda accuracies, n_test, patience: _kept(accuracies, n_test, patience, "previous"),
            "you compared with the check before. Slow progress would never count: compare with the "
            "last improvement.",
        ),
        Mistake(
            lambda accuracies, n_test, patience: _kept(accuracies, n_test, patience, "lowest"),
            "you compared with the lowest accuracy so far, which chance has lowered. Compare with "
            "that of the last improvement.",
        ),
        Mistake(
            lambda accuracies, n_test, patience: _kept(accuracies, n_test, patience, "stop"),
            "this is where training ends. The generator to keep is an earlier one.",
        ),
    ],
)
def when_to_stop(accuracies: Sequence[float], n_test: int, patience: int) -> int:
    """Index of the check whose generator to keep.

    At each check a fresh classifier told real from generated samples with an accuracy, tested on
    ``n_test`` samples. A check is an improvement if its accuracy lies more than two standard
    errors, each ``0.5 / sqrt(n_test)``, below that of the last improvement; the first check counts
    as one. After ``patience`` checks in a row without an improvement training ends, and later
    checks are never made. Return the index of the last improvement.
    """
    margin = 2 * 0.5 / math.sqrt(n_test)
    kept = 0
    for i, accuracy in enumerate(accuracies):
        if accuracy < accuracies[kept] - margin:
            kept = i
        elif i - kept >= patience:
            break
    return kept

"""Several trainings at once: fully connected networks side by side, each with its own row.

One seed proves nothing, and small networks leave a processor idle: calling a layer costs more than
what it computes. Here S networks of one shape are one module with S times the weights. In a batch,
row i belongs to copy i mod S, and a copy never sees another's rows. To a training step such a batch
looks like any other, so :class:`aigc_tutorial.gan.trainer.GANTrainer` trains all copies as they
are, and each takes the steps that it would take alone. Four things to know:

- a batch has S rows for each row of a copy, and everything that counts images counts all of them;
- a loss is the mean over copies, so the gradient of each is divided by S. Adam divides by the
  gradient's size and does not notice, but for its epsilon;
- penalties are means over rows too and need no change;
- nothing may mix rows: there is no batch normalisation.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from aigc_tutorial.gan.base import Discriminator, Generator, check_images, check_latent
from aigc_tutorial.gan.losses import AdversarialLoss
from aigc_tutorial.gan.mlp import (
    MLPDiscriminator,
    MLPDiscriminatorConfig,
    MLPGenerator,
    MLPGeneratorConfig,
)
from aigc_tutorial.gan.trainer import GANTrainer, GANTrainingConfig
from aigc_tutorial.integers import IntegersLike, as_count, as_labels
from aigc_tutorial.nn import seeded_weights
from aigc_tutorial.training import Engine

ConfigT = TypeVar("ConfigT", MLPGeneratorConfig, MLPDiscriminatorConfig)


def join_copies(parts: Shaped[Tensor, "S B ..."]) -> Shaped[Tensor, "R ..."]:
    """Rows of all copies as one batch, in which row i is copy i mod S's."""
    return parts.transpose(0, 1).flatten(0, 1)


def split_copies(rows: Shaped[Tensor, "R ..."], n_copies: int) -> Shaped[Tensor, "S B ..."]:
    """The rows of each copy: what :func:`join_copies` joined.

    Raises:
        ValueError: if the copies would not have equally many rows.
    """
    if len(rows) % n_copies:
        raise ValueError(
            f"{len(rows)} rows cannot be dealt to {n_copies} copies evenly; "
            f"give a multiple of {n_copies}"
        )
    return rows.unflatten(0, (-1, n_copies)).transpose(0, 1)


@dataclass(frozen=True)
class MLPGeneratorCopiesConfig(MLPGeneratorConfig):
    """Configuration of :class:`MLPGeneratorCopies`: that of a copy, and their number.

    Attributes:
        n_copies: S.
    """

    n_copies: int = 1

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("n_copies", at_least=1)
        if self.batch_norm:
            raise ValueError("batch normalisation would mix the rows of different copies")


@dataclass(frozen=True)
class MLPDiscriminatorCopiesConfig(MLPDiscriminatorConfig):
    """Configuration of :class:`MLPDiscriminatorCopies`: that of a copy, and their number.

    Attributes:
        n_copies: S.
    """

    n_copies: int = 1

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("n_copies", at_least=1)


class LinearCopies(nn.Module):
    """S linear layers side by side: one batched matrix product."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))

    def forward(self, x: Float[Tensor, "S B n_in"]) -> Float[Tensor, "S B n_out"]:
        """Each copy's layer, applied to its own rows."""
        return torch.baddbmm(self.bias[:, None], x, self.weight.transpose(1, 2))


class MLPGeneratorCopies(Generator):
    """S generators; copy s turns the latents in rows s, s + S, s + 2S and so on into data."""

    config_class = MLPGeneratorCopiesConfig
    config: MLPGeneratorCopiesConfig

    def __init__(self, config: MLPGeneratorCopiesConfig) -> None:
        """Draw the weights of one copy after the other, from torch's global seed."""
        super().__init__(config)
        one = _of_one(config, MLPGeneratorConfig)
        networks = [MLPGenerator(one) for _ in range(config.n_copies)]
        self.layers = _side_by_side([network.layers for network in networks])

    def forward(self, z: Float[Tensor, "R Z"]) -> Float[Tensor, "R ..."]:
        """Generate one sample from each latent vector."""
        check_latent(z, self.latent_dim)
        rows = join_copies(self.layers(split_copies(z, self.config.n_copies)))
        return rows.unflatten(1, self.config.image_shape)

    def sample(
        self,
        n: int,
        labels: Int64[Tensor, " {n}"] | IntegersLike | None = None,
        *,
        rng: torch.Generator | None = None,
        batch_size: int = 1000,
    ) -> Float[Tensor, "{n} ..."]:
        """Draw ``n`` samples, row i from copy i mod S; see :meth:`Generator.sample`.

        Both numbers may be any: rows are computed in whole rounds of the copies, and those past
        ``n`` are left out. There are no classes, so labels are refused.
        """
        as_labels(labels, self.n_classes, batch_size=n)
        copies = self.config.n_copies
        whole, part = n + -n % copies, batch_size + -batch_size % copies
        return super().sample(whole, rng=rng, batch_size=part)[:n]

    def sample_each(
        self, n: int, *, rng: torch.Generator | None = None
    ) -> Float[Tensor, "S {n} ..."]:
        """Draw ``n`` samples of each copy."""
        n_copies = self.config.n_copies
        rows = self.sample(n * n_copies, rng=rng, batch_size=1000 * n_copies)
        return split_copies(rows, n_copies)

    def copy(self, number: int) -> MLPGenerator:
        """Copy ``number``, from 0, as a network of its own, in evaluation mode.

        Raises:
            ValueError: if there is none of this number.
        """
        with seeded_weights(0):  # which are written over
            network = MLPGenerator(_of_one(self.config, MLPGeneratorConfig))
        network.to(next(self.parameters()))
        _take_out(self.layers, network.layers, number)
        return network.eval()


class MLPDiscriminatorCopies(Discriminator):
    """S discriminators; copy s judges the rows s, s + S, s + 2S and so on."""

    config_class = MLPDiscriminatorCopiesConfig
    config: MLPDiscriminatorCopiesConfig

    def __init__(self, config: MLPDiscriminatorCopiesConfig) -> None:
        """Draw the weights of one copy after the other, from torch's global seed."""
        super().__init__(config)
        one = _of_one(config, MLPDiscriminatorConfig)
        networks = [MLPDiscriminator(one) for _ in range(config.n_copies)]
        self.layers = _side_by_side([network.layers for network in networks])

    def forward(self, x: Float[Tensor, "R ..."]) -> Float[Tensor, " R"]:
        """Score each row with one logit, positive for "real"."""
        check_images(x, self.config.image_shape)
        parts = split_copies(x.flatten(1), self.config.n_copies)
        return join_copies(self.layers(parts)).squeeze(1)

    def copy(self, number: int) -> MLPDiscriminator:
        """Copy ``number``, from 0, as a network of its own, in evaluation mode.

        Raises:
            ValueError: if there is none of this number.
        """
        with seeded_weights(0):  # which are written over
            network = MLPDiscriminator(_of_one(self.config, MLPDiscriminatorConfig))
        network.to(next(self.parameters()))
        _take_out(self.layers, network.layers, number)
        return network.eval()


def copies_trainer(
    generator: MLPGeneratorCopiesConfig,
    discriminator: MLPDiscriminatorCopiesConfig,
    *,
    loss: AdversarialLoss,
    config: GANTrainingConfig,
    seed: int,
    rng: torch.Generator,
) -> GANTrainer:
    """Pairs of networks with weights drawn from the seed, and the trainer of all of them, on a CPU.

    Args:
        generator: sizes of each generator, and their number.
        discriminator: the same of the discriminators.
        loss: the game that each pair plays.
        config: how one pair is trained alone. The trainer counts the images of all pairs, so what
            is counted in images, the averaged generator's half-life among it, becomes so many
            times as much there.
        seed: draws the weights, and touches no global state.
        rng: draws latents and the penalties' random numbers.

    Raises:
        ValueError: if there are not equally many generators and discriminators.
    """
    n_copies = generator.n_copies
    of_all = {
        name: getattr(config, name) * n_copies
        for name in ("n_images", "warmup_images", "ema_half_life_images")
    }
    with seeded_weights(as_count(seed, "seed", at_least=0)):
        networks = MLPGeneratorCopies(generator), MLPDiscriminatorCopies(discriminator)
    return GANTrainer(
        *networks,
        loss=loss,
        config=dataclasses.replace(config, **of_all),
        rng=rng,
        engine=Engine(device="cpu"),
    )


def _of_one(config: Any, config_class: type[ConfigT]) -> ConfigT:
    """The configuration of one copy."""
    own = {field.name: getattr(config, field.name) for field in dataclasses.fields(config_class)}
    return config_class(**own)


def _side_by_side(networks: Sequence[nn.Sequential]) -> nn.Sequential:
    """One network of layers (S, B, n) from S networks of one shape."""
    layers: list[nn.Module] = []
    for same in zip(*networks, strict=True):
        if isinstance(same[0], nn.Linear):
            layers.append(LinearCopies(same))
        elif not isinstance(same[0], nn.Flatten):  # rows are flat already
            layers.append(same[0])
    return nn.Sequential(*layers)


@torch.no_grad()
def _take_out(copies: nn.Sequential, network: nn.Sequential, number: int) -> None:
    """Write the weights of one copy into a network of its own."""
    own = [layer for layer in network if isinstance(layer, nn.Linear)]
    stacked = [layer for layer in copies if isinstance(layer, LinearCopies)]
    if as_count(number, "number", at_least=0) >= (n_copies := len(stacked[0].weight)):
        raise ValueError(
            f"number must be 0 … {n_copies - 1}, got {number}: the copies are counted from 0"
        )
    for layer, layers in zip(own, stacked, strict=True):
        layer.weight.copy_(layers.weight[number])
        layer.bias.copy_(layers.bias[number])

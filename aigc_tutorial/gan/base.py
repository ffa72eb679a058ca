"""What every generator and discriminator of this package can do."""

import math
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.data.checks import (
    Samples,
    as_float32,
    as_samples,
    require_image_range,
    require_rng,
)
from aigc_tutorial.integers import IntegersLike, as_count, as_labels
from aigc_tutorial.nn import Pretrained, evaluation_mode


class Generator(Pretrained):
    """Maps latent vectors z ~ N(0, I) to data, of the class that is asked for if it has classes.

    A subclass defines ``forward(z)`` and a configuration with ``latent_dim`` and ``image_shape``.
    If the configuration has an ``n_classes`` that is not None, it is ``forward(z, labels)``.
    """

    @property
    def latent_dim(self) -> int:
        """Z, the number of components of a latent vector."""
        return self.config.latent_dim

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one output: (C, H, W) for images."""
        return self.config.image_shape

    @property
    def n_classes(self) -> int | None:
        """How many classes there are if it is told each sample's class, else None."""
        return getattr(self.config, "n_classes", None)

    def sample_latent(
        self, n: int, *, rng: torch.Generator | None = None
    ) -> Float[Tensor, "{n} Z"]:
        """Draw ``n`` latent vectors on the model's device.

        The numbers are drawn where ``rng`` lives, by default on the CPU, in float32, and
        moved and converted after that: one seed then gives the same latents on a laptop and on a
        GPU, for float32 weights and for half precision.

        Raises:
            ValueError: if ``n`` is below 1.
            TypeError: if ``rng`` is no generator of torch.
        """
        as_count(n, "n")
        where = "cpu" if rng is None else require_rng(rng).device
        z = torch.randn(n, self.latent_dim, generator=rng, device=where, dtype=torch.float32)
        return z.to(next(self.parameters()))

    @torch.no_grad()
    def sample(
        self,
        n: int,
        labels: Int64[Tensor, " {n}"] | IntegersLike | None = None,
        *,
        rng: torch.Generator | None = None,
        batch_size: int = 1000,
    ) -> Float[Tensor, "{n} ..."]:
        """Draw ``n`` samples in evaluation mode, without gradients; several threads may do so.

        Args:
            n: number of samples.
            labels: class of each, for a generator with classes, and only for such.
            rng: source of randomness; with the same seed the same samples.
            batch_size: how many are computed at once, a matter of memory alone.

        Returns:
            Samples on the model's device; images lie in [-1, 1].

        Raises:
            ValueError: if ``n`` or ``batch_size`` is below 1, or if labels are missing,
                superfluous, not ``n``, or no classes.
        """
        as_count(batch_size, "batch_size")
        z = self.sample_latent(n, rng=rng)
        classes = as_labels(labels, self.n_classes, batch_size=n)
        parts = [z.split(batch_size)]
        if classes is not None:
            parts.append(classes.to(z.device).split(batch_size))
        with evaluation_mode(self):
            return torch.cat([self(*part) for part in zip(*parts, strict=True)])


class Discriminator(Pretrained):
    """Maps data to one logit each; ``sigmoid(logit)`` is the probability of being real.

    For a Wasserstein loss the same number is a critic's score and no sigmoid is applied. A
    subclass defines ``forward(x)`` and a configuration with ``image_shape``. If the configuration
    has an ``n_classes`` that is not None, it is ``forward(x, labels)``, and the logit answers
    whether ``x`` is a real sample of that class.
    """

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one input: (C, H, W) for images."""
        return self.config.image_shape

    @property
    def n_classes(self) -> int | None:
        """How many classes there are if it is told each sample's class, else None."""
        return getattr(self.config, "n_classes", None)


def check_image_shape(image_shape: tuple[int, ...]) -> int:
    """Return the number of values in one sample after checking that its shape is usable.

    Raises:
        ValueError: if ``image_shape`` is neither (C, H, W) nor (n,), or looks like (H, W, C).
    """
    if len(image_shape) not in (1, 3) or min(image_shape) < 1:
        raise ValueError(
            "image_shape must be (channels, height, width), or (n,) for vectors, with positive "
            f"sizes, got {image_shape}"
        )
    if len(image_shape) == 1:
        return image_shape[0]
    channels, height, width = image_shape
    if width in (1, 3) and channels not in (1, 3) and height > 3:
        raise ValueError(
            f"image_shape {image_shape} looks like (height, width, channels); torch orders images "
            f"(channels, height, width): write {(width, channels, height)}"
        )
    return math.prod(image_shape)


def check_images(x: Tensor, image_shape: tuple[int, ...]) -> None:
    """Raise a ValueError unless ``x`` is a batch of data of shape ``image_shape``."""
    if tuple(x.shape[1:]) != tuple(image_shape):
        raise ValueError(
            f"expected a batch of shape (B, {', '.join(map(str, image_shape))}), "
            f"got {tuple(x.shape)}"
        )


def check_latent(z: Tensor, latent_dim: int) -> None:
    """Raise a ValueError unless ``z`` is a batch of latent vectors of size ``latent_dim``."""
    if z.ndim != 2 or z.shape[1] != latent_dim:
        raise ValueError(f"expected latents of shape (B, {latent_dim}), got {tuple(z.shape)}")


def check_network(network: Any, kind: type[nn.Module], name: str) -> None:
    """Refuse what is no network of a kind; of one that is wrapped, the engine says what to do.

    Args:
        network: what is to be trained.
        kind: the class that it must be of.
        name: what to call it in the message.

    Raises:
        TypeError: if it is something else.
    """
    inner = getattr(network, "_orig_mod", getattr(network, "module", network))
    if not isinstance(inner, kind):
        raise TypeError(
            f"the {name} must be of the class {kind.__name__}, got a {type(network).__name__}; "
            "a network of one's own is a subclass of it with a configuration, as "
            "gan.MLPGenerator and gan.MLPDiscriminator are"
        )


def check_generated(x_fake: Tensor, x_real: Tensor) -> None:
    """Raise a ValueError unless a generator made as many samples as asked for, of the data's shape.

    What is smaller would be put beside the data, or stretched to its size, without a word.
    """
    if x_fake.shape != x_real.shape:
        raise ValueError(
            f"the generator made {tuple(x_fake.shape)} where {tuple(x_real.shape)} was asked for, "
            "one sample from each latent: let its forward return the image_shape of its "
            "configuration"
        )


def check_copies(generator: Generator, discriminator: Discriminator) -> None:
    """Refuse networks side by side of different number, whose rows would be dealt to strangers.

    Raises:
        ValueError: if they are; a network that holds no copies counts as one.
    """
    networks = {"generator": generator, "discriminator": discriminator}
    numbers = {n: getattr(net.config, "n_copies", 1) for n, net in networks.items()}
    if len(set(numbers.values())) > 1:
        raise ValueError(
            "each copy of a generator plays against the copy of the discriminator of its number, "
            f"so both must have the same n_copies, got {numbers}"
        )


def training_rows(
    rows: Samples, generator: Pretrained, discriminator: Discriminator
) -> Float[Tensor, " N ..."]:
    """Take the real data of a training, in the type of the networks' weights.

    Args:
        rows: all real data, one sample a row; images in [-1, 1].
        generator: what will imitate or reconstruct them; its configuration has an ``image_shape``.
        discriminator: what will judge them.

    Raises:
        TypeError: if ``rows`` is neither a tensor nor a NumPy array nor a data set of images.
        ValueError: if the networks are not of one type, if data and networks have different shapes,
            if a number is not finite or beyond the type, or if the data do not lie where the
            generator's tanh does: a configuration with ``bounded=False`` says that there is none.
    """
    samples = as_samples(rows, "the data")
    types = {p.dtype for network in (generator, discriminator) for p in network.parameters()}
    if types not in ({torch.float32}, {torch.float64}):
        raise ValueError(
            "the weights of both networks must be of one type, float32 or float64, got "
            f"{' and '.join(sorted(map(str, types)))}; convert them by .float(). "
            'For speed in half precision give Engine(mixed_precision="bf16"), which leaves the '
            "weights as they are"
        )
    shapes = {
        "the data": tuple(samples.shape[1:]),
        "the generator": tuple(generator.config.image_shape),
        "the discriminator": tuple(discriminator.image_shape),
    }
    if len(set(shapes.values())) != 1:
        text = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"all must have the same shape per sample, got {text}")
    _require_reach(samples, generator)
    return samples.double() if torch.float64 in types else as_float32(samples, "the data")


def _require_reach(samples: Float[Tensor, " N ..."], generator: Pretrained) -> None:
    """Refuse data that no latent of a bounded generator can become, and images in [0, 1]."""
    bounded = getattr(generator.config, "bounded", None)
    if bounded and samples.ndim == 2:
        low, high = (float(end) for end in samples.aminmax())
        if max(-low, high) > 1.001:  # but for rounding
            raise ValueError(
                f"the generator's tanh reaches from -1 to 1, and the data lie between {low:.4g} "
                f"and {high:.4g}: write {type(generator.config).__name__}(..., bounded=False) for "
                "numbers of any size"
            )
    # Points in the plane may lie anywhere where nothing says that their generator is bounded.
    if bounded is not False and samples[0].numel() > 2:
        require_image_range(samples, "the data")


def training_labels(
    labels: IntegersLike | None, n_rows: int, generator: Generator, discriminator: Discriminator
) -> Int64[Tensor, " N"] | None:
    """Take the classes of the real data, which both networks are told or neither.

    Args:
        labels: class of each real sample, or None.
        n_rows: N, how many real samples there are.
        generator: what is asked for samples of a class.
        discriminator: what is told of which class a sample should be.

    Raises:
        ValueError: if the networks have not the same classes, or if labels are missing,
            superfluous, not one a sample, or no classes.
    """
    if generator.n_classes != discriminator.n_classes:
        raise ValueError(
            "both networks must be told the same classes, got n_classes "
            f"{generator.n_classes} for the generator and {discriminator.n_classes} for the "
            "discriminator"
        )
    return as_labels(labels, generator.n_classes, batch_size=n_rows)

"""A generator without labels that has classes all the same: groups that were found in the images.

One network that must map one cloud of latents to ten kinds of digits draws much between the kinds.
Told a class, it need not; and the classes can be found without labels (Sage et al., 2018, "Logo
Synthesis and Manipulation with Clustered Generative Adversarial Networks", arXiv 1712.04407; Liu et
al., 2020, "Diverse Image Generation via Self-Conditioned GANs", arXiv 2006.10728). Training is then
that of a conditional GAN:

>>> import torch
>>> from aigc_tutorial import data, gan
>>> images = data.mnist_sample().images
>>> groups = gan.pixel_groups(images, 20, seed=0)
>>> len(groups) == len(images), int(groups.max())
(True, 19)
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.config import Config
from aigc_tutorial.gan.base import Generator, check_image_shape, check_latent
from aigc_tutorial.gan.convolutional import ConvGenerator, ConvGeneratorConfig
from aigc_tutorial.integers import as_labels


@dataclass(frozen=True)
class MixtureGeneratorConfig(Config):
    """Configuration of :class:`MixtureGenerator`.

    Attributes:
        shares: probability of each group; they sum to 1.
        latent_dim: Z, of which the first component decides the group.
        image_shape: (C, H, W) of one image; H and W are multiples of 4.
        channels: see :class:`ConvGeneratorConfig`.
        class_scale: see :class:`ConvGeneratorConfig`.
    """

    shares: tuple[float, ...]
    latent_dim: int = 65
    image_shape: tuple[int, ...] = (1, 28, 28)
    channels: tuple[int, int] = (64, 32)
    class_scale: float = 0.05

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        check_image_shape(self.image_shape)
        self.require("latent_dim", at_least=2)
        self.require("channels", at_least=1)
        self.require("shares", "class_scale", above=0)
        if not self.shares or abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError(
                f"shares are the probabilities of at least one group and sum to 1, got "
                f"{len(self.shares)} that sum to {sum(self.shares):.6g}"
            )

    @property
    def conditional(self) -> ConvGeneratorConfig:
        """Of the generator that draws an image when its group is known."""
        return ConvGeneratorConfig(
            latent_dim=self.latent_dim - 1,
            image_shape=self.image_shape,
            channels=self.channels,
            n_classes=len(self.shares),
            class_scale=self.class_scale,
        )


class MixtureGenerator(Generator):
    r"""A conditional generator that reads its class from the latent's first component.

    Where :math:`\Phi` is the normal distribution function and :math:`\pi` the groups' shares, the
    group is k when :math:`\pi_1 + … + \pi_{k-1} < \Phi(z_1) \le \pi_1 + … + \pi_k`. So groups have
    their shares for :math:`z \sim N(0, I)`, and from outside it is a generator like others. A walk
    through the latents jumps where it comes from one group into another.
    """

    config_class = MixtureGeneratorConfig
    config: MixtureGeneratorConfig
    edges: Tensor

    def __init__(self, config: MixtureGeneratorConfig) -> None:
        super().__init__(config)
        self.conditional = ConvGenerator(config.conditional)
        shares = torch.tensor(config.shares, dtype=torch.float64, device="cpu")
        edges = torch.special.ndtri(shares.cumsum(0)[:-1]).float()
        self.register_buffer("edges", edges, persistent=False)

    def groups(self, z: Float[Tensor, "B Z"]) -> Int64[Tensor, " B"]:
        """The group of each latent vector."""
        check_latent(z, self.latent_dim)
        return (z[:, :1] > self.edges).sum(dim=1)

    def forward(self, z: Float[Tensor, "B Z"]) -> Float[Tensor, "B C H W"]:
        """Generate one image from each latent vector."""
        return self.conditional(z[:, 1:], self.groups(z))


def mixture(generator: ConvGenerator, groups: Int64[Tensor, " N"]) -> MixtureGenerator:
    """Make a generator without labels of one that was trained on groups.

    Args:
        generator: with as many classes as there are groups; its weights are copied.
        groups: of the training images, which decide how often each is drawn.

    Returns:
        The generator, on the device and in the mode of ``generator``.

    Raises:
        ValueError: if ``generator`` has no classes, or a group has no image.
    """
    config, n_groups = generator.config, generator.n_classes
    if n_groups is None:
        raise ValueError("the generator has no classes; train one whose n_classes are the groups")
    labels = as_labels(groups, n_groups, batch_size=len(groups))
    assert labels is not None
    counts = torch.bincount(labels.cpu(), minlength=n_groups).double()
    if empty := (counts == 0).nonzero().flatten().tolist():
        raise ValueError(f"every group needs images, and there is none of group {empty[0]}")
    made = MixtureGenerator(
        MixtureGeneratorConfig(
            shares=tuple((counts / counts.sum()).tolist()),
            latent_dim=config.latent_dim + 1,
            image_shape=config.image_shape,
            channels=config.channels,
            class_scale=config.class_scale,
        )
    )
    made.conditional.load_state_dict(generator.state_dict())
    return made.to(generator.device).train(generator.training)

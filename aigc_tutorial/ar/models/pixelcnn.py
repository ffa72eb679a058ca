"""Gated PixelCNN: an image's probability, one pixel at a time."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.ar.checks import as_levels, on_cpu
from aigc_tutorial.ar.generation.pixels import SamplingMixin, choose_levels, draw_noise
from aigc_tutorial.config import Config
from aigc_tutorial.integers import IntegersLike, as_labels
from aigc_tutorial.nn.gated import gate
from aigc_tutorial.nn.mode import evaluation_mode
from aigc_tutorial.nn.precision import full_precision


@dataclass(frozen=True)
class PixelCNNConfig(Config):
    """Configuration of :class:`PixelCNN`.

    Attributes:
        image_shape: (H, W), or (1, H, W) as data sets have it.
        n_levels: V, how many grey levels a pixel has; 2 for black and white.
        width: D, feature maps in each of the two stacks.
        n_layers: gated layers.
        kernel_size: k, odd; a layer's vertical stack sees (k + 1) / 2 rows of k columns and its
            horizontal stack (k + 1) / 2 columns.
        first_kernel_size: the same for the convolutions that read the image.
        n_classes: how many classes there are if the model is told each image's class, else None.
    """

    image_shape: tuple[int, ...] = (28, 28)
    n_levels: int = 2
    width: int = 32
    n_layers: int = 8
    kernel_size: int = 3
    first_kernel_size: int = 7
    n_classes: int | None = None

    def __post_init__(self) -> None:
        """Refuse settings that no network can be built from."""
        super().__post_init__()
        shape = self.image_shape
        if len(shape) not in (2, 3) or min(shape) < 1 or (len(shape) == 3 and shape[0] != 1):
            raise ValueError(
                "image_shape must be (height, width) or (1, height, width) with positive sizes, "
                f"got {shape}; colours are not modelled"
            )
        self.require("n_levels", at_least=2)
        self.require("width", "n_layers", "n_classes", at_least=1)
        for name in ("kernel_size", "first_kernel_size"):
            size = getattr(self, name)
            if size < 1 or size % 2 == 0:
                raise ValueError(f"{name} must be odd and positive, got {size}")


class PixelCNN(SamplingMixin):
    r"""Gated convolutional network over pixels in raster order: row by row, left to right.

    .. math:: p(x \mid c) = \prod_{i=1}^{H W} p(x_i \mid x_1, \dots, x_{i-1}, c)

    Two stacks of convolutions make the logits at a pixel depend on exactly the pixels before it
    (van den Oord et al., 2016, arXiv 1606.05328). The vertical stack sees the rows above, in a
    window that widens upwards; the horizontal stack sees the same row to the left, and takes in the
    vertical one. Masking one square kernel instead leaves a blind spot to the upper right that no
    depth removes.

    No weight is masked here. The image goes into the vertical stack shifted down by one row and
    into the horizontal stack shifted right by one column, which is the paper's mask A. After that
    each feature may see itself (mask B), and convolutions padded above, or on the left, alone
    cannot look ahead. Masking would compute products with zeros.

    This is a sibling of :class:`aigc_tutorial.ar.base.AutoregressiveModel` and not a subclass: no
    first token is given, so H·W pixels have H·W logits and not one less, and the sampler's state is
    two-dimensional.
    """

    config_class = PixelCNNConfig
    config: PixelCNNConfig

    def __init__(self, config: PixelCNNConfig = PixelCNNConfig()) -> None:
        super().__init__(config)
        size, width = config.first_kernel_size, config.width
        reach = size // 2 + 1
        self.first_vertical = nn.Conv2d(
            config.n_levels, width, (reach, size), padding=(0, size // 2)
        )
        self.first_horizontal = nn.Conv2d(config.n_levels, width, (1, reach))
        self.layers = nn.ModuleList(
            GatedLayer(width, config.kernel_size, config.n_classes) for _ in range(config.n_layers)
        )
        # Over each pixel's features by themselves, so linear layers are 1 × 1 convolutions.
        self.head = nn.Sequential(
            nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, config.n_levels)
        )

    def symbol_layers(self) -> tuple[nn.Module, ...]:
        """The convolutions that read a map for each level, and the layer that makes the logits."""
        return self.first_vertical, self.first_horizontal, self.head[-1]

    def forward(
        self, levels: Int64[Tensor, "B H W"], labels: Int64[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B H W V"]:
        """Logits of every pixel's level given the pixels before it.

        Args:
            levels: images of grey levels 0 … V - 1. That they are is checked by :meth:`nll` and
                the samplers, not here.
            labels: class of each image, for a model with classes, and only for such.
        """
        as_levels(levels, self.config, look=False)
        as_labels(labels, self.config.n_classes, batch_size=levels.shape[0], look=False)
        return self.logits_of_inputs(self.encode(levels), labels)

    def logits_of_inputs(
        self, inputs: Float[Tensor, "B V H W"], labels: Int64[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B H W V"]:
        """Logits from :meth:`encode`'s maps, by which one can differentiate."""
        reach = self.first_horizontal.kernel_size[1]
        vertical = self.first_vertical(F.pad(inputs, (0, 0, reach, -1)))
        horizontal = self.first_horizontal(F.pad(inputs, (reach, -1)))
        for layer in self.layers:
            vertical, horizontal = layer(vertical, horizontal, labels)
        return self.head(horizontal.permute(0, 2, 3, 1))

    def check_rows(
        self,
        levels: Int64[Tensor, "B H W"] | IntegersLike,
        labels: Int64[Tensor, " B"] | IntegersLike | None = None,
        *,
        look: bool = True,
    ) -> tuple[Tensor, ...]:
        """Check data that :meth:`nll` is to take, and convert what is safe to convert.

        Args:
            levels: images; integers of any type, truth values and NumPy arrays become int64.
            labels: class of each image.
            look: whether to look at the values, which has to wait for a GPU.

        Returns:
            The levels, and the labels if there are.

        Raises:
            ValueError: if the model could not take them, or would take them for something else.
        """
        rows = as_levels(levels, self.config, look=look)
        classes = as_labels(labels, self.config.n_classes, batch_size=len(rows), look=look)
        return (rows,) if classes is None else (rows, classes)

    def nll(
        self,
        levels: Int64[Tensor, "B H W"] | IntegersLike,
        labels: Int64[Tensor, " B"] | IntegersLike | None = None,
    ) -> Float[Tensor, "B H W"]:
        r"""Negative log-likelihood in nats of each pixel given those before it.

        Their sum over an image is :math:`-\log p(x)`, or :math:`-\log p(x \mid c)` with classes.

        Raises:
            ValueError: as :meth:`check_rows` does; values are looked at on the CPU alone.
        """
        checked = self.check_rows(levels, labels, look=on_cpu(levels) and on_cpu(labels))
        rows, *classes = (part.to(self.device) for part in checked)
        logits = self(rows, *classes)
        logits = full_precision(logits).permute(0, 3, 1, 2)
        return F.cross_entropy(logits, rows, reduction="none")

    @torch.no_grad()
    def sample_naively(
        self,
        n: int,
        labels: Int64[Tensor, " {n}"] | None = None,
        *,
        rng: torch.Generator | None = None,
        temperature: float = 1.0,
    ) -> Int64[Tensor, "{n} H W"]:
        """Draw images by running the whole network for every pixel.

        This is all that sampling is, in the form to be read. :meth:`sample` draws the same images,
        and computes every feature once.

        Args:
            n: number of images.
            labels: class of each image, for a model with classes, and only for such.
            rng: source of randomness; None is torch's global source.
            temperature: divides the logits; 0 takes the most probable level.

        Raises:
            ValueError: if labels do not fit, the temperature is negative, infinite or NaN, or the
                model's logits are no distribution.
        """
        labels = as_labels(labels, self.config.n_classes, batch_size=n)
        noise = draw_noise(self, n, rng)
        levels = torch.zeros_like(noise, dtype=torch.int64)
        height, width = self.image_size
        with evaluation_mode(self):
            for row in range(height):
                for column in range(width):
                    logits = self(levels, labels)[:, row, column]
                    levels[:, row, column] = choose_levels(
                        logits, noise[:, row, column], temperature=temperature
                    )
        return levels


class GatedLayer(nn.Module):
    r"""One layer of both stacks: gated units, the class in every gate, residual connections.

    .. math:: y = \tanh(W_f * x + V_f c) \odot \sigma(W_g * x + V_g c)

    Two things differ from the paper. It has the residual connection in the horizontal stack alone;
    with one in the vertical stack too, training goes faster. It takes the vertical stack in before
    its gate; here it is taken in after, which needs half the weights.

    Args:
        width: D, feature maps of each stack.
        kernel_size: k, odd.
        n_classes: how many classes there are, None if the gates are told none.
    """

    def __init__(self, width: int, kernel_size: int, n_classes: int | None) -> None:
        super().__init__()
        self.reach = kernel_size // 2 + 1
        self.vertical = nn.Conv2d(
            width, 2 * width, (self.reach, kernel_size), padding=(0, kernel_size // 2)
        )
        self.horizontal = nn.Conv2d(width, 2 * width, (1, self.reach))
        self.from_vertical = nn.Conv2d(width, 2 * width, 1, bias=False)
        self.residual = nn.Conv2d(width, width, 1, bias=False)
        if n_classes is not None:
            self.class_vertical = nn.Embedding(n_classes, 2 * width)
            self.class_horizontal = nn.Embedding(n_classes, 2 * width)

    def forward(
        self,
        vertical: Float[Tensor, "B D H W"],
        horizontal: Float[Tensor, "B D H W"],
        labels: Int64[Tensor, " B"] | None,
    ) -> tuple[Float[Tensor, "B D H W"], Float[Tensor, "B D H W"]]:
        """Both stacks' features after this layer."""
        update, context = self.read_above(F.pad(vertical, (0, 0, self.reach - 1, 0)), labels)
        features = self.horizontal(F.pad(horizontal, (self.reach - 1, 0))) + context
        return vertical + update, horizontal + self.residual(gate(features))

    def read_above(
        self, rows: Float[Tensor, "B D R W"], labels: Int64[Tensor, " B"] | None
    ) -> tuple[Float[Tensor, "B D H W"], Float[Tensor, "B E H W"]]:
        """The vertical stack's part of the layer.

        Args:
            rows: its features, H + reach - 1 rows of them.
            labels: class of each image, or None.

        Returns:
            The update of its lower H rows, and what they and the class add to the horizontal
            stack's E = 2 D gate inputs.
        """
        features = self.vertical(rows)
        if labels is None:
            update = gate(features)
            return update, self.from_vertical(update)
        update = gate(features + self.class_vertical(labels)[:, :, None, None])
        context = self.from_vertical(update) + self.class_horizontal(labels)[:, :, None, None]
        return update, context

"""Gated PixelCNN: an image's probability, one pixel at a time."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.nn import Pretrained


@dataclass(frozen=True)
class PixelCNNConfig:
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
        shape = self.image_shape
        if len(shape) not in (2, 3) or min(shape) < 1 or (len(shape) == 3 and shape[0] != 1):
            raise ValueError(
                "image_shape must be (height, width) or (1, height, width) with positive sizes, "
                f"got {shape}; colours are not modelled"
            )
        for name in ("kernel_size", "first_kernel_size"):
            size = getattr(self, name)
            if size < 1 or size % 2 == 0:
                raise ValueError(f"{name} must be odd, got {size}")
        if self.n_levels < 2 or self.width < 1 or self.n_layers < 1:
            raise ValueError(
                "expected n_levels of at least 2, width and n_layers of at least 1, got "
                f"{self.n_levels}, {self.width} and {self.n_layers}"
            )
        if self.n_classes is not None and self.n_classes < 1:
            raise ValueError(
                f"n_classes is {self.n_classes}; expected a positive number, or None for a model "
                "that is told no class"
            )


class PixelCNN(Pretrained):
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

    @property
    def image_size(self) -> tuple[int, int]:
        """H and W, rows and columns of an image."""
        height, columns = self.config.image_shape[-2:]
        return height, columns

    def forward(
        self, levels: Int64[Tensor, "B H W"], labels: Int64[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B H W V"]:
        """Logits of every pixel's level given the pixels before it.

        Args:
            levels: images of grey levels 0 … V - 1.
            labels: class of each image, for a model with classes, and only for such.
        """
        check_levels(levels, self.config)
        check_labels(labels, self.config, batch_size=len(levels))
        return self.logits_of_inputs(self.encode(levels), labels)

    def encode(self, levels: Int64[Tensor, "B H W"]) -> Float[Tensor, "B V H W"]:
        """One map for each level, 1 where a pixel has it. Outside the image all maps are 0."""
        maps = torch.arange(self.config.n_levels, device=levels.device).view(-1, 1, 1)
        return (levels.unsqueeze(1) == maps).to(self.first_vertical.weight.dtype)

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

    def nll(
        self, levels: Int64[Tensor, "B H W"], labels: Int64[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B H W"]:
        r"""Negative log-likelihood in nats of each pixel given those before it.

        Their sum over an image is :math:`-\log p(x)`, or :math:`-\log p(x \mid c)` with classes.
        """
        logits = self(levels, labels)
        return F.cross_entropy(logits.permute(0, 3, 1, 2), levels, reduction="none")

    def sample(
        self,
        n: int,
        labels: Int64[Tensor, " {n}"] | None = None,
        *,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
    ) -> Int64[Tensor, "{n} H W"]:
        """Draw images; :func:`aigc_tutorial.ar.generation.pixels.sample` has more settings."""
        # Not above: the sampler is written for this class, and imports it.
        from aigc_tutorial.ar.generation.pixels import sample

        return sample(self, n, labels, generator=generator, temperature=temperature)


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


def gate(features: Float[Tensor, "..."], *, dim: int = 1) -> Float[Tensor, "..."]:
    r""":math:`\tanh(a) \odot \sigma(b)` of the first and the second half of the maps.

    Args:
        features: 2 D maps.
        dim: the axis of the maps.

    Returns:
        D maps.
    """
    values, gates = features.chunk(2, dim=dim)
    # tanh(a) = 2 σ(2 a) - 1: on a CPU torch's sigmoid takes a tenth of the time of its tanh.
    return (2 * torch.sigmoid(2 * values) - 1) * torch.sigmoid(gates)


def check_levels(levels: Tensor, config: PixelCNNConfig) -> None:
    """Raise a ValueError unless ``levels`` is a batch of images that the model can take.

    The values are checked on the CPU alone: on a GPU that would wait for the device.
    """
    if levels.ndim != 3 or levels.shape[1:] != config.image_shape[-2:]:
        height, columns = config.image_shape[-2:]
        raise ValueError(
            f"expected levels of shape (batch, {height}, {columns}), got {tuple(levels.shape)}"
        )
    if levels.device.type != "cpu" or len(levels) == 0:
        return
    lowest, highest = (int(extreme) for extreme in levels.aminmax())
    if lowest < 0 or highest >= config.n_levels:
        raise ValueError(
            f"levels must lie in 0 … {config.n_levels - 1}, got {lowest} … {highest}; "
            "data.levels.quantise makes them from images"
        )


def check_labels(labels: Tensor | None, config: PixelCNNConfig, *, batch_size: int) -> None:
    """Raise a ValueError unless there are labels exactly if the model has classes, and fitting."""
    if config.n_classes is None:
        if labels is not None:
            raise ValueError("the model has no classes (n_classes is None); leave the labels away")
        return
    if labels is None:
        raise ValueError(
            f"the model is told each image's class: give labels 0 … {config.n_classes - 1}, "
            f"of shape ({batch_size},)"
        )
    if labels.shape != (batch_size,):
        raise ValueError(f"expected labels of shape ({batch_size},), got {tuple(labels.shape)}")
    if labels.device.type == "cpu" and len(labels):
        lowest, highest = (int(extreme) for extreme in labels.aminmax())
        if lowest < 0 or highest >= config.n_classes:
            raise ValueError(
                f"labels must lie in 0 … {config.n_classes - 1}, got {lowest} … {highest}"
            )

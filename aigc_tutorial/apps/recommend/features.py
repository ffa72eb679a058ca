"""What an encoder makes of the films' texts: stored once, or learned on."""

from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from aigc_tutorial.adaptation import Classifier
from aigc_tutorial.data.checks import require_finite

_PACE_OF_MEAN = 0.2


class StoredFeatures(nn.Module):
    """Features that were computed before: those of TF-IDF, or of a frozen model.

    Attributes:
        width: D, how many there are.
        n_films: I.
    """

    matrix: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(self, matrix: Float[Tensor, "I D"]) -> None:
        """Keep them.

        Args:
            matrix: features of each film; each column is brought to mean 0 and variance 1. One
                that is the same for all films becomes 0.

        Raises:
            ValueError: if there is no feature, or one that is NaN or infinite.
        """
        super().__init__()
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise ValueError(
                f"matrix must have a row a film and a column a feature, got {(*matrix.shape,)}"
            )
        matrix = matrix.float()
        require_finite(matrix, "matrix")
        spread = matrix.double().std(0, correction=0).float()
        is_constant = spread <= 1e-6 * matrix.abs().amax(0)  # what rounding leaves of no spread
        self.register_buffer("mean", matrix.double().mean(0).float())
        self.register_buffer("spread", spread.masked_fill(is_constant, 1))
        self.register_buffer("matrix", matrix)
        self.n_films, self.width = matrix.shape

    def forward(self, films: Int64[Tensor, " n"]) -> Float[Tensor, "n D"]:
        """Rows of the matrix, standardised."""
        return (self.matrix[films] - self.mean) / self.spread


class TextFeatures(nn.Module):
    """Features that a language model makes of the films' texts, and learns to make.

    Attributes:
        width: D, how many there are.
        n_films: I.
    """

    tokens: Tensor
    mask: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(
        self,
        reader: Classifier,
        tokens: Int64[Tensor, "I T"],
        mask: Bool[Tensor, "I T"],
        stored: StoredFeatures,
    ) -> None:
        """Take the texts.

        Args:
            reader: a backbone with a way to pool its features; what is trained is what can be
                trained in the backbone. Its head is not used.
            tokens: of each film's text, as ``adaptation.encode_texts`` makes them.
            mask: True at real tokens.
            stored: the same features before the training. Their spread stays the unit, and their
                mean is the first centre, so that a head that was trained on them fits.

        Raises:
            ValueError: if the stored features are not of as many films, or of another width.
        """
        super().__init__()
        self.reader = reader
        reader.head.requires_grad_(False)
        tokens, mask = reader.check_texts(tokens, mask)
        width = reader.head.in_features
        if (stored.n_films, stored.width) != (len(tokens), width):
            raise ValueError(
                f"stored must hold what the reader makes of these {len(tokens)} texts, {width} "
                f"features each; it holds {stored.width} of {stored.n_films} films"
            )
        self.register_buffer("tokens", tokens.to(reader.device), persistent=False)
        self.register_buffer("mask", mask.to(reader.device), persistent=False)
        self.register_buffer("mean", stored.mean.to(reader.device))
        self.register_buffer("spread", stored.spread.to(reader.device))
        self.n_films, self.width = stored.n_films, stored.width

    def forward(self, films: Int64[Tensor, " n"]) -> Float[Tensor, "n D"]:
        """The pooled features of each text, standardised.

        In training they are centred by the mean of the films at hand, and the mean that serves in
        evaluation mode follows it: a move that all texts share says nothing about which film is
        meant, and the head was trained on centred features.
        """
        mask = self.mask[films]
        longest = int(mask.sum(1).max())
        found = self.reader.features(self.tokens[films, :longest], mask[:, :longest])
        if not self.training:
            return (found - self.mean) / self.spread
        mean = found.mean(0)
        self.mean.lerp_(mean.detach(), _PACE_OF_MEAN)
        return (found - mean) / self.spread

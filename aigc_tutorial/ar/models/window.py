"""A neural network that sees a window of the last tokens: softmax(A tanh(C · x + b) + c)."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import pad

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.checks import check_shape
from aigc_tutorial.config import Config


@dataclass(frozen=True)
class WindowConfig(Config):
    """Configuration of :class:`WindowModel`.

    Attributes:
        vocab_size: V, number of tokens.
        window: n, how many tokens a prediction sees.
        embedding_dim: size of a token's embedding e(x).
        hidden_dim: size of the hidden layer h.
    """

    vocab_size: int
    window: int = 8
    embedding_dim: int = 32
    hidden_dim: int = 256

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("vocab_size", "window", "embedding_dim", "hidden_dim", at_least=1)


class WindowModel(AutoregressiveModel):
    r"""One hidden layer over the embeddings of the last n tokens.

    .. math::
        h_t &= \tanh(C \, [e(x_{t-n+1}); \dots; e(x_t)] + b) \\
        p(x_{t+1} = k \mid x_{\le t}) &= \operatorname{softmax}(A h_t + c)_k

    A matrix C has a fixed number of columns, so it cannot multiply a history that grows; a window
    of n tokens can be multiplied, and what is older is not seen. Before the first token the window
    holds zeros.

    In the code :math:`C, b` are ``hidden.weight`` and ``hidden.bias``, :math:`A, c` are
    ``output.weight`` and ``output.bias``, and :math:`e(k)` is row k of ``embedding.weight``.

    Source: Bengio et al. (2003), A neural probabilistic language model, without its direct
    connections from the embeddings to the output.
    """

    config_class = WindowConfig
    config: WindowConfig

    def __init__(self, config: WindowConfig) -> None:
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_dim)
        self.hidden = nn.Linear(config.window * config.embedding_dim, config.hidden_dim)
        self.output = nn.Linear(config.hidden_dim, config.vocab_size)

    def symbol_layers(self) -> tuple[nn.Module, ...]:
        """The output layer."""
        return (self.output,)

    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each, all positions at once."""
        check_shape(tokens)
        embedded = pad(self.embedding(tokens), (0, 0, self.config.window - 1, 0))
        windows = embedded.unfold(1, self.config.window, 1)  # (B, T, embedding_dim, window)
        x = windows.transpose(2, 3).flatten(2)
        return self.output(torch.tanh(self.hidden(x)))

    def advance(
        self, tokens: Int64[Tensor, "B K"], state: Any
    ) -> tuple[Float[Tensor, "B K V"], Any]:
        """Read K further tokens; of those before them only the last n - 1 are computed again."""
        seen = torch.cat([state, tokens], dim=1)
        n_new = tokens.shape[1]
        recent = seen[:, -(n_new + self.config.window - 1) :]
        return self(recent)[:, -n_new:], seen

"""A WaveNet: causal convolutions that reach twice as far in every layer, told what to sing."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.checks import check_shape
from aigc_tutorial.config import Config
from aigc_tutorial.nn.gated import gate


@dataclass(frozen=True)
class WaveNetConfig(Config):
    """Configuration of :class:`WaveNet`.

    Attributes:
        vocab_size: V, number of tokens: the levels of the sound, and the tokens that say what is
            to be heard.
        width: D, size of the features of a sample.
        n_layers: layers; the one numbered i looks back by 2^i samples.
    """

    vocab_size: int
    width: int = 32
    n_layers: int = 8

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("vocab_size", "width", "n_layers", at_least=1)

    @property
    def reach(self) -> int:
        """How many tokens a prediction sees, besides the first: 2 to the number of layers."""
        return 2**self.n_layers


class WaveNet(AutoregressiveModel):
    r"""Dilated causal convolutions with gates, over tokens that stand for samples of sound.

    Layer i adds to the features h of a sample what it makes of them and of those :math:`2^i`
    samples earlier:

    .. math::
        a, g &= W h_t + U h_{t - 2^i} + V e(x_0) + b \\
        u &= \tanh(a) \odot \sigma(g) \\
        h_t &\leftarrow h_t + R u

    The sum of :math:`S u` over all layers, through a ReLU, gives the logits of the next sample. So
    n layers see :math:`2^n` samples, and each costs two small matrix products a sample.

    The first token :math:`x_0`, which is given and not predicted, says what is to be heard. Its
    embedding goes into every layer at every time, so that it is not forgotten when the first
    token is out of reach: global conditioning, as in the paper's section 2.5.

    The paper writes an extra causal convolution at the input and a second layer of the output,
    which a small model does without.

    Source: van den Oord et al. (2016), WaveNet: a generative model for raw audio, arXiv 1609.03499.
    """

    config_class = WaveNetConfig
    config: WaveNetConfig

    def __init__(self, config: WaveNetConfig) -> None:
        super().__init__(config)
        width = config.width
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.layers = nn.ModuleList(DilatedLayer(width) for _ in range(config.n_layers))
        self.output = nn.Linear(width, config.vocab_size)

    def symbol_layers(self) -> tuple[nn.Module, ...]:
        """The output layer."""
        return (self.output,)

    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each."""
        logits, _ = self.advance(tokens, self.initial_state(tokens.shape[0]))
        return logits

    def initial_state(self, batch_size: int) -> Any:
        """No first token yet, and silence in each layer's memory: zeros (B, 2^i, D)."""
        zeros = self.output.weight.new_zeros
        return [zeros(batch_size, 0, self.config.width)] + [
            zeros(batch_size, 2**i, self.config.width) for i in range(self.config.n_layers)
        ]

    def advance(
        self, tokens: Int64[Tensor, "B K"], state: Any
    ) -> tuple[Float[Tensor, "B K V"], Any]:
        """Read K further tokens: a token costs the same, however many came before it."""
        check_shape(tokens)
        h = self.embedding(tokens)
        first = torch.cat([state[0], h], dim=1)[:, :1]
        total, memories = torch.zeros_like(h), [first]
        for layer, memory in zip(self.layers, state[1:], strict=True):
            heard = torch.cat([memory, h], dim=1)
            h, skip = layer(h, heard[:, : h.shape[1]], first)
            total = total + skip
            memories.append(heard[:, -memory.shape[1] :])
        return self.output(torch.relu(total)), memories

    def select_rows(self, state: Any, rows: Int64[Tensor, " R"]) -> Any:
        """State of a batch that consists of the given rows of this one; a row may repeat."""
        return [memory.index_select(0, rows) for memory in state]

    def truncate(self, state: Any, length: int) -> Any:
        """Impossible: what the memories have let go cannot be recovered.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "a WaveNet's memories cannot forget their last tokens: the oldest ones were dropped "
            "for them. Speculative decoding, which takes rejected tokens back, needs an n-gram "
            "model, a window model or a Transformer, as draft and as target"
        )


class DilatedLayer(nn.Module):
    """One gated layer of a :class:`WaveNet`, told what its input was earlier."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.now = nn.Linear(width, 2 * width)
        self.earlier = nn.Linear(width, 2 * width, bias=False)
        self.first = nn.Linear(width, 2 * width, bias=False)
        self.outputs = nn.Linear(width, 2 * width)

    def forward(
        self,
        h: Float[Tensor, "B K D"],
        h_earlier: Float[Tensor, "B K D"],
        first: Float[Tensor, "B 1 D"],
    ) -> tuple[Float[Tensor, "B K D"], Float[Tensor, "B K D"]]:
        """Features for the next layer, and what this one adds to the sum that is read out."""
        features = self.now(h) + self.earlier(h_earlier) + self.first(first)
        residual, skip = self.outputs(gate(features, dim=-1)).chunk(2, dim=-1)
        return h + residual, skip

"""Recurrent networks: everything read so far is summed up in a state of fixed size."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.checks import check_shape
from aigc_tutorial.config import Config

Cell = Literal["rnn", "gru", "lstm"]
_CELLS: dict[Cell, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


@dataclass(frozen=True)
class RecurrentConfig(Config):
    """Configuration of :class:`RecurrentModel`.

    Attributes:
        vocab_size: V, number of tokens.
        cell: "rnn", "gru" or "lstm".
        embedding_dim: size of a token's embedding e(x).
        hidden_dim: size of the state h.
        n_layers: recurrent layers; each reads the states of the one below.
    """

    vocab_size: int
    cell: Cell = "lstm"
    embedding_dim: int = 64
    hidden_dim: int = 256
    n_layers: int = 1

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("vocab_size", "embedding_dim", "hidden_dim", "n_layers", at_least=1)


class RecurrentModel(AutoregressiveModel):
    r"""A state that is updated by one token at a time, and a softmax that reads it.

    With ``cell="rnn"`` (Elman, 1990; Mikolov et al., 2010):

    .. math::
        h_t &= \tanh(W e(x_{t-1}) + U h_{t-1} + b) \\
        p(x_t = k \mid x_{<t}) &= \operatorname{softmax}(A h_t + c)_k

    "lstm" (Hochreiter & Schmidhuber, 1997) and "gru" (Cho et al., 2014) put gates around the
    update, through which a state and its gradient can last over many steps.

    The weights keep torch's names: :math:`W` is ``rnn.weight_ih_l0``, :math:`U` is
    ``rnn.weight_hh_l0``, and :math:`b` is the sum of ``rnn.bias_ih_l0`` and ``rnn.bias_hh_l0``, of
    which one would do; :math:`A, c` are ``output.weight`` and ``output.bias``.

    At generation the state is carried on, so a token costs the same however many came before it.
    """

    config_class = RecurrentConfig
    config: RecurrentConfig

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_dim)
        self.rnn = _CELLS[config.cell](
            config.embedding_dim, config.hidden_dim, config.n_layers, batch_first=True
        )
        self.output = nn.Linear(config.hidden_dim, config.vocab_size)

    def symbol_layers(self) -> tuple[nn.Module, ...]:
        """The output layer."""
        return (self.output,)

    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each, from a state of zeros at the beginning."""
        logits, _ = self.advance(tokens, self.initial_state(tokens.shape[0]))
        return logits

    def features(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """The state after each token, which the output layer reads; D is ``hidden_dim``.

        A head of another task can read it too (:class:`aigc_tutorial.adaptation.Classifier`).
        """
        check_shape(tokens)
        hidden, _ = self.rnn(self.embedding(tokens), self.initial_state(tokens.shape[0]))
        return hidden

    def initial_state(self, batch_size: int) -> Any:
        """Zeros: a tensor (layers, B, hidden_dim), or for an LSTM the pair of state and cell."""
        zeros = self.output.weight.new_zeros(
            self.config.n_layers, batch_size, self.config.hidden_dim
        )
        return (zeros, zeros) if self.config.cell == "lstm" else zeros

    def advance(
        self, tokens: Int64[Tensor, "B K"], state: Any
    ) -> tuple[Float[Tensor, "B K V"], Any]:
        """Read K further tokens from where ``state`` is."""
        check_shape(tokens)
        hidden, state = self.rnn(self.embedding(tokens), state)
        return self.output(hidden), state

    def select_rows(self, state: Any, rows: Int64[Tensor, " R"]) -> Any:
        """State of a batch that consists of the given rows of this one; a row may repeat."""
        if isinstance(state, tuple):
            return tuple(part.index_select(1, rows) for part in state)
        return state.index_select(1, rows)

    def truncate(self, state: Any, length: int) -> Any:
        """Impossible: earlier states cannot be recovered from a later one.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "a recurrent state cannot forget its last tokens: it sums up all of them in numbers "
            "that cannot be taken apart. Speculative decoding, which takes rejected tokens back, "
            "needs an n-gram model, a window model or a Transformer, as draft and as target"
        )

"""What generation needs of a model: the floor on which models and generation both stand."""

from typing import Any, Protocol, cast, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.nn import Pretrained
from aigc_tutorial.nn.rows import RowMemory, whole_groups


class SequenceModel(Pretrained):
    """A causal model of tokens, and how it is carried from token to token.

    A subclass defines ``forward``, from tokens (B, T) to logits (B, T, V), and a configuration with
    ``vocab_size``.

    To generate, a model carries a state from token to token. The state of this class is the tokens
    so far, and every step computes all of them again; that is slow and right for any causal model.
    A subclass that knows better (a recurrent state, a cache of keys and values) overrides the
    methods below, and the tests hold it equal to these.
    """

    @property
    def vocab_size(self) -> int:
        """V, the number of tokens; they are numbered 0 … V - 1."""
        return self.config.vocab_size

    @property
    def context(self) -> int | None:
        """How many tokens ``forward`` takes at most; None if there is no limit."""
        return None

    def initial_state(self, batch_size: int) -> Any:
        """State before the first token."""
        return torch.empty(batch_size, 0, dtype=torch.int64, device=self.device)

    def advance(
        self, tokens: Int64[Tensor, "B K"], state: Any
    ) -> tuple[Float[Tensor, "B K V"], Any]:
        """Read K further tokens.

        Args:
            tokens: the next tokens: the whole prompt at first, then mostly one.
            state: what :meth:`initial_state` or the last call returned. It must not be used again
                after this call, which may have changed it in place.

        Returns:
            The logits after each of the K tokens, and the new state.
        """
        seen = torch.cat([state, tokens], dim=1)
        return self(seen)[:, -tokens.shape[1] :], seen

    def select_rows(self, state: Any, rows: Int64[Tensor, " R"]) -> Any:
        """State of a batch that consists of the given rows of this one; a row may repeat."""
        return state.index_select(0, rows)

    def truncate(self, state: Any, length: int) -> Any:
        """State as it was after the first ``length`` tokens."""
        return state[:, :length]

    def initial_rows(self, n_rows: int) -> Any:
        """Room for ``n_rows`` sequences of unequal length, each of which begins and ends alone.

        The rows of this class are states of one sequence each, carried on one after the other. That
        is slow, and keeps what is right for any model: nothing of a row depends on the others. A
        subclass that can read all rows at once returns a :class:`aigc_tutorial.nn.rows.RowMemory`,
        and defines :meth:`read_rows`.
        """
        return [None] * n_rows

    def set_row(self, rows: Any, row: int, state: Any | None) -> None:
        """Let a row go on from a state of a single sequence; None frees the row."""
        if not isinstance(rows, RowMemory):
            rows[row] = state
        elif state is None:
            rows.free(row)
        else:
            rows.put(row, state)

    @torch.no_grad()
    def advance_rows(self, tokens: Int64[Tensor, " R"], rows: Any) -> Float[Tensor, "R V"]:
        """Read one further token in each of the first R rows, which are changed in place.

        Returns:
            The logits after each, without gradients; those of a free row, whatever token it was
            given, mean nothing.

        Raises:
            ValueError: if the context is too short for one of them.
        """
        if isinstance(rows, RowMemory):
            n_rows = len(tokens)
            padded = F.pad(tokens, (0, whole_groups(n_rows) - n_rows))
            return self.read_rows(padded, rows, rows.cache.reserve(len(padded)))[:n_rows]
        logits = torch.zeros(len(tokens), self.vocab_size, device=self.device)
        for row, token in enumerate(tokens.view(-1, 1, 1)):
            if rows[row] is not None:
                result, rows[row] = self.advance(token, rows[row])
                logits[row] = result[0, -1]
        return logits

    def read_rows(
        self, tokens: Int64[Tensor, " R"], rows: Any, positions: Int64[Tensor, " R"]
    ) -> Float[Tensor, "R V"]:
        """What :meth:`advance_rows` computes, for all rows of a memory at once.

        Args:
            tokens: the new ones, in whole groups.
            rows: what :meth:`initial_rows` returned, with room for them.
            positions: of each in its sequence.
        """
        raise NotImplementedError(
            f"{type(self).__name__}.initial_rows returns a memory of all rows, which its read_rows "
            "must read; define it"
        )


@runtime_checkable
class TwoStackLayer(Protocol):
    """A layer of a :class:`PixelModel`: convolutions of the rows above and of the row itself."""

    vertical: nn.Conv2d
    horizontal: nn.Conv2d
    residual: nn.Conv2d

    def read_above(
        self, rows: Float[Tensor, "B D R W"], labels: Int64[Tensor, " B"] | None
    ) -> tuple[Float[Tensor, "B D H W"], Float[Tensor, "B E H W"]]:
        """Update of the vertical stack, and what it adds to the horizontal one."""


class PixelModel(Pretrained):
    """A model of grey levels in raster order whose features can be computed pixel by pixel.

    A subclass defines ``forward``, from levels (B, H, W) and labels to logits (B, H, W, V), and a
    configuration with ``image_shape``, ``n_levels`` and ``n_classes``. Its ``layers`` have what
    :class:`TwoStackLayer` names.
    """

    first_vertical: nn.Conv2d
    first_horizontal: nn.Conv2d
    layers: nn.ModuleList
    head: nn.Sequential

    @property
    def image_size(self) -> tuple[int, int]:
        """H and W, rows and columns of an image."""
        height, columns = self.config.image_shape[-2:]
        return height, columns

    @property
    def two_stack_layers(self) -> list[TwoStackLayer]:
        """The layers, as what they are."""
        return cast(list[TwoStackLayer], list(self.layers))

    def encode(self, levels: Int64[Tensor, "B H W"]) -> Float[Tensor, "B V H W"]:
        """One map for each level, 1 where a pixel has it. Outside the image all maps are 0."""
        maps = torch.arange(self.config.n_levels, device=levels.device).view(-1, 1, 1)
        return (levels.unsqueeze(1) == maps).to(self.first_vertical.weight.dtype)

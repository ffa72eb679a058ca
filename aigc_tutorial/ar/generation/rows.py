"""Many sequences at once that begin and end when they like, each as if it were alone.

A service reads what comes, and nobody waits for the others: a sequence joins those that are being
written, goes on with them token by token, and leaves. Its tokens are those that it would have had
alone, with a generator of its own (:mod:`aigc_tutorial.nn.rows` says why to the last bit).
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.ar.generation.reader import as_prompts, window_start
from aigc_tutorial.ar.generation.sampling import check_temperature, keep_top_p
from aigc_tutorial.ar.interface import SequenceModel
from aigc_tutorial.integers import IntegersLike, as_count

NO_TOKEN = -1
"""What :func:`sample_rows` draws from no distribution."""


class RowReader:
    """Carries a model's state along sequences of unequal length.

    Args:
        model: what reads; it must be in evaluation mode.
        n_rows: how many sequences there can be at a time.
    """

    def __init__(self, model: SequenceModel, n_rows: int) -> None:
        self.model = model
        self.n_rows = as_count(n_rows, "n_rows")
        self._rows = model.initial_rows(n_rows)
        self._tokens: dict[int, list[int]] = {}
        self._starts: dict[int, int] = {}

    @property
    def free(self) -> list[int]:
        """Rows without a sequence. Take the first: a step computes all rows up to the last."""
        return [row for row in range(self.n_rows) if row not in self._tokens]

    def begin(self, row: int, prompt: Int64[Tensor, " K"] | IntegersLike) -> Float[Tensor, " V"]:
        """Read a prompt into a row.

        Args:
            row: one of the free rows.
            prompt: one sequence, not longer than the context.

        Returns:
            The logits of the next token.

        Raises:
            ValueError: if the row is not free, or the prompt is none for this model.
        """
        if row not in self.free:
            raise ValueError(f"row {row} is not free; free are {self.free or 'none'}")
        tokens = as_prompts(self.model, prompt, n_dims=(1,))
        logits = self._read_anew(row, tokens)
        self._tokens[row], self._starts[row] = tokens.tolist(), 0
        return logits

    def read(self, new: Mapping[int, int]) -> Float[Tensor, "R V"]:
        """Read the next token of some of the rows.

        Args:
            new: from each of these rows to its token. Every row that a sequence has begun in must
                be there: end those that do not go on.

        Returns:
            The logits of the next token, in the order of ``new``.

        Raises:
            ValueError: if they are not the rows that have begun.
        """
        if new.keys() != self._tokens.keys():
            raise ValueError(
                f"sequences have begun in the rows {sorted(self._tokens)} and each goes on by a "
                f"token, got tokens of {sorted(new)}"
            )
        if not new:
            return torch.empty(0, self.model.vocab_size)
        full: dict[int, Tensor] = {}
        next_tokens = torch.zeros(max(new) + 1, dtype=torch.int64)
        for row, token in new.items():
            tokens = self._tokens[row]
            tokens.append(token)
            start = window_start(len(tokens), self.model.context)
            if start == self._starts[row]:
                next_tokens[row] = token
            else:
                self._starts[row] = start
                self.model.set_row(self._rows, row, None)
                full[row] = torch.tensor(tokens[start:], device=self.model.device)
        logits = self.model.advance_rows(next_tokens.to(self.model.device), self._rows)
        for row, window in full.items():
            logits[row] = self._read_anew(row, window)
        return logits[list(new)]

    def end(self, row: int) -> None:
        """Free a row; one that is free stays so."""
        if self._tokens.pop(row, None) is not None:
            self.model.set_row(self._rows, row, None)

    @torch.no_grad()
    def _read_anew(self, row: int, tokens: Tensor) -> Tensor:
        logits, state = self.model.advance(tokens[None], self.model.initial_state(1))
        self.model.set_row(self._rows, row, state)
        return logits[0, -1]


def sample_rows(
    logits: Float[Tensor, "R V"],
    temperatures: Sequence[float],
    top_ps: Sequence[float],
    rngs: Sequence[torch.Generator],
) -> list[int]:
    """Draw a token from each row, each in its own way and from its own source of randomness.

    A row's token is the one that :func:`aigc_tutorial.ar.generation.sampling.sample` draws from it
    alone.

    Args:
        logits: of the next tokens.
        temperatures: of each row; 0 takes the most probable token, and draws nothing.
        top_ps: see :func:`aigc_tutorial.ar.generation.sampling.keep_top_p`; 1 keeps all tokens.
        rngs: of each row, on the CPU.

    Returns:
        Tokens; :data:`NO_TOKEN` where the logits are no distribution, so that what is wrong with
        one sequence does not end the others.

    Raises:
        ValueError: if a temperature or a share is out of its range.
    """
    for temperature in temperatures:
        check_temperature(temperature)
    logits = logits.float().cpu()
    best, likeliest = logits.max(dim=-1, keepdim=True)
    least = torch.finfo(torch.float32).tiny
    divisors = torch.tensor([max(temperature, least) for temperature in temperatures])
    cool = (logits - best) / divisors[:, None]
    for row, (top_p, temperature) in enumerate(zip(top_ps, temperatures, strict=True)):
        if top_p != 1 and temperature > 0:
            cool[row] = keep_top_p(cool[row], top_p)
    probabilities = cool.softmax(dim=-1)
    times = torch.ones_like(probabilities)
    for row, (rng, temperature) in enumerate(zip(rngs, temperatures, strict=True)):
        if temperature > 0:
            times[row].exponential_(generator=rng)
    speeds, drawn = (probabilities / times.clamp_(min=least)).max(dim=-1)
    tokens = []
    for row, (speed, token) in enumerate(zip(speeds.tolist(), drawn.tolist(), strict=True)):
        greedy = temperatures[row] == 0
        known = -math.inf < best[row] < math.inf if greedy else 0 < speed < math.inf
        tokens.append((int(likeliest[row]) if greedy else token) if known else NO_TOKEN)
    return tokens

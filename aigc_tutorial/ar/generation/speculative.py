r"""Speculative decoding: a small model guesses, a large one checks several guesses in one pass.

A large model spends nearly the same time on one token as on a few, so reading guesses is cheap if
many of them are right. What comes out has exactly the large model's distribution, whatever the
small one guesses. A guess x, drawn from q where p was wanted, is accepted with probability
:math:`\min(1, p(x) / q(x))`; if it is rejected, another token is drawn from what q had too little
of. The two together give each token

.. math:: q(x) \min\!\left(1, \frac{p(x)}{q(x)}\right) + \max(0, p(x) - q(x)) = p(x).

Sources: Leviathan, Kalman & Matias (2023), arXiv 2211.17192; Chen et al. (2023), arXiv 2302.01318.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.ar.generation.reader import Reader, as_prompts, as_stop_tokens
from aigc_tutorial.ar.generation.sampling import WRITE_CONFIG, SamplingConfig, draw, process
from aigc_tutorial.ar.interface import SequenceModel
from aigc_tutorial.config import as_instance
from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import IntegersLike, as_count
from aigc_tutorial.nn.mode import evaluation_mode


@dataclass(frozen=True, eq=False)
class SpeculativeResult:
    """What :func:`speculative_generate` returns.

    Attributes:
        tokens: (L,), prompt and continuation.
        n_new: number of tokens generated.
        n_rounds: how often the target was asked.
        n_guesses: tokens guessed by the draft.
        n_accepted: guesses that the target accepted.
    """

    tokens: Int64[Tensor, " L"]
    n_new: int
    n_rounds: int
    n_guesses: int
    n_accepted: int

    @property
    def acceptance_rate(self) -> float:
        """Share of all guesses that were accepted; those after a rejected one were not.

        It is below the probability that a guess is accepted when it is looked at, α.
        """
        return self.n_accepted / self.n_guesses if self.n_guesses else 0.0

    @property
    def tokens_per_round(self) -> float:
        """Tokens gained by one pass of the target; without a draft it would be 1."""
        return self.n_new / self.n_rounds


@torch.no_grad()
def speculative_generate(
    target: SequenceModel,
    draft: SequenceModel,
    prompt: Int64[Tensor, " K"] | IntegersLike,
    *,
    max_new_tokens: int,
    n_guesses: int = 4,
    config: SamplingConfig = SamplingConfig(),
    stop_tokens: Sequence[int] | IntegersLike = (),
    rng: torch.Generator | None = None,
) -> SpeculativeResult:
    r"""Go on from a prompt as ``target`` does, several tokens a round.

    If each guess is accepted with probability α, a round of K guesses gives
    :math:`(1 - \alpha^{K + 1}) / (1 - \alpha)` tokens on average (Leviathan et al., equation 1).

    Args:
        target: the model whose distribution the tokens have.
        draft: a faster model over the same vocabulary, on any device. Both must be able to
            ``truncate`` their state, which recurrent models are not.
        prompt: one sequence, not longer than either context.
        max_new_tokens: how many tokens to generate at most.
        n_guesses: K, guesses in a round; fewer at the end, and where the target's context is.
        config: how a token is chosen: of both models, and the distribution is then the target's as
            configured.
        stop_tokens: the sequence ends with the first of these that is generated.
        rng: source of randomness; None is torch's global source.

    Raises:
        ValueError: if the vocabularies differ, or the prompt is empty, longer than a context or of
            another vocabulary.
        TypeError: if config is something else.
    """
    if draft.vocab_size != target.vocab_size:
        raise ValueError(
            f"the draft knows {draft.vocab_size} tokens and the target {target.vocab_size}; both "
            "must have been trained with the same tokenizer"
        )
    as_instance(config, SamplingConfig, "config", WRITE_CONFIG)
    n_guesses = as_count(n_guesses, "n_guesses")
    max_new_tokens = as_count(max_new_tokens, "max_new_tokens")
    as_prompts(draft, prompt, n_dims=(1,))
    tokens = as_prompts(target, prompt, n_dims=(1,))[None]
    stops = as_stop_tokens(target, stop_tokens)
    checker, guesser = Reader(target), Reader(draft)
    n_rounds = n_guessed = n_accepted = 0
    n_given = length = tokens.shape[1]
    end = length + max_new_tokens
    with evaluation_mode(target), evaluation_mode(draft):
        while length < end:
            # Each round adds one token of the target's own.
            n = checker.room(length, at_most=min(n_guesses, end - length - 1))
            guesses, q = _guess(guesser, tokens, n, config, rng)
            p = _check(checker, guesses, n, config)
            accepted = count_accepted(guesses[0, length:], p[:n], q, rng=rng)
            left = p[n] if accepted == n else residual(p[accepted], q[accepted])
            own = draw(left, rng=rng)
            tokens = torch.cat([guesses[:, : length + accepted], own.view(1, 1)], dim=1)
            checker.forget(length + accepted)
            guesser.forget(length + accepted)
            n_rounds, n_guessed, n_accepted = n_rounds + 1, n_guessed + n, n_accepted + accepted
            new = tokens[0, length:].tolist()
            length += len(new)
            if ends := [i for i, token in enumerate(new) if token in stops]:
                tokens = tokens[:, : length - len(new) + ends[0] + 1]
                break
    return SpeculativeResult(tokens[0], tokens.shape[1] - n_given, n_rounds, n_guessed, n_accepted)


def _guess(
    draft: Reader,
    tokens: Tensor,
    n: int,
    config: SamplingConfig,
    rng: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """Add n tokens of the draft; also return the distributions (n, V) that they were drawn from."""
    distributions = [tokens.new_empty(0, draft.model.vocab_size, dtype=torch.float32)]
    for _ in range(n):
        read = draft.read(tokens.to(draft.model.device))  # a small draft may stay on the CPU
        logits = process(read[:, -1].to(tokens.device), config, tokens)
        distributions.append(logits.softmax(dim=-1, dtype=torch.float32))
        new = draw(distributions[-1], rng=rng)
        tokens = torch.cat([tokens, new[:, None]], dim=1)
    return tokens, torch.cat(distributions)


def _check(target: Reader, tokens: Tensor, n: int, config: SamplingConfig) -> Float[Tensor, "K V"]:
    """The target's distributions of each of the last n tokens and of the one after them."""
    first = tokens.shape[1] - n
    logits = target.read(tokens)[0, -(n + 1) :]
    rows = [process(row, config, tokens[0, : first + i]) for i, row in enumerate(logits)]
    return torch.stack(rows).softmax(dim=-1, dtype=torch.float32)


def count_accepted(
    guesses: Int64[Tensor, " K"],
    p: Float[Tensor, "K V"],
    q: Float[Tensor, "K V"],
    *,
    rng: torch.Generator | None = None,
) -> int:
    """How many guesses are accepted before the first that is not.

    Args:
        guesses: tokens drawn from the rows of ``q``.
        p: the target's distributions.
        q: the draft's distributions.
        rng: source of randomness.
    """
    where = "cpu" if rng is None else require_rng(rng).device
    noise = torch.rand(len(guesses), generator=rng, device=where, dtype=torch.float32).to(p.device)
    chosen = guesses[:, None]
    accepted = noise[:, None] * q.gather(1, chosen) < p.gather(1, chosen)
    return int(accepted.long().cumprod(dim=0).sum())


def residual(p: Float[Tensor, " V"], q: Float[Tensor, " V"]) -> Float[Tensor, " V"]:
    """Distribution of a token that replaces a rejected guess: max(0, p - q), normalised.

    Where p equals q no guess is rejected; if rounding has it otherwise, p itself is right.
    """
    excess = (p - q).clamp(min=0)
    total = excess.sum()
    return torch.where(total > 0, excess / total, p)

"""Beam search: looking for the most probable continuation instead of drawing one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from aigc_tutorial.ar.generation.reader import Reader, as_prompts, as_stop_tokens
from aigc_tutorial.ar.generation.sampling import check_drawn
from aigc_tutorial.ar.interface import SequenceModel
from aigc_tutorial.integers import IntegersLike, as_count
from aigc_tutorial.nn.mode import evaluation_mode


@dataclass(frozen=True, eq=False)
class Beam:
    """One complete sequence that the search found.

    Attributes:
        tokens: (L,), prompt and continuation.
        log_probability: of the continuation given the prompt, in nats.
        score: what the search compares; see :func:`beam_search`.
    """

    tokens: Int64[Tensor, " L"]
    log_probability: float
    score: float


@torch.no_grad()
def beam_search(
    model: SequenceModel,
    prompt: Int64[Tensor, " K"] | IntegersLike,
    *,
    max_new_tokens: int,
    n_beams: int,
    stop_tokens: Sequence[int] | IntegersLike = (),
    length_penalty: float = 0.0,
) -> list[Beam]:
    r"""Follow the ``n_beams`` most probable sequences at once.

    At each step every sequence is extended by every token, and of the results the best ``n_beams``
    are kept. A greedy choice that was wrong can so be given up later. With one beam this is greedy
    decoding; with as many beams as there are sequences the best one is found for certain.

    Complete are sequences that end with a stop token or have reached ``max_new_tokens``. Each has
    the score

    .. math:: \frac{\log p(x_1, \dots, x_n \mid \text{prompt})}{n^\alpha},

    with n the number of new tokens, the stop token included. With :math:`\alpha = 0` the score is
    the log-probability, by which short sequences have an advantage, and with 1 it is the mean over
    the tokens. The search ends as soon as no incomplete sequence can still get among the best.

    Args:
        model: any autoregressive model.
        prompt: one sequence, not longer than the context.
        max_new_tokens: how many tokens to add at most.
        n_beams: how many sequences to follow.
        stop_tokens: tokens that complete a sequence.
        length_penalty: α.

    Returns:
        At most ``n_beams`` complete sequences, the best score first.

    Raises:
        ValueError: if the prompt is empty, longer than the context or of another vocabulary, or
            the model's logits are no distribution.
    """
    rows = as_prompts(model, prompt, n_dims=(1,))[None]
    stops = as_stop_tokens(model, stop_tokens)
    max_new_tokens = as_count(max_new_tokens, "max_new_tokens")
    n_beams = as_count(n_beams, "n_beams")
    if not math.isfinite(length_penalty):
        raise ValueError(f"length_penalty must be a finite number, got {length_penalty}")
    stop = torch.tensor(stops, dtype=torch.int64, device=rows.device)
    reader, complete = Reader(model), list[Beam]()
    log_p = torch.zeros(1, device=rows.device)
    with evaluation_mode(model):
        for n_new in range(1, max_new_tokens + 1):
            logits = reader.read(rows)[:, -1]
            steps = logits.log_softmax(dim=-1, dtype=torch.float32)
            check_drawn(steps.amax(dim=-1), logits, lowest=-math.inf)
            # So many candidates that, however many of them are complete, enough are left.
            n_candidates = n_beams + len(rows) * len(stop)
            log_p, parents, new = _best(log_p[:, None] + steps, n_candidates)
            rows = torch.cat([rows[parents], new[:, None]], dim=1)
            ends = torch.isin(new, stop) | (n_new == max_new_tokens)
            for i in ends[:n_beams].nonzero()[:, 0].tolist():
                total = log_p[i].item()
                complete.append(Beam(rows[i], total, total / n_new**length_penalty))
            complete = sorted(complete, key=lambda beam: beam.score, reverse=True)[:n_beams]
            live = (~ends).nonzero()[:n_beams, 0]
            if len(live) == 0:
                break
            # The score changes with the length in one direction: its best is at one of the ends.
            lengths = (n_new + 1, max_new_tokens)
            best_possible = max(log_p[live[0]].item() / n**length_penalty for n in lengths)
            if len(complete) == n_beams and best_possible <= complete[-1].score:
                break
            reader.select_rows(parents[live])
            rows, log_p = rows[live], log_p[live]
    return complete


def _best(log_p: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """The n best entries of a table (row, token), impossible ones left out."""
    values, places = log_p.flatten().topk(min(n, log_p.numel()))
    possible = values > -torch.inf
    values, places = values[possible], places[possible]
    return values, places // log_p.shape[1], places % log_p.shape[1]

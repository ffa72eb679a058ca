"""Answers to the exercises of the page on autoregressive models, step by step."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from tests.exercises.answers import Answers


def nll_by_cross_entropy(logits, targets, mask):
    marked = torch.where(mask, targets, -100)
    return F.cross_entropy(logits.flatten(0, 1).double(), marked.flatten())


def nll_by_loop(logits, targets, mask):
    total, count = 0.0, 0
    for row, wanted, real in zip(logits.tolist(), targets.tolist(), mask.tolist(), strict=True):
        for numbers, target, counts in zip(row, wanted, real, strict=True):
            if counts:
                total += math.log(sum(math.exp(a) for a in numbers)) - numbers[target]
                count += 1
    return total / count


def log_p(logits, targets, dim=-1):
    return logits.log_softmax(dim).gather(-1, targets[..., None])[..., 0]


def nucleus_by_loop(probabilities, p):
    kept, total = [False] * len(probabilities), 0.0
    for k in sorted(range(len(kept)), key=lambda k: -probabilities[k]):
        if total >= p:
            break
        kept[k], total = True, total + float(probabilities[k])
    return kept


def nucleus_by_threshold(probabilities, p):
    ordered = np.sort(probabilities.numpy())[::-1]
    n = int(np.searchsorted(np.cumsum(ordered), p)) + 1
    return probabilities.numpy() >= ordered[n - 1]


def one_token_more_at_p(probabilities, p):
    ordered = np.sort(probabilities.numpy())[::-1]
    n = int(np.searchsorted(np.cumsum(ordered), p, side="right")) + 1
    return probabilities.numpy() >= ordered[n - 1]


def smallest_first(probabilities, p):
    values, order = probabilities.sort()
    kept = values.cumsum(-1) - values < p
    return torch.zeros_like(kept).scatter(-1, order, kept)


def errors_in_closed_form(epsilon, n):
    """Divides by epsilon, so it has nothing to say at 0, which is therefore not asked."""
    return n - (1 - epsilon) * (1 - (1 - epsilon) ** n) / epsilon


def errors_by_recursion(epsilon, n):
    wrong = total = 0.0
    for _ in range(n):
        wrong = wrong + (1 - wrong) * epsilon
        total += wrong
    return np.float64(total)


def leak_by_shortening(model, tokens):
    """A causal model answers the beginning of a sequence as it does within the whole."""
    whole = model(tokens)
    return any(
        not torch.allclose(model(tokens[:, :t]), whole[:, :t]) for t in range(1, tokens.shape[1])
    )


def leak_token_by_token(model, tokens, *, tolerance=1e-9, next_alone=False, rows=slice(None)):
    whole = model(tokens)
    for s in range(1, tokens.shape[1]):
        for value in range(10):
            changed = tokens.clone()
            changed[rows, s] = value
            change = (model(changed) - whole)[:, (s - 1 if next_alone else 0) : s].abs().max()
            if change > tolerance:
                return np.bool_(True)
    return np.bool_(False)


ANSWERS = {
    "teacher-forcing-pairs": Answers(
        right=[
            lambda tokens: [tokens[:, :-1].numpy(), tokens[:, 1:].int()],
            lambda tokens: (
                tokens.narrow(1, 0, tokens.shape[1] - 1),
                tokens.diff() + tokens[:, :-1],
            ),
            lambda tokens: tokens.unfold(1, 2, 1).permute(2, 0, 1),
            lambda tokens: tuple(zip(*[(r[:-1], r[1:]) for r in tokens.tolist()], strict=True)),
        ],
        wrong=[
            lambda tokens: (tokens[:-1], tokens[1:]),
            lambda tokens: (tokens[:, :-1], tokens[:, -1:]),
            lambda tokens: (tokens[:, :-1], tokens),
            lambda tokens: (tokens[:, :-2], tokens[:, 2:]),
            lambda tokens: (tokens[:, :-1], tokens.flip(1)[:, :-1]),
        ],
    ),
    "masked-nll": Answers(
        right=[
            nll_by_cross_entropy,
            nll_by_loop,
            lambda a, y, m: -log_p(a, y)[m].mean().item(),
            lambda a, y, m: (a.logsumexp(-1) - a.gather(-1, y[..., None])[..., 0])[m].mean(),
        ],
        wrong=[
            lambda a, y, m: -log_p(a, y)[m].sum(),
            lambda a, y, m: -log_p(a, y)[~m].mean() if (~m).any() else 0.0,
            lambda a, y, m: -log_p(a, y)[m].mean() / math.log(2),
            lambda a, y, m: log_p(a, y)[m].mean(),
            lambda a, y, m: -log_p(a, y, dim=1)[m].mean(),
            lambda a, y, m: -log_p(a, y)[m].sum() / len(a),
            lambda a, y, m: -log_p(a, y)[m].exp().mean().log(),
        ],
    ),
    "nucleus": Answers(
        right=[
            nucleus_by_loop,
            nucleus_by_threshold,
            lambda probabilities, p: torch.tensor(nucleus_by_loop(probabilities, p)).int(),
        ],
        wrong=[
            smallest_first,
            one_token_more_at_p,
            lambda q, p: ~torch.tensor(nucleus_by_loop(q, p)),
            lambda q, p: [k for k, kept in enumerate(nucleus_by_loop(q, p)) if kept],
            lambda q, p: q >= p * q.max(),
            lambda q, p: torch.where(torch.tensor(nucleus_by_loop(q, p)), q, 0.0),
            lambda q, p: q >= q.topk(2).values[-1],
        ],
    ),
    "compounding-errors": Answers(
        right=[
            errors_in_closed_form,
            errors_by_recursion,
            lambda epsilon, n: (1 - (1 - epsilon) ** torch.arange(1, n + 1).double()).sum(),
            lambda epsilon, n: n - sum((1 - epsilon) ** k for k in range(1, n + 1)),
        ],
        wrong=[
            lambda epsilon, n: sum(1 - (1 - epsilon) ** k for k in range(n)),
            lambda epsilon, n: n * (1 - (1 - epsilon) ** n),
            lambda epsilon, n: epsilon * n**2 / 2,
            lambda epsilon, n: errors_by_recursion(epsilon, n) / n,
            lambda epsilon, n: min(n, epsilon * n * (n + 1) / 2),
        ],
    ),
    "finds-leak": Answers(
        right=[leak_by_shortening, leak_token_by_token],
        wrong=[
            lambda model, tokens: leak_token_by_token(model, tokens, tolerance=1e-2),
            lambda model, tokens: leak_token_by_token(model, tokens, next_alone=True),
            lambda model, tokens: not leak_token_by_token(model, tokens),
            lambda model, tokens: model(tokens).requires_grad,
            lambda model, tokens: True,
        ],
    ),
}

"""What must hold for every autoregressive model; its tests call these with a model of their own.

``from tests.ar.checks import assert_causal``. Give the models random weights first, by
:func:`randomize`: many are initialised so that their logits are zero or nearly so, and a model that
looks at nothing keeps every law.
"""

import copy
import math
from typing import TypeVar

import torch
from torch import Tensor, nn

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.causality import influence

ModelT = TypeVar("ModelT", bound=nn.Module)


def randomize(model: ModelT, *, seed: int = 0, scale: float = 0.3) -> ModelT:
    """Set all parameters to Gaussian noise, switch to evaluation, and return the model."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, scale, generator=generator)
    return model.eval()


def random_tokens(model: AutoregressiveModel, batch: int, time: int, *, seed: int = 0) -> Tensor:
    """Uniformly random tokens of shape (batch, time) for the model."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(model.vocab_size, (batch, time), generator=generator)


def assert_causal(model: AutoregressiveModel, tokens: Tensor) -> None:
    """The logits at t depend on the tokens up to t, and on no later one.

    Every later token is changed; and, if the model embeds its tokens with an ``nn.Embedding``, the
    derivatives of the logits by the later embeddings must be zero exactly, which notices a leak
    that is smaller than rounding.
    """
    model.eval()
    _assert_later_tokens_do_not_matter(model, tokens)
    if any(isinstance(module, nn.Embedding) for module in model.modules()):
        _assert_later_gradients_vanish(model, tokens)


@torch.no_grad()
def _assert_later_tokens_do_not_matter(model: AutoregressiveModel, tokens: Tensor) -> None:
    logits = model(tokens)
    last = tokens.shape[1] - 1
    for t in range(last + 1):
        changed = tokens.clone()
        changed[:, t + 1 :] = (changed[:, t + 1 :] + 1) % model.vocab_size
        _assert_close(
            model(changed)[:, : t + 1], logits[:, : t + 1], f"logits up to {t} see a later token"
        )
    changed = (tokens + 1) % model.vocab_size
    if torch.equal(model(changed)[:, last], logits[:, last]):
        raise AssertionError("the model looks at no token at all: give it random weights first")


def _assert_later_gradients_vanish(model: AutoregressiveModel, tokens: Tensor) -> None:
    for t, row in enumerate(influence(model, tokens)):
        if row[t + 1 :].any():
            later = (row[t + 1 :].nonzero()[:, 0] + t + 1).tolist()
            raise AssertionError(f"logits at {t} have derivatives by the later tokens {later}")
        if not row[: t + 1].any():
            raise AssertionError(f"logits at {t} have no derivative by any token up to {t}")


@torch.no_grad()
def assert_cached_equals_uncached(model: AutoregressiveModel, tokens: Tensor) -> None:
    """Reading piece by piece gives the logits of one pass, however the tokens are cut.

    Pieces are the whole, single tokens, a prompt and then single tokens, and pieces of 1, 2, 3, …
    tokens. To reach the context's edge, give as many tokens as the context has.
    """
    model.eval()
    expected = model(tokens)
    time = tokens.shape[1]
    half = max(1, time // 2)
    growing = [size for size in range(1, time + 1) if size * (size + 1) // 2 <= time]
    for sizes in (
        [time],
        [1] * time,
        [half] + [1] * (time - half),
        [*growing, *([1] * (time - sum(growing)))],
    ):
        state = model.initial_state(tokens.shape[0])
        pieces = []
        for piece in tokens.split(sizes, dim=1):
            logits, state = model.advance(piece, state)
            pieces.append(logits)
        _assert_close(torch.cat(pieces, 1), expected, f"logits in pieces of {sizes} differ")


@torch.no_grad()
def assert_rows_can_be_selected(model: AutoregressiveModel, tokens: Tensor) -> None:
    """Rows of a state, in another order and repeated, go on as those sequences would.

    Needs two rows and two tokens at least.
    """
    model.eval()
    rows = torch.tensor([tokens.shape[0] - 1, 0, 0])
    half = tokens.shape[1] // 2
    _, state = model.advance(tokens[:, :half], model.initial_state(tokens.shape[0]))
    logits, _ = model.advance(tokens[rows, half:], model.select_rows(state, rows))
    _assert_close(logits, model(tokens[rows])[:, half:], "selected rows of the state go on wrongly")


@torch.no_grad()
def assert_state_can_be_truncated(model: AutoregressiveModel, tokens: Tensor) -> None:
    """A state cut back to any length goes on as if the rest had never been read."""
    model.eval()
    expected = model(tokens)
    for length in range(tokens.shape[1]):
        rejected = (tokens[:, length:] + 1) % model.vocab_size
        read = torch.cat([tokens[:, :length], rejected], dim=1)
        _, state = model.advance(read, model.initial_state(tokens.shape[0]))
        logits, _ = model.advance(tokens[:, length:], model.truncate(state, length))
        _assert_close(logits, expected[:, length:], f"a state cut to {length} goes on wrongly")


@torch.no_grad()
def assert_probabilities_sum_to_one(model: AutoregressiveModel, length: int) -> None:
    """The probabilities of all V ** length continuations of each first token sum to 1."""
    model.eval()
    vocabulary = torch.arange(model.vocab_size)
    continuations = torch.cartesian_prod(*[vocabulary] * length).reshape(-1, length)
    for first in vocabulary:
        tokens = torch.cat([first.expand(len(continuations), 1), continuations], dim=1)
        total = model.nll(tokens).double().sum(1).neg().exp().sum().item()
        if not math.isclose(total, 1, abs_tol=1e-4):
            raise AssertionError(
                f"the {len(continuations)} continuations of token {int(first)} have total "
                f"probability {total}, expected 1"
            )


@torch.no_grad()
def assert_uniform_nll(model: AutoregressiveModel, tokens: Tensor) -> None:
    """With all parameters zero every token costs log V nats, and padding costs nothing."""
    uniform = copy.deepcopy(model).eval()
    for parameter in uniform.parameters():
        parameter.zero_()
    expected = torch.full((tokens.shape[0], tokens.shape[1] - 1), math.log(model.vocab_size))
    _assert_close(uniform.nll(tokens), expected, "a model without knowledge must cost log V")
    mask = torch.ones_like(tokens, dtype=torch.bool)
    mask[:, -1] = False
    expected[:, -1] = 0
    _assert_close(uniform.nll(tokens, mask), expected, "padding must cost nothing")


def _assert_close(actual: Tensor, expected: Tensor, what: str) -> None:
    torch.testing.assert_close(
        actual, expected, rtol=1e-4, atol=1e-5, msg=lambda text: f"{what}\n{text}"
    )

r"""From logits to a token: what is made of a model's distribution before a token is drawn from it.

Every filter is a pure function of logits whose last dimension is the vocabulary. What a filter
removes gets the logit −∞, hence probability 0 exactly, and the rest keeps its proportions:
``softmax`` of the result is the distribution given that none of the removed tokens comes.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.config import Config, as_instance
from aigc_tutorial.data.checks import require_rng

Logits = Float[Tensor, "*B V"]


def check_temperature(temperature: float) -> None:
    """Refuse what no logits can be divided by.

    Raises:
        ValueError: if the temperature is negative, infinite or NaN.
    """
    if not 0 <= temperature < math.inf:
        raise ValueError(
            "temperature must be a finite number, 0 (always the most probable token) or above, "
            f"got {temperature}"
        )


def _check_penalty(penalty: float) -> None:
    if not 0 < penalty < math.inf:
        raise ValueError(f"repetition_penalty must be positive, 1 for none, got {penalty}")


def _check_top_k(k: int) -> None:
    if k < 1:
        raise ValueError(f"top_k must be at least 1, or None to keep all tokens, got {k}")


def _check_share(name: str, share: float) -> None:
    if not 0 < share <= 1:
        raise ValueError(
            f"{name} must be above 0 and at most 1, or None to keep all tokens, got {share}"
        )


@dataclass(frozen=True)
class SamplingConfig(Config):
    """How a token is chosen; the default draws from the model's own distribution.

    Attributes:
        temperature: divides the logits: below 1 the probable becomes more probable still. 0 is
            greedy: always the most probable token, of equals the first.
        top_k: keep the k most probable tokens; None keeps all.
        top_p: keep the most probable tokens that together have this probability; None keeps all.
        min_p: keep tokens with at least this share of the best one's probability; None keeps all.
        repetition_penalty: makes tokens that occurred less probable if above 1; 1 does nothing.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            TypeError: if one is no number.
            ValueError: if one is out of its range.
        """
        super().__post_init__()
        check_temperature(self.temperature)
        _check_penalty(self.repetition_penalty)
        if self.top_k is not None:
            _check_top_k(self.top_k)
        if self.top_p is not None:
            _check_share("top_p", self.top_p)
        if self.min_p is not None:
            _check_share("min_p", self.min_p)


WRITE_CONFIG = "write SamplingConfig(temperature=0.8), say"
"""What to do about something else in its place."""


def apply_temperature(logits: Logits, temperature: float) -> Logits:
    """Divide by the temperature.

    The result is shifted so that its maximum is 0, which softmax does not see and which cannot
    overflow, however small the temperature. At 0 this is the limit: of all tokens the most
    probable one is left, of equals the first.
    """
    check_temperature(temperature)
    if temperature > 0:
        return cooled(logits, temperature)
    best, place = logits.max(dim=-1, keepdim=True)
    check_drawn(best, logits, lowest=-math.inf)
    return torch.full_like(logits, -math.inf).scatter(-1, place, 0.0)


def cooled(logits: Logits, temperature: float) -> Logits:
    """What :func:`apply_temperature` does at a positive temperature, unchecked."""
    logits = _at_least_float32(logits)
    # Below the smallest normal number its reciprocal would overflow.
    temperature = max(temperature, torch.finfo(torch.float32).tiny)
    return (logits - logits.amax(dim=-1, keepdim=True)) / temperature


def _at_least_float32(logits: Tensor) -> Tensor:
    """Half precision is too coarse to add up probabilities in."""
    return logits if logits.dtype in (torch.float32, torch.float64) else logits.float()


def keep_top_k(logits: Logits, k: int) -> Logits:
    """Remove all but the k most probable tokens (Fan et al., 2018, arXiv 1805.04833).

    Tokens equal to the k-th are kept too, so there can be more than k. A k beyond the vocabulary
    keeps everything.
    """
    _check_top_k(k)
    smallest_kept = logits.topk(min(k, logits.shape[-1])).values[..., -1:]
    return logits.masked_fill(logits < smallest_kept, -math.inf)


def keep_top_p(logits: Logits, p: float) -> Logits:
    """Keep the nucleus, the fewest tokens with probability p (Holtzman et al., 2020).

    From the least probable token on, tokens are removed as long as all removed together have
    probability 1 - p at most; of equals the earlier ones go first. The most probable stays. Source:
    arXiv 1904.09751, equation 2.
    """
    _check_share("top_p", p)
    if p == 1:
        return logits  # the sum below would remove what float32 adds up to 0
    ascending, order = logits.sort(dim=-1, stable=True)
    removed = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - p
    removed[..., -1] = False
    return logits.masked_fill(removed.scatter(-1, order, removed), -math.inf)


def keep_min_p(logits: Logits, share: float) -> Logits:
    """Remove tokens with less than ``share`` of the best one's probability.

    Where the model is sure, few tokens are left, and where it is not, many (Nguyen et al., 2024,
    arXiv 2407.01082).
    """
    _check_share("min_p", share)
    probabilities = logits.softmax(dim=-1)
    best = probabilities.amax(dim=-1, keepdim=True)
    return logits.masked_fill(probabilities < share * best, -math.inf)


def penalise_repetition(logits: Logits, tokens: Int64[Tensor, "*B T"], penalty: float) -> Logits:
    """Divide positive logits of tokens that occurred by the penalty, multiply negative ones.

    How often a token occurred makes no difference. The result depends on where the logits have
    their zero, which ``softmax`` does not see: a rule of thumb, not a change of distribution.
    Source: Keskar et al. (2019), arXiv 1909.05858, section 4.1, for the negative ones as usual
    since.

    Args:
        logits: of the next token.
        tokens: those so far, prompt included.
        penalty: above 1 against repetition, below 1 in its favour.
    """
    _check_penalty(penalty)
    occurred = logits.gather(-1, tokens)
    occurred = torch.where(occurred < 0, occurred * penalty, occurred / penalty)
    return logits.scatter(-1, tokens, occurred)


def process(
    logits: Logits, config: SamplingConfig, tokens: Int64[Tensor, "*B T"] | None = None
) -> Logits:
    """Apply all that is configured: repetition, temperature, top-k, top-p, min-p, in this order.

    Args:
        logits: of the next token.
        config: what to do.
        tokens: those so far; needed if repetition is penalised.

    Returns:
        Logits whose softmax is the distribution that a token is drawn from.

    Raises:
        TypeError: if config is something else.
    """
    as_instance(config, SamplingConfig, "config", WRITE_CONFIG)
    logits = _penalise(_at_least_float32(logits), config, tokens)
    if config.temperature != 1:
        logits = apply_temperature(logits, config.temperature)
    if config.top_k is not None:
        logits = keep_top_k(logits, config.top_k)
    if config.top_p is not None:
        logits = keep_top_p(logits, config.top_p)
    if config.min_p is not None:
        logits = keep_min_p(logits, config.min_p)
    return logits


def sample(
    logits: Logits,
    config: SamplingConfig = SamplingConfig(),
    *,
    tokens: Int64[Tensor, "*B T"] | None = None,
    rng: torch.Generator | None = None,
) -> Int64[Tensor, "*B"]:
    """Draw one token from each row of logits.

    Args:
        logits: of the next token.
        config: see :func:`process`.
        tokens: those so far; needed if repetition is penalised.
        rng: source of randomness; see :func:`draw`. Nothing is drawn at temperature 0.

    Raises:
        ValueError: if a row is no distribution: NaN, or +∞, or −∞ everywhere.
        TypeError: if config is something else.
    """
    as_instance(config, SamplingConfig, "config", WRITE_CONFIG)
    if config.temperature == 0:  # No filter removes the most probable token.
        best, new = _penalise(logits, config, tokens).max(dim=-1)
        check_drawn(best, logits, lowest=-math.inf)
        return new
    probabilities = process(logits, config, tokens).softmax(dim=-1, dtype=torch.float32)
    return draw(probabilities, rng=rng)


def draw(probabilities: Logits, *, rng: torch.Generator | None = None) -> Int64[Tensor, "*B"]:
    """Draw one token from each row of probabilities; one of probability 0 is never drawn.

    The tokens run a race. Each arrives after an exponentially distributed time, at a rate that is
    its probability, and then it is first with that very probability.

    The times are drawn where ``rng`` lives, by default on the CPU from torch's global source,
    and moved after that: one seed then means the same on a laptop and on a GPU.

    Args:
        probabilities: not negative; they need not sum to 1.
        rng: source of randomness.

    Raises:
        ValueError: if a row is no distribution: NaN, or without any positive probability.
    """
    where = "cpu" if rng is None else require_rng(rng).device
    times = torch.empty(probabilities.shape, dtype=probabilities.dtype, device=where)
    # Some generators return 0, at which even a probability of 0 would arrive.
    times.exponential_(generator=rng).clamp_(min=torch.finfo(times.dtype).tiny)
    speeds, first = (probabilities / times.to(probabilities.device)).max(dim=-1)
    check_drawn(speeds, probabilities, lowest=0)
    return first


def check_drawn(best: Tensor, row: Tensor, *, lowest: float) -> None:
    """Refuse what was drawn from no distribution.

    NaN anywhere in a row is NaN in its maximum and in every entry of its softmax, so that one
    number a row tells: cheaper than to look at all of them.

    Args:
        best: of each row the number that would be NaN.
        row: logits or probabilities, to say what is wrong with them.
        lowest: below all that is right.

    Raises:
        ValueError: if one of ``best`` is not a number between ``lowest`` and infinity.
    """
    if all(lowest < number < math.inf for number in best.flatten().tolist()):
        return
    if row.isnan().any():
        what = "not numbers (NaN)"
    elif (row == math.inf).any():
        what = "infinite"
    else:
        what = "those of no possible token: not one has a probability above 0"
    raise ValueError(
        f"the model's logits are {what}; probably its training has diverged: go back to an earlier "
        "checkpoint, and lower the learning rate"
    )


def _penalise(logits: Tensor, config: SamplingConfig, tokens: Tensor | None) -> Tensor:
    if config.repetition_penalty == 1:
        return logits
    if tokens is None:
        raise ValueError(
            f"repetition_penalty is {config.repetition_penalty}, but there are no tokens that "
            "could be repeated; pass tokens, all of them so far"
        )
    return penalise_repetition(logits, tokens, config.repetition_penalty)

"""How well a film's text matches what a person has seen: two towers on one encoder of texts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.apps.recommend.checks import require_seen
from aigc_tutorial.config import Config
from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import as_count
from aigc_tutorial.nn import evaluation_mode
from aigc_tutorial.optim import JointOptimizer, warmup_flat_decay
from aigc_tutorial.training import History

_BATCH_SIZE = 256


@dataclass(frozen=True)
class InterestConfig(Config):
    """How an :class:`InterestModel` is trained.

    Attributes:
        n_films: budget, in films read, counted with repetition.
        block_size: films in a step.
        learning_rate_head: step size of the head and the temperature, at the top of the schedule.
        learning_rate_backbone: that of whatever is trained in the backbone.
        weight_decay: decoupled, of all that is trained.
        fame: films are drawn with the number of people who have seen them, to this power.
        max_gradient_norm: longer gradients are scaled down to this length.
    """

    n_films: int = 10_000
    block_size: int = 192
    learning_rate_head: float = 3e-3
    learning_rate_backbone: float = 3e-4
    weight_decay: float = 0.01
    fame: float = 0.5
    max_gradient_norm: float = 1.0

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("n_films", at_least=1)
        self.require("block_size", at_least=2)
        self.require("learning_rate_head", "learning_rate_backbone", "max_gradient_norm", above=0)
        self.require("weight_decay", "fame", at_least=0)


class InterestModel(nn.Module):
    r"""Says from texts how well a film matches what a person has seen.

    .. math:: s_{ui} = \tau \cos\Bigl(\frac{1}{|H_u|} \sum_{j \in H_u} e_j,\; e_i\Bigr) + b_i

    The embedding :math:`e_i` and the offset :math:`b_i` are linear in the features of film i's
    text, so both are there for a film that nobody has seen. A person is the mean of the films of
    his or her history and needs no training.

    Attributes:
        features: from films to features.
        head: to the embedding (of unit length) and the offset.
        log_scale: logarithm of :math:`\tau`.
    """

    features: Any

    def __init__(self, features: nn.Module, *, size: int = 64, rng: torch.Generator) -> None:
        """Put a head on features.

        Args:
            features: has a ``width`` D and ``n_films`` I, and makes features (n, D) of films (n,).
            size: of the embedding.
            rng: draws the head.
        """
        super().__init__()
        require_rng(rng)
        self.features = features
        width, size = int(self.features.width), as_count(size, "size")
        self.head = nn.Linear(width, size + 1)
        with torch.no_grad():
            self.head.weight.copy_(torch.randn(size + 1, width, generator=rng) / width**0.5)
            self.head.weight[-1] = 0
            self.head.bias.zero_()
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())
        self.to(next(features.buffers()).device)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.head.weight.device

    def forward(
        self, films: Int64[Tensor, " n"]
    ) -> tuple[Float[Tensor, "n E"], Float[Tensor, " n"]]:
        """Embeddings of unit length, and offsets."""
        raw = self.head(self.features(films))
        return F.normalize(raw[:, :-1], dim=1), raw[:, -1]

    @torch.no_grad()
    def all_films(self) -> tuple[Float[Tensor, "I E"], Float[Tensor, " I"]]:
        """Embeddings and offsets of all films, in evaluation mode."""
        with evaluation_mode(self):
            films = torch.arange(self.features.n_films, device=self.device).split(_BATCH_SIZE)
            parts = [self(each) for each in films]
        embeddings, offsets = zip(*parts, strict=True)
        return torch.cat(embeddings), torch.cat(offsets)

    @torch.no_grad()
    def scores(self, seen: Float[Tensor, "U I"]) -> Float[Tensor, "U I"]:
        """Interest of each person in each film, on the CPU.

        Args:
            seen: 1 where a person has seen a film.
        """
        require_seen(seen, self.features.n_films)
        embeddings, offsets = self.all_films()
        people = F.normalize(seen.to(embeddings) @ embeddings, dim=1)
        return (self.log_scale.exp() * people @ embeddings.T + offsets).float().cpu()


def block_loss(
    embeddings: Float[Tensor, "n E"],
    offsets: Float[Tensor, " n"],
    scale: Float[Tensor, ""],
    seen: Float[Tensor, "U n"],
    log_share: Float[Tensor, " n"],
) -> Float[Tensor, ""]:
    r"""Cross-entropy of finding each seen film of a block from the others that the person saw.

    For each person with two films or more in the block, each film in turn is the one to be found;
    the person is the mean of the others, and the rivals are the films not seen. The logarithm of a
    film's share of the draws is taken off, as in a sampled softmax, so that scores are what they
    would be against all films.

    Args:
        embeddings: of the block's films.
        offsets: of the same.
        scale: of the cosine.
        seen: 1 where a person has seen a film of the block.
        log_share: log of how often each film is drawn.

    Raises:
        ValueError: if nobody has seen two films of the block, so that there is nothing to find.
    """
    people, films = (seen * (seen.sum(1, keepdim=True) > 1)).nonzero(as_tuple=True)
    if len(people) == 0:
        raise ValueError("nobody has seen two films of this block; take a larger one")
    others = (seen @ embeddings)[people] - embeddings[films]
    logits = scale * F.normalize(others, dim=1) @ embeddings.T + offsets - log_share
    is_rival = (seen[people] == 0).scatter(
        1, films[:, None], torch.ones_like(films[:, None]).bool()
    )
    return F.cross_entropy(logits.masked_fill(~is_rival, -torch.inf), films)


def train_interest(
    model: InterestModel,
    seen: Float[Tensor, "U I"],
    *,
    config: InterestConfig,
    rng: torch.Generator,
    after_step: Callable[[int], None] | None = None,
) -> History:
    """Train what can be trained in a model, on who has seen what.

    Args:
        model: trained in place.
        seen: 1 where a person has seen a film; a film that nobody has seen is never drawn.
        config: budget and rates.
        rng: draws blocks of films.
        after_step: is told the films read so far.

    Returns:
        The loss in nats over the films read. A block of which nobody has seen two films is counted
        and teaches nothing.

    Raises:
        ValueError: if nobody has seen two films, or nobody two films of any block.
    """
    require_rng(rng)
    seen = require_seen(seen, model.features.n_films).to(model.device, torch.float32)
    drawn_with = seen.sum(0).double().cpu() ** config.fame * (seen.sum(0) > 0).cpu()
    n = min(config.block_size, int((drawn_with > 0).sum()))
    if not (seen.sum(1) > 1).any():
        raise ValueError("somebody must have seen two films or more; nobody has")
    log_share = (drawn_with / drawn_with.sum()).clamp(min=1e-12).log().float().to(model.device)
    groups = {
        True: [p for name, p in model.named_parameters() if "reader.backbone" in name],
        False: [p for name, p in model.named_parameters() if "reader." not in name],
    }
    rates = {True: config.learning_rate_backbone, False: config.learning_rate_head}
    chosen = [
        {"params": trained, "lr": rates[is_backbone]}
        for is_backbone, group in groups.items()
        if (trained := [p for p in group if p.requires_grad])
    ]
    adamw = torch.optim.AdamW(chosen, betas=(0.9, 0.99), weight_decay=config.weight_decay)
    optimizer = JointOptimizer(adamw, max_norm=config.max_gradient_norm)
    history, n_read = History(), 0
    model.train()
    while n_read < config.n_films:
        n_read += n
        progress = min(1.0, n_read / config.n_films)
        optimizer.scale_learning_rates(warmup_flat_decay(progress, warmup=0.1, flat_until=0.4))
        films = torch.multinomial(drawn_with, n, generator=rng).to(model.device)
        if not (seen[:, films].sum(1) > 1).any():
            continue
        embeddings, offsets = model(films)
        scale = model.log_scale.exp()
        loss = block_loss(embeddings, offsets, scale, seen[:, films], log_share[films])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append({"n_films": n_read, "loss": float(loss.detach())})
        if after_step is not None:
            after_step(n_read)
    if not len(history):
        raise ValueError(
            f"in no block of {n} films had anybody seen two; take a larger block_size or n_films"
        )
    return history

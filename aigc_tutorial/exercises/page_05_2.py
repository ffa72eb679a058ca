"""Exercises of the page on the implementation: the silent faults, mended by the reader."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "05_2_implementation"


def _two_logits(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for scale in (1.0, 200.0):
        yield tuple(scale * torch.randn(2, 12, generator=rng))


@exercise(
    "discriminator-loss",
    page=PAGE,
    level="warm-up",
    cases=_two_logits,
    hint="-log sigmoid(a) = softplus(-a) for the real logits, -log(1 - sigmoid(a)) = softplus(a) "
    "for the others.",
    remark="At logits of zero it is 2 log 2, the value of a discriminator that knows nothing.",
    mistakes=[
        Mistake(
            lambda real, fake: -F.softplus(-real).mean() - F.softplus(fake).mean(),
            "this is the sum as the document prints it. It is to be maximised: minimise it and the "
            "discriminator learns to answer the wrong way round.",
        ),
        Mistake(
            lambda real, fake: real.sigmoid().mean() + fake.sigmoid().mean(),
            "this pushes both probabilities down, as the document's code does. The real one "
            "should rise.",
        ),
        Mistake(
            lambda real, fake: F.softplus(real).mean() + F.softplus(-fake).mean(),
            "real and generated are exchanged.",
        ),
        Mistake(
            lambda real, fake: F.softplus(-real).mean(),
            "a discriminator that sees real images alone calls everything real.",
        ),
    ],
)
def discriminator_loss(
    logits_real: Float[Tensor, " B"], logits_fake: Float[Tensor, " B"]
) -> Float[Tensor, ""]:
    """Loss that the discriminator minimises, from logits (B,) of real and of generated images.

    The mean of -log D(x) plus the mean of -log(1 - D(G(z))), finite for logits of any size.
    """
    return F.softplus(-logits_real).mean() + F.softplus(logits_fake).mean()


def _networks(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    network_g = nn.Linear(3, 4)
    network_d = nn.Sequential(nn.Linear(4, 1), nn.Flatten(0))
    for parameter in (*network_g.parameters(), *network_d.parameters()):
        parameter.data = torch.randn(parameter.shape, generator=rng)
    x_real = torch.randn(8, 4, generator=rng)
    yield network_g, network_d, x_real, torch.randn(8, 3, generator=rng)


def _gradients(arguments: tuple[Any, ...], loss: Tensor) -> dict[str, Any]:
    network_g, network_d = arguments[:2]
    loss.backward()
    received = network_g.weight.grad
    return {
        "the loss": loss,
        "the gradient of the discriminator's weight": network_d[0].weight.grad,
        "the size of the generator's gradient": 0.0 if received is None else float(received.norm()),
        "whether all weights can still learn": all(
            p.requires_grad for p in (*network_g.parameters(), *network_d.parameters())
        ),
    }


def _loss_of(network_d: Callable[[Tensor], Tensor], x_real: Tensor, x_fake: Tensor) -> Tensor:
    return F.softplus(-network_d(x_real)).mean() + F.softplus(network_d(x_fake)).mean()


@exercise(
    "detach",
    page=PAGE,
    level="core",
    cases=_networks,
    observe=_gradients,
    hint="x_fake = generator(z).detach() cuts the graph between the two networks.",
    remark="It also spares the backward pass through the generator, a good part of the time.",
    mistakes=[
        Mistake(
            lambda g, d, x_real, z: _loss_of(d, x_real, g(z)),
            "the loss is right, but its backward pass goes on into the generator and leaves "
            "gradients there, which the generator's next step would add to its own.",
        ),
        Mistake(
            lambda g, d, x_real, z: (
                F.softplus(-d(x_real)).mean() + F.softplus(d(g(z)).detach()).mean()
            ),
            "you cut behind the discriminator: it gets no gradient from generated images at all. "
            "Cut before it.",
        ),
        Mistake(
            lambda g, d, x_real, z: _loss_of(d, x_real, g.requires_grad_(False)(z)),
            "the gradient goes where it should, but the generator stays frozen: in its own turn it "
            "would learn nothing. Cut the images off instead of freezing the network.",
        ),
    ],
)
def loss_of_discriminator(
    generator: Callable[[Tensor], Tensor],
    discriminator: Callable[[Tensor], Tensor],
    x_real: Float[Tensor, "B ..."],
    z: Float[Tensor, "B Z"],
) -> Float[Tensor, ""]:
    """Loss of the discriminator on real data and on G(z), as in the exercise before.

    Its backward pass must reach the discriminator's weights and leave the generator's alone. All
    weights must be able to learn afterwards.
    """
    x_fake = generator(z).detach()
    logits_real, logits_fake = discriminator(x_real), discriminator(x_fake)
    return F.softplus(-logits_real).mean() + F.softplus(logits_fake).mean()


def _column_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n in (4, 10):
        labels = (torch.rand(n, generator=rng) < 0.5).float()
        noise = torch.randn(n, generator=rng)
        yield (2 * (labels - 0.5) + noise)[:, None], labels
    yield torch.tensor([[0.0], [0.0], [0.0], [2.0]]), torch.tensor([1.0, 1.0, 0.0, 1.0])


@exercise(
    "broadcasting",
    page=PAGE,
    level="core",
    cases=_column_cases,
    hint="print the shape of the comparison: it should have B entries, not B times B.",
    remark="That is why every discriminator of this package returns (B,).",
    mistakes=[
        Mistake(
            lambda logits, labels: ((logits > 0) == labels.bool()).float().mean(),
            "(B, 1) against (B,) is no error: torch compares every logit with every label, a "
            "table of B times B.",
        ),
        Mistake(
            lambda logits, labels: ((logits.squeeze(1) > 0) == labels.bool()).float().sum(),
            "divide by the number of images.",
        ),
        Mistake(
            lambda logits, labels: ((logits.squeeze(1) > 0.5) == labels.bool()).float().mean(),
            "these are logits: probability 1/2 is the logit 0.",
        ),
        Mistake(
            lambda logits, labels: ((logits.squeeze(1) >= 0) == labels.bool()).float().mean(),
            "a logit of 0 is not positive, so it says generated.",
        ),
    ],
)
def accuracy(logits: Float[Tensor, "B 1"], labels: Float[Tensor, " B"]) -> Float[Tensor, ""]:
    """Share of the logits (B, 1) that lie on the right side for their labels (B,).

    A label is 1 for real and 0 for generated; a positive logit says real, any other generated.
    """
    says_real = logits.squeeze(1) > 0
    return (says_real == labels.bool()).float().mean()


def _step_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n_steps in (2, 5):
        weight = torch.zeros(3, requires_grad=True)
        targets = torch.randn(n_steps, 3, generator=rng)
        losses = [lambda w=weight, t=target: (w - t).square().sum() for target in targets]
        yield weight, torch.optim.SGD([weight], lr=0.1), losses


def _weight_after(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    return {
        "the weight after the last step": arguments[0].detach().clone(),
        "the weight that you return": result,
    }


def _in_order(order: str) -> Callable[..., Any]:
    """A loop that does zero_grad (z), backward (b) and step (s) in the order given."""

    def answer(weight: Tensor, optimizer: torch.optim.Optimizer, losses: Sequence[Any]) -> Tensor:
        for loss in losses:
            for letter in order:
                if letter == "z":
                    optimizer.zero_grad()
                elif letter == "b":
                    loss().backward()
                else:
                    optimizer.step()
        return weight

    return answer


@exercise(
    "zero-grad",
    page=PAGE,
    level="core",
    cases=_step_cases,
    observe=_weight_after,
    hint="backward adds to what is in .grad already; step uses it. When must it be emptied?",
    remark="In a GAN this matters twice: the generator's backward pass fills the discriminator's "
    "gradients too.",
    mistakes=[
        Mistake(
            _in_order("bs"),
            "without zero_grad each step uses the sum of all gradients so far.",
        ),
        Mistake(
            _in_order("bzs"),
            "nothing moves: either the gradients are thrown away between backward and step, or the "
            "step comes before there is a gradient to use.",
        ),
    ],
)
def take_steps(
    weight: Float[Tensor, " N"],
    optimizer: torch.optim.Optimizer,
    losses: Sequence[Callable[[], Tensor]],
) -> Float[Tensor, " N"]:
    """Make one step of plain gradient descent for each loss in turn, and return the weight.

    ``losses`` are functions without arguments; ``optimizer`` holds ``weight`` and knows the rate.
    """
    for loss in losses:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    return weight


def _reversal_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for shape in ((5,), (3, 1, 4, 4)):
        yield (torch.randn(shape, generator=rng, requires_grad=True),)


def _value_and_gradient(arguments: tuple[Any, ...], result: Tensor) -> dict[str, Tensor]:
    (x,) = arguments
    (gradient,) = torch.autograd.grad(result.sin().sum(), x)
    return {"what comes out": result.detach(), "the gradient that comes back": gradient}


@exercise(
    "reverse-gradient",
    page=PAGE,
    level="research",
    cases=_reversal_cases,
    observe=_value_and_gradient,
    hint="a sum of a part that is detached and a part that is not. The values must add up to x, "
    "and the part that is not detached must have the slope -1.",
    remark="With x_fake = reverse_gradient(generator(z)), one backward of L_D trains both networks "
    "of the min-max game at once. Which of the three losses of the generator is that, and what "
    "does it cost?",
    mistakes=[
        Mistake(
            lambda x: -x,
            "the gradient is turned round, and so is the value: the discriminator would see the "
            "negative of each image.",
        ),
        Mistake(
            lambda x: x * 1.0,
            "the gradient comes back as it is: it would help the discriminator.",
        ),
        Mistake(
            lambda x: x.detach() - x,
            "the slope is right. The value is 0: what has to be added without a gradient?",
        ),
    ],
)
def reverse_gradient(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return ``x`` in a form whose gradient goes back to ``x`` with the opposite sign.

    The values stay what they are. Plain tensor operations and ``detach`` suffice.
    """
    return 2 * x.detach() - x

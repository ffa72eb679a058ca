"""Both sides of every equation of page 3.3, computed."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import softplus
from torch.utils.flop_counter import FlopCounterMode

from aigc_tutorial import ar, evaluation
from aigc_tutorial.exercises import find
from aigc_tutorial.gan import losses

VOCABULARY, LAYERS, WIDTH = 11, 2, 16


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def transformer() -> ar.Transformer:
    config = ar.TransformerConfig(VOCABULARY, context=24, n_layers=LAYERS, n_heads=2, width=WIDTH)
    torch.manual_seed(0)
    return ar.Transformer(config).eval()


def weights_in_matrices(model: ar.Transformer) -> int:
    blocks = [p.numel() for block in model.blocks for p in block.parameters()]
    assert model.head is not None
    return sum(blocks) + model.head.weight.numel()


def operations(run: Callable[[], object]) -> int:
    # Attention as plain matrix products: torch 2.9 does not count the fused kernel of the CPU.
    plain = sdpa_kernel(SDPBackend.MATH)
    with torch.no_grad(), plain, FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


@pytest.mark.equation("limits-best-response")
def test_against_a_still_discriminator_the_best_distribution_is_a_clump():
    logits = 3 * torch.randn(50, generator=seeded(), dtype=torch.float64)
    best = float(softplus(-logits.max()))
    assert float(losses.non_saturating_generator_loss(logits.max()[None])) == pytest.approx(best)
    spread = torch.randn(2_000, 50, generator=seeded(1), dtype=torch.float64)
    for sharpness in (1.0, 10.0, 100.0):
        q = (sharpness * spread).softmax(1)
        assert float((q * softplus(-logits)).sum(1).min()) >= best
    # and gradient descent on q itself gathers all of it at the maximum
    scores = torch.zeros(50, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([scores], lr=0.1)
    for _ in range(2_000):
        optimizer.zero_grad()
        (scores.softmax(0) * softplus(-logits)).sum().backward()
        optimizer.step()
    assert int(scores.argmax()) == int(logits.argmax())
    assert float(scores.detach().softmax(0).max()) > 0.99


@pytest.mark.equation("limits-best-response")
def test_averaged_over_its_partner_the_relativistic_loss_wants_a_clump_too():
    real, logits = torch.randn(2, 40, generator=seeded(), dtype=torch.float64) * 2
    price = softplus(real[:, None] - logits).mean(0)  # of a point at each place, over all partners
    assert int(price.argmin()) == int(logits.argmax())
    clump = losses.relativistic_generator_loss(real, logits.max().expand(40))
    torch.testing.assert_close(clump, price.min())
    assert bool((price.diff()[logits.diff() > 0] < 0).all())


@pytest.mark.equation("limits-overfitting")
def test_overfitting_is_0_for_equal_and_1_for_generated():
    heuristic = find("overfitting-heuristic").solution
    training, fake = torch.randn(2, 500, generator=seeded(), dtype=torch.float64)
    training = training + 2
    assert float(heuristic(training, training, fake)) == 0
    assert float(heuristic(training, fake, fake)) == 1
    assert float(heuristic(training, fake - 1, fake)) > 1
    halfway = (training.mean() + fake.mean()) / 2
    for scale, offset in ((1.0, 0.0), (7.0, -3.0)):  # logits may be scaled and shifted
        found = heuristic(*(scale * a + offset for a in (training, halfway[None], fake)))
        assert float(found) == pytest.approx(0.5)


@pytest.mark.equation("limits-cost-pass")
@pytest.mark.parametrize("length", [1, 5, 24])
def test_operations_of_a_pass(length):
    model = transformer()
    n_weights = weights_in_matrices(model)
    tokens = torch.randint(VOCABULARY, (1, length), generator=seeded())
    expected = 2 * n_weights * length + 4 * LAYERS * WIDTH * length**2
    assert operations(lambda: model(tokens)) == expected


@pytest.mark.equation("limits-cost-naive")
def test_operations_without_a_cache():
    model = transformer()
    n_weights = weights_in_matrices(model)
    tokens = torch.randint(VOCABULARY, (1, 24), generator=seeded())
    for total in (1, 7, 24):
        passes = sum(operations(partial(model, tokens[:, :t])) for t in range(1, total + 1))
        linear = n_weights * total * (total + 1)
        pairs = LAYERS * WIDTH * total * (total + 1) * (2 * total + 1)
        assert passes == pytest.approx(linear + 2 / 3 * pairs, rel=1e-12)


@pytest.mark.equation("limits-cost-cached")
def test_operations_with_a_cache():
    model = transformer()
    n_weights = weights_in_matrices(model)
    tokens = torch.randint(VOCABULARY, (1, 24), generator=seeded())
    for total in (1, 7, 24):
        state = model.initial_state(1)
        singles = tokens[:, :total].split(1, dim=1)
        steps = sum(operations(partial(model.advance, token, state)) for token in singles)
        assert steps == 2 * n_weights * total + 2 * LAYERS * WIDTH * total * (total + 1)


@pytest.mark.equation("limits-cache")
def test_numbers_kept_from_token_to_token():
    assert transformer().initial_state(1).cache.memory.numel() == 2 * LAYERS * WIDTH * 24
    for cell in ("rnn", "gru"):
        model = ar.RecurrentModel(ar.RecurrentConfig(VOCABULARY, cell=cell, hidden_dim=9))
        state = model.initial_state(1)
        for length in (1, 50):
            _, state = model.advance(torch.zeros(1, length, dtype=torch.int64), state)
            assert state.numel() == 9


@pytest.mark.equation("limits-packing")
def test_packs_show_lost_modes():
    packed = find("packed-variation").solution
    p = torch.full((8,), 1 / 8, dtype=torch.float64)
    for n_covered in (1, 4, 7):
        q = torch.zeros(8, dtype=torch.float64)
        q[:n_covered] = 1 / n_covered
        for k in (1, 2, 3):
            assert packed(p, q, k) == pytest.approx(1 - (n_covered / 8) ** k)


def test_the_share_of_copies_is_one_in_a_hundred_for_new_data():
    """What the page calls a copy: nearer to a training image than 99 % of held-out ones are."""
    training, held_out, fake = torch.randn(3, 2_000, 6, generator=seeded())
    report = evaluation.copy_report(fake, training, held_out)
    assert 0.003 < report.share_suspicious < 0.02
    assert evaluation.copy_report(training[:500], training, held_out).share_suspicious == 1

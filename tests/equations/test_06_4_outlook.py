"""Equations of the outlook: what a classifier finds, and what a checker costs and changes."""

import pytest
import torch

from aigc_tutorial.apps.outlook import screening


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def scored():
    labels = (torch.rand(500, generator=seeded()) < 0.2).long()
    return (labels + torch.randn(500, generator=seeded(1)), labels)


@pytest.mark.equation("outlook-rates")
@pytest.mark.parametrize("specificity", [0.5, 0.9, 0.99])
def test_sensitivity_is_the_share_found_where_the_specificity_is_kept(scored, specificity):
    scores, labels = scored
    found = screening.sensitivity(scores, labels, specificity=specificity)
    positive, negative = scores[labels == 1], scores[labels == 0]
    of_threshold = {}
    for threshold in scores.tolist():
        true_positives = int((positive > threshold).sum())
        false_negatives = int((positive <= threshold).sum())
        true_negatives = int((negative <= threshold).sum())
        false_positives = int((negative > threshold).sum())
        if true_negatives / (true_negatives + false_positives) >= specificity:
            of_threshold[threshold] = true_positives / (true_positives + false_negatives)
    assert found == pytest.approx(max(of_threshold.values()))


@pytest.mark.equation("outlook-auroc")
def test_the_probability_of_the_right_order_is_the_area_under_the_curve(scored):
    """The curve by its points, the area by trapezia; scores are rounded, so that some are equal."""
    scores, labels = scored[0].round(decimals=1), scored[1]
    thresholds = torch.cat([torch.tensor([torch.inf]), scores.unique().flip(0)])
    sensitivity = (scores[labels == 1] >= thresholds[:, None]).double().mean(dim=1)
    false_alarms = (scores[labels == 0] >= thresholds[:, None]).double().mean(dim=1)
    area = float(torch.trapezoid(sensitivity, false_alarms))
    assert screening.auroc(scores, labels) == pytest.approx(area, abs=1e-9)


@pytest.mark.equation("outlook-tries")
@pytest.mark.parametrize("p", [0.1, 0.5])
def test_until_one_is_accepted_one_over_p_are_drawn(p):
    """As a sum over when the first is accepted, and by trying."""
    series = sum(n * (1 - p) ** (n - 1) * p for n in range(1, 1_000))
    assert series == pytest.approx(1 / p)
    accepted = torch.rand(200_000, generator=seeded()) < p
    places = accepted.nonzero()[:, 0]
    waits = torch.diff(places).double()
    assert float(waits.mean()) == pytest.approx(1 / p, rel=0.02)


@pytest.mark.equation("outlook-kept")
def test_what_is_kept_has_the_shares_of_what_passes():
    shares, passes = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.8, 0.4, 0.1])
    kind = torch.multinomial(shares, 200_000, replacement=True, generator=seeded())
    kept = kind[torch.rand(200_000, generator=seeded(1)) < passes[kind]]
    counted = torch.bincount(kept).double() / len(kept)
    expected = shares * passes / (shares @ passes)
    torch.testing.assert_close(counted, expected.double(), atol=0.005, rtol=0)

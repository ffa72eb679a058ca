"""Equations of customer service: temperature, a bound of the risk, unknown messages, BM25."""

import math

import pytest
import torch

from aigc_tutorial.apps import support


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.equation("support-temperature")
@pytest.mark.parametrize("seed", range(4))
def test_at_the_best_temperature_the_right_logit_is_what_is_expected(seed):
    z = 3 * torch.randn(200, 6, generator=seeded(seed), dtype=torch.float64)
    labels = z.argmax(1)
    labels[::3] = torch.randint(6, (67,), generator=seeded(9 + seed))
    t = support.fit_temperature(z, labels)
    p = support.temperature_scaled(z, t)
    right = z.gather(1, labels[:, None]).mean()
    assert float((p * z).sum(1).mean()) == pytest.approx(float(right), rel=1e-6)
    assert torch.equal(p.argmax(1), z.argmax(1))
    by_hand = [[math.exp(v / t) for v in row] for row in z.tolist()]
    assert p[0].tolist() == pytest.approx([v / sum(by_hand[0]) for v in by_hand[0]])


@pytest.mark.equation("support-bound")
@pytest.mark.parametrize(("k", "n"), [(0, 30), (6, 32), (20, 700), (29, 30)])
def test_at_the_bound_so_few_errors_have_probability_delta(k, n):
    for delta in (0.1, 0.01):
        u = support.risk_bound(k, n, delta)
        terms = [math.comb(n, i) * u**i * (1 - u) ** (n - i) for i in range(k + 1)]
        assert math.fsum(terms) == pytest.approx(delta, rel=1e-6)


@pytest.mark.equation("support-auroc")
def test_auroc_is_the_share_of_pairs_in_the_right_order():
    known = torch.randint(8, (40,), generator=seeded(0)).double() + 1
    unknown = torch.randint(8, (30,), generator=seeded(1)).double()
    pairs = [(a > b) + (a == b) / 2 for a in known.tolist() for b in unknown.tolist()]
    assert support.auroc(known, unknown) == pytest.approx(sum(pairs) / len(pairs))


@pytest.mark.equation("support-bm25")
def test_the_index_scores_as_the_formula():
    texts = ["a b b c", "a a a a d e", "c", "d d e"]
    queries = ["a", "b c", "a d d", "x e"]
    k1, b = 1.2, 0.6
    words = [text.split() for text in texts]
    mean_length = sum(map(len, words)) / len(words)

    def score(query, document):
        total = 0.0
        for word in query.split():
            m, n = sum(word in other for other in words), document.count(word)
            if n:
                rarity = math.log(1 + (len(words) - m + 0.5) / (m + 0.5))
                scale = k1 * (1 - b + b * len(document) / mean_length)
                total += rarity * n / (n + scale)
        return total

    found = support.BM25Index(texts, k1=k1, b=b, terms=str.split).scores(queries)
    for row, query in zip(found, queries, strict=True):
        expected = [score(query, document) for document in words]
        assert row.tolist() == pytest.approx(expected, rel=1e-5)

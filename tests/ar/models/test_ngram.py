"""n-grams: counts, Kneser and Ney's formula by hand, laws, and chains of known entropy."""

import math
from collections import Counter

import pytest
import torch

from aigc_tutorial.ar.models.ngram import NGramConfig, NGramModel
from aigc_tutorial.data.batches.tokens import pack_sequences
from tests.ar.checks import (
    assert_cached_equals_uncached,
    assert_causal,
    assert_probabilities_sum_to_one,
    assert_rows_can_be_selected,
    assert_state_can_be_truncated,
    assert_uniform_nll,
    random_tokens,
)


def fitted(order, vocab_size=4, n=300):
    model = NGramModel(NGramConfig(vocab_size, order))
    return model.fit(random_tokens(model, batch=1, time=n)[0])


@pytest.mark.parametrize("order", [2, 3, 5])
def test_laws_of_every_autoregressive_model(order):
    model = fitted(order)
    tokens = random_tokens(model, batch=3, time=9, seed=1)
    assert_causal(model, tokens)
    assert_cached_equals_uncached(model, tokens)
    assert_rows_can_be_selected(model, tokens)
    assert_state_can_be_truncated(model, tokens)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_of_all_sequences_sum_to_one(order):
    assert_probabilities_sum_to_one(fitted(order), length=4)


def test_a_model_that_counted_nothing_is_uniform():
    model = NGramModel(NGramConfig(vocab_size=7, order=3))
    assert_uniform_nll(model, random_tokens(model, batch=2, time=6))


@torch.no_grad()
def test_order_one_predicts_from_nothing():
    model = fitted(order=1)
    logits = model(random_tokens(model, batch=2, time=5))
    assert torch.equal(logits, logits[:1, :1].expand_as(logits))
    state = model.initial_state(2)
    stepped, _ = model.advance(random_tokens(model, batch=2, time=1), state)
    assert torch.equal(stepped, logits[:, :1])


def kneser_ney(text, order, vocab_size, d, context, x):
    """The recursion of the docstring, with sets and loops over the text itself."""
    padded = ["^"] * (order - 1) + text
    ngrams = [tuple(padded[i : i + order]) for i in range(1, len(padded) - order + 1)]

    def counts(length):
        if length == order:
            return {g: ngrams.count(g) for g in ngrams}
        longer = {g[order - length - 1 :] for g in ngrams}
        return {g: sum(other[1:] == g for other in longer) for g in {o[1:] for o in longer}}

    def p(context):
        level = {g: n for g, n in counts(len(context) + 1).items() if g[:-1] == context}
        shorter = p(context[1:]) if context else 1 / vocab_size
        if not level:
            return shorter
        kept = max(level.get((*context, x), 0) - d, 0)
        return (kept + d * len(level) * shorter) / sum(level.values())

    return p(tuple((["^"] * order + context)[-(order - 1) :]) if order > 1 else ())


@torch.no_grad()
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_are_the_formula_over_the_text(order):
    text = random_tokens(NGramModel(NGramConfig(3)), batch=1, time=40)[0]
    model = NGramModel(NGramConfig(3, order, discount=0.6)).fit(text)
    context = [0, 2, 1, 1]
    p = model(torch.tensor([context])).exp()
    for t in range(len(context)):
        for x in range(3):
            expected = kneser_ney(text.tolist(), order, 3, 0.6, context[: t + 1], x)
            assert p[0, t, x].item() == pytest.approx(expected, rel=1e-5)


def test_one_frequent_pair_does_not_make_its_second_token_a_good_guess():
    # "San Francisco" = (0, 1) often; 2 is rarer, but comes after many different tokens.
    text = [0, 1] * 20 + [3, 2, 4, 2, 5, 2, 6, 2]
    model = NGramModel(NGramConfig(vocab_size=8, order=2)).fit(torch.tensor(text))
    p = model(torch.tensor([[7]])).exp()[0, 0]  # 7 was never seen: nothing is known after it
    assert p[2] > 1.5 * p[1]


def test_beginnings_of_sequences_are_contexts_of_their_own():
    # After 1 comes 2, but 1 as the first token of a row is followed by 3.
    rows = torch.tensor([[1, 3, 1, 2, 1, 2, 1, 2]] * 5)
    model = NGramModel(NGramConfig(vocab_size=4, order=3)).fit(rows)
    p = model(torch.tensor([[1, 3, 1]])).exp()[0]
    assert p[0].argmax() == 3
    assert p[2].argmax() == 2


def test_no_ngram_goes_from_one_sequence_into_the_next():
    rows = torch.tensor([[0, 1, 1], [2, 3, 3]])
    model = NGramModel(NGramConfig(vocab_size=4, order=2)).fit(rows)
    counted = model.get_buffer("ngrams_2")
    assert sorted(counted.tolist()) == [0 * 5 + 1, 1 * 5 + 1, 2 * 5 + 3, 3 * 5 + 3]


def test_padding_is_not_counted():
    long = torch.tensor([[0, 1, 2, 1, 0, 0], [0, 2, 2, 3, 3, 3]])
    mask = torch.tensor([[True] * 4 + [False] * 2, [True] * 3 + [False] * 3])
    masked = NGramModel(NGramConfig(vocab_size=4, order=3)).fit(long, mask)
    assert masked.get_buffer("counts_3").sum() == 3 + 2
    assert all(ngram % 5 != 3 for ngram in masked.get_buffer("ngrams_3").tolist())


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_tokens_that_a_mask_names_are_counted_after_whatever_stands_before_them(order):
    """A task's mask is True at its answer alone, one of packed rows is False at first tokens."""
    rows = torch.randint(0, 4, (50, 8), generator=torch.Generator().manual_seed(0))
    mask = torch.rand(50, 8, generator=torch.Generator().manual_seed(1)) < 0.3
    model = NGramModel(NGramConfig(vocab_size=4, order=order)).fit(rows, mask)
    expected = Counter(
        tuple(([4] * order + row)[t + 1 : t + 1 + order])
        for row, counted in zip(rows.tolist(), mask.tolist(), strict=True)
        for t in range(1, 8)
        if counted[t]
    )
    found = zip(
        *(model.get_buffer(f"{kind}_{order}") for kind in ("ngrams", "counts")), strict=True
    )
    as_number = {sum(d * 5**i for i, d in enumerate(reversed(n))): c for n, c in expected.items()}
    assert {int(ngram): int(count) for ngram, count in found} == as_number


def test_packed_rows_teach_what_separate_rows_do():
    sequences = [torch.tensor([0, 1, 2, 3])] * 30
    packed, mask, _ = pack_sequences(sequences, 12)
    model, separate = (NGramModel(NGramConfig(vocab_size=4, order=2)) for _ in range(2))
    model.fit(packed, mask)
    separate.fit(torch.stack(sequences))
    assert torch.equal(model(packed), separate(packed))


def test_fitting_again_forgets_what_was_counted():
    model = fitted(order=3)
    text = torch.tensor([0, 1, 0, 1, 0, 1])
    fresh = NGramModel(NGramConfig(4, 3)).fit(text)
    tokens = random_tokens(model, batch=2, time=5)
    assert torch.equal(model.fit(text)(tokens), fresh(tokens))


def exclusive_or_chain(n, noise, seed):
    """x_t = x_(t-1) XOR x_(t-2), flipped with probability ``noise``: x_(t-1) alone says nothing."""
    generator = torch.Generator().manual_seed(seed)
    flips = (torch.rand(n, generator=generator) < noise).long().tolist()
    chain = [0, 1]
    for flip in flips:
        chain.append(chain[-1] ^ chain[-2] ^ flip)
    return torch.tensor(chain)


def test_exclusive_or_needs_two_tokens_of_context():
    noise = 0.1
    entropy_rate = -(noise * math.log(noise) + (1 - noise) * math.log(1 - noise))
    train, test = exclusive_or_chain(20_000, noise, 0), exclusive_or_chain(20_000, noise, 1)
    nll = {
        order: NGramModel(NGramConfig(2, order)).fit(train).nll(test[None]).mean().item()
        for order in (1, 2, 3, 6)
    }
    assert nll[1] == pytest.approx(math.log(2), abs=0.01)
    assert nll[2] == pytest.approx(math.log(2), abs=0.01)
    assert nll[3] == pytest.approx(entropy_rate, abs=0.015)
    assert nll[6] == pytest.approx(entropy_rate, abs=0.02)


def test_a_long_text_is_counted_whole():
    model = NGramModel(NGramConfig(vocab_size=65, order=5))
    model.fit(random_tokens(model, batch=1, time=200_000)[0])
    assert model.get_buffer("counts_5").sum() == 200_000 - 1


def test_saved_and_loaded_model_is_the_same(tmp_path):
    model = fitted(order=3)
    model.save_pretrained(tmp_path / "model", dtype=torch.float16)
    loaded = NGramModel.from_pretrained(tmp_path / "model")
    tokens = random_tokens(model, batch=2, time=5)
    assert torch.equal(loaded(tokens), model(tokens))


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(ValueError, match="order must be at least 1"):
        NGramConfig(5, order=0)
    with pytest.raises(ValueError, match="discount must lie between 0 and 1"):
        NGramConfig(5, discount=1.0)
    with pytest.raises(ValueError, match="cannot be numbered in 64 bits"):
        NGramConfig(50_257, order=5)
    assert NGramConfig(1, order=62).order == 62  # 2 to the power of 62 can be told from others
    for order in (63, 10**18):  # the second is not computed, which would take for ever
        with pytest.raises(ValueError, match=f"{order}-grams of 1 tokens cannot be numbered"):
            NGramConfig(1, order=order)
    with pytest.raises(ValueError, match="tokens must lie in 0 … 4"):
        NGramModel(NGramConfig(5)).fit(torch.tensor([0, 5]))

"""Classifiers of intents: counted words, and a small language model tuned in four ways."""

import dataclasses

import pytest
import torch

from aigc_tutorial import ar, data, nn, tokenizers
from aigc_tutorial.apps import support

INTENTS = ("cancel_order", "complaint", "review")


@pytest.fixture(scope="module")
def parts():
    return [
        data.support_sample(split).where(lambda u: u.intent in INTENTS)
        for split in ("train", "validation", "test")
    ]


def test_counted_words_learn_and_never_name_what_they_did_not_see(parts):
    train, _, test = parts
    for count in support.COUNTINGS:
        model = support.CountedWords(train, count=count)
        assert support.accuracy(model.logits(train.texts), train.labels) == 1
        assert support.accuracy(model.logits(test.texts), test.labels) > 0.5
        unseen = torch.tensor([intent not in INTENTS for intent in data.SUPPORT_INTENTS])
        assert model.logits(test.texts)[:, unseen].isneginf().all()
        assert model.n_weights % 3 == 0
    with pytest.raises(ValueError, match="have 1 intents; three or more"):
        support.CountedWords(train.where(lambda u: u.intent == "review"))


def test_what_is_counted(parts):
    train = parts[0]

    def n_counts(count, texts):
        model = support.CountedWords(train, count=count)
        return (model.features(texts) > 0).sum(1).tolist()

    text = next(t for t in train.texts if "review" in t.lower().split())
    assert n_counts("words", ["review", "review xyzzy", "reviwe"]) == [1, 1, 0]
    assert n_counts("beginnings of words", ["review", "reviewers", "revi"]) == [1, 1, 1]
    assert n_counts("characters", ["reviwe"])[0] > 3
    pairs, words = n_counts("words and pairs", [text])[0], n_counts("words", [text])[0]
    assert pairs == 2 * words - 1  # no word of it stands there twice


def test_what_cannot_be_learned_from_or_read_is_refused(parts):
    train, validation, _ = parts
    model = support.CountedWords(train)
    with pytest.raises(Exception, match=r"count is 'wrods'|violates type hint"):
        support.CountedWords(train, count="wrods")  # type: ignore[arg-type]
    for penalty in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="penalty must be positive"):
            support.CountedWords(train, penalty=penalty)
    with pytest.raises(ValueError, match="one text alone"):
        model.logits("cancel my order")
    with pytest.raises(ValueError, match="must hold 1 or more, got 0"):
        model.logits([])
    logits = model.logits(["???", "\U0001f92f", "x" * 10_000])
    assert not logits.isnan().any()
    config = ar.TransformerConfig(vocab_size=256, context=48, n_layers=1, n_heads=1, width=8)
    taught = ar.Transformer(config), tokenizers.ByteTokenizer(), train, validation
    with pytest.raises(Exception, match=r"take one of WAYS|violates type hint"):
        support.tune(*taught, way="all weights")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rate must be positive"):
        support.tune(*taught, way=support.WAYS["all weights"], rate=0.0)


def test_accuracy_needs_numbers_and_labels_that_fit():
    logits = torch.eye(3)
    assert support.accuracy(logits, torch.tensor([0, 1, 1])) == pytest.approx(2 / 3)
    with pytest.raises(Exception, match=r"one for each of 3|violates type hint"):
        support.accuracy(logits, torch.tensor([0]))
    with pytest.raises(ValueError, match="not a number"):
        support.accuracy(logits * torch.nan, torch.tensor([0, 1, 1]))
    with pytest.raises(ValueError, match="hold a number or more"):
        support.accuracy(logits[:0], torch.tensor([], dtype=torch.int64))


def test_numbers_case_and_spaces_make_no_difference(parts):
    model = support.CountedWords(parts[0])
    a, b = model.logits(["Cancel order 12", "cancel  ORDER 98765"])
    assert torch.equal(a, b)


def test_rows_are_the_normal_form_inside_of_a_text():
    tokenizer = tokenizers.ByteTokenizer()
    tokens, mask = support.rows_of(["Order 77  now", "no"], tokenizer)
    assert tokenizer.decode(tokens[0]) == " order 0 now"
    assert mask.sum(1).tolist() == [12, 3]
    assert support.rows_of(["x" * 99], tokenizer)[0].shape == (1, 40)


@pytest.mark.parametrize("name", list(support.WAYS))
def test_each_way_learns_what_it_says_and_gives_the_best_weights_back(name, parts):
    config = ar.TransformerConfig(vocab_size=256, context=48, n_layers=2, n_heads=2, width=32)
    with nn.seeded_weights(0):
        model = ar.Transformer(config)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    way = dataclasses.replace(support.WAYS[name], n_examples=160)
    train, validation, _ = parts
    tuned = support.tune(model, tokenizers.ByteTokenizer(), train, validation, way=way, rate=3e-3)
    logits = tuned.logits(validation.texts)
    nll = torch.nn.functional.cross_entropy(logits, validation.labels)
    assert float(nll) == pytest.approx(tuned.validation_nll, rel=1e-3)
    assert float(nll) < 3.29  # ln 27, before the head has learned anything
    assert tuned.features(validation.texts).shape == (len(validation), 32)
    backbone = {
        key.replace(".base.", "."): value
        for key, value in tuned.classifier.backbone.state_dict().items()
        if not key.endswith((".A", ".B"))
    }
    is_kept = all(torch.equal(backbone[key], before[key]) for key in before)
    assert is_kept == (name in ("LoRA, rank 8", "head alone"))

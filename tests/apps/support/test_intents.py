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
    for analyzer in support.NGRAMS:
        model = support.CountedWords(train, analyzer=analyzer)
        assert support.accuracy(model.logits(train.texts), train.labels) == 1
        assert support.accuracy(model.logits(test.texts), test.labels) > 0.5
        unseen = torch.tensor([intent not in INTENTS for intent in data.SUPPORT_INTENTS])
        assert model.logits(test.texts)[:, unseen].isneginf().all()
        assert model.n_weights % 3 == 0
    with pytest.raises(ValueError, match="have 1 intents; three or more"):
        support.CountedWords(train.where(lambda u: u.intent == "review"))


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

"""A head on a model's features: what it reads, what is trained, the fast path and the slow one."""

import copy
import inspect
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aigc_tutorial import adaptation, zoo
from aigc_tutorial.adaptation import Classifier, FineTuningConfig
from aigc_tutorial.data import ShuffledTuples
from aigc_tutorial.optim import warmup_flat_decay
from tests.adaptation.test_lora import seeded
from tests.ar.small_models import make
from tests.training.interrupted import InterruptedEngine

BACKBONES = ["gru", "lstm", "transformer", "transformer, tied, shifted", "gpt-2"]
CONFIG = FineTuningConfig(n_examples=240, batch_size=8)


def some_texts(n: int = 40, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows of one to six tokens out of seven; the class is whether a 3 is among them."""
    rng = seeded(seed)
    tokens = torch.randint(7, (n, 6), generator=rng)
    lengths = torch.randint(1, 7, (n, 1), generator=rng)
    mask = torch.arange(6) < lengths
    return tokens, mask, ((tokens == 3) & mask).any(1).long()


def frozen(name: str, **options: Any) -> Classifier:
    return Classifier(make(name).requires_grad_(False), 2, **options)


@pytest.mark.parametrize("name", BACKBONES)
def test_features_are_what_the_models_own_head_reads(name):
    model: Any = make(name)
    tokens = some_texts()[0]
    features = model.features(tokens)
    if name in ("gru", "lstm"):
        logits = model.output(features)
    elif name == "gpt-2":
        logits = features @ model.token_embedding.weight.T
    else:
        head = model.embedding if model.head is None else model.head
        logits = 15 * torch.tanh(features @ head.weight.T / 15)
    torch.testing.assert_close(logits, model(tokens), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_padding_and_the_company_of_others_change_nothing(name, pooling):
    classifier: Any = frozen(name, pooling=pooling)
    tokens, mask, _ = some_texts()
    together = adaptation.text_features(classifier, tokens, mask, batch_size=7)
    for row, real, found in zip(tokens, mask, together, strict=True):
        states = classifier.backbone.features(row[real][None])[0]
        expected = states[-1] if pooling == "last" else states.mean(0)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_the_two_ways_of_pooling_differ_and_no_mask_means_all_tokens():
    last: Any
    last, mean = (frozen("gpt-2", pooling=pooling) for pooling in ("last", "mean"))
    tokens = some_texts()[0]
    assert not torch.allclose(last.features(tokens), mean.features(tokens))
    everything = torch.ones_like(tokens, dtype=torch.bool)
    assert torch.equal(mean.features(tokens), mean.features(tokens, everything))
    assert torch.equal(last.features(tokens), last.backbone.features(tokens)[:, -1])


def test_a_new_head_finds_all_classes_equally_probable():
    classifier = Classifier(make("gpt-2"), 4)
    probabilities = adaptation.class_probabilities(classifier, *some_texts()[:2])
    assert torch.equal(probabilities, torch.full((40, 4), 0.25))
    loss = F.cross_entropy(classifier(some_texts()[0]), torch.zeros(40, dtype=torch.long))
    assert float(loss.detach()) == pytest.approx(math.log(4))


def test_the_backbones_own_head_is_not_trained():
    classifier = Classifier(make("transformer"), 2)
    free = {name for name, p in classifier.named_parameters() if p.requires_grad}
    assert "backbone.head.weight" not in free
    assert {"backbone.embedding.weight", "backbone.blocks.1.up.weight", "head.bias"} <= free


def test_a_frozen_backbone_stays_in_evaluation_mode():
    classifier = frozen("gpt-2").train()
    assert classifier.training
    assert classifier.head.training
    assert not classifier.backbone.training
    assert Classifier(make("gpt-2"), 2).train().backbone.training


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_features_computed_once_teach_what_those_of_every_step_do(pooling):
    """The oracle has one more free parameter, which nothing uses: so it caches nothing."""
    fast, slow = frozen("transformer", pooling=pooling), frozen("transformer", pooling=pooling)
    slow.backbone.unused = nn.Parameter(torch.zeros(1))
    assert fast.is_backbone_frozen
    assert not slow.is_backbone_frozen
    options: dict[str, Any] = {"config": CONFIG, "validation": some_texts(seed=1)}
    results = [
        adaptation.train_classifier(c, some_texts(), progress_bar=False, **options)
        for c in (fast, slow)
    ]
    torch.testing.assert_close(fast.head.weight, slow.head.weight, rtol=1e-3, atol=1e-5)
    losses = [torch.tensor(result.history["loss"]) for result in results]
    torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)
    nlls = [torch.tensor(result.validation["nll"]) for result in results]
    torch.testing.assert_close(*nlls, rtol=1e-4, atol=1e-5)
    assert fast.head.weight.abs().max() > 0.01


def test_the_training_is_adamw_on_the_mean_cross_entropy():
    config = FineTuningConfig(n_examples=80, batch_size=8, weight_decay=0.1, warmup=0.2)
    ours, by_hand = Classifier(make("gpt-2"), 2), Classifier(make("gpt-2"), 2)
    adaptation.train_classifier(ours, some_texts(), config=config, seed=3, progress_bar=False)
    groups = [
        {"params": list(by_hand.head.parameters()), "lr": 1.0, "rate": config.learning_rate_head},
        {
            "params": list(by_hand.backbone.parameters()),
            "lr": 1.0,
            "rate": config.learning_rate_backbone,
        },
    ]
    optimizer = torch.optim.AdamW(groups, betas=config.betas, weight_decay=0.1)
    batches = ShuffledTuples(some_texts(), 8, rng=seeded(3))
    for step in range(10):
        tokens, mask, labels = next(batches)
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * warmup_flat_decay(
                step / 10, warmup=0.2, flat_until=config.flat_until, final=0
            )
        optimizer.zero_grad()
        F.cross_entropy(by_hand(tokens, mask), labels).backward()
        nn.utils.clip_grad_norm_(by_hand.parameters(), 1.0)
        optimizer.step()
    for (name, found), expected in zip(
        ours.state_dict().items(), by_hand.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("way", ["head", "lora", "full"])
def test_what_can_be_trained_moves_and_nothing_else(way):
    backbone = make("gpt-2")
    if way == "head":
        backbone.requires_grad_(False)
    elif way == "lora":
        adaptation.add_lora(backbone, rank=2, rng=seeded())
    classifier = Classifier(backbone, 2)
    before = copy.deepcopy(classifier.state_dict())
    adaptation.train_classifier(classifier, some_texts(), config=CONFIG, progress_bar=False)
    moved = {k for k, v in classifier.state_dict().items() if not torch.equal(v, before[k])}
    head, factors = {"head.weight", "head.bias"}, {k for k in before if k.endswith((".A", ".B"))}
    assert moved == {"head": head, "lora": head | factors, "full": set(before)}[way]
    assert not classifier.training


def test_the_weights_that_did_best_on_the_validation_data_are_kept():
    classifier = Classifier(make("transformer"), 2)
    validation = some_texts(30, seed=1)
    result = adaptation.train_classifier(
        classifier,
        some_texts(),
        config=FineTuningConfig(n_examples=4_000, batch_size=8, learning_rate_backbone=0.02),
        validation=validation,
        validate_every=200,
        progress_bar=False,
    )
    nll = result.validation["nll"]
    assert len(nll) == 20
    assert min(nll) < nll[-1] - 0.01  # it did learn by heart
    probabilities = adaptation.class_probabilities(classifier, *validation[:2])
    assert float(F.nll_loss(probabilities.log(), validation[2])) == pytest.approx(
        min(nll), rel=1e-4
    )
    share = (probabilities.argmax(1) == validation[2]).double().mean()
    assert float(share) == pytest.approx(result.validation["accuracy"][nll.index(min(nll))])


@pytest.mark.parametrize("way", ["head", "lora"])
def test_an_interrupted_training_is_continued_to_the_bit(way, tmp_path):
    def train(engine=None, **options):
        backbone = make("gpt-2")
        if way == "lora":
            adaptation.add_lora(backbone, rank=2, rng=seeded())
        else:
            backbone.requires_grad_(False)
        classifier = Classifier(backbone, 2)
        options |= {"config": CONFIG, "validation": some_texts(seed=1), "validate_every": 24}
        result = adaptation.train_classifier(
            classifier, some_texts(), engine=engine, progress_bar=False, **options
        )
        return classifier.state_dict(), result.validation["nll"]

    whole, nll = train()
    folder: dict[str, Any] = {"checkpoint_folder": tmp_path, "checkpoint_every": 40}
    engine = InterruptedEngine(20)
    with pytest.raises(KeyboardInterrupt):
        train(engine, **folder)
    state, nll_resumed = train(**folder)
    assert nll_resumed == nll
    assert all(torch.equal(state[name], whole[name]) for name in whole)


def test_a_checkpoint_is_not_continued_with_other_validation_data(tmp_path):
    options: dict[str, Any] = {"config": CONFIG, "checkpoint_folder": tmp_path}
    for seed in (1, 1):
        adaptation.train_classifier(
            frozen("gpt-2"), some_texts(), validation=some_texts(seed=seed), **options
        )
    with pytest.raises(ValueError, match="its validation is"):
        adaptation.train_classifier(
            frozen("gpt-2"), some_texts(), validation=some_texts(seed=2), **options
        )


def test_a_model_of_the_zoo_tells_questions_from_statements():
    backbone, tokenizer = zoo.load("english-bytes"), zoo.tokenizer("english-bytes")
    things = ["the file", "a module", "this class", "the number", "every loop", "an error"]
    verbs = ["open", "known", "empty", "called", "here", "better"]
    pairs = [(a, b) for a in things for b in verbs]
    questions = [f"Is {a} {b}?" for a, b in pairs]
    statements = [f"{a[0].upper()}{a[1:]} is {b}." for a, b in pairs]
    texts = [text for pair in zip(questions, statements, strict=True) for text in pair]
    tokens, mask = adaptation.encode_texts(texts, tokenizer, length=backbone.context)
    labels = torch.arange(len(texts)) % 2
    classifier = Classifier(backbone.requires_grad_(False), 2)
    adaptation.train_classifier(
        classifier, (tokens[:40], mask[:40], labels[:40]), config=CONFIG, progress_bar=False
    )
    named = adaptation.class_probabilities(classifier, tokens[40:], mask[40:]).argmax(1)
    assert (named == labels[40:]).double().mean() > 0.9


def test_texts_become_rows_of_their_tokens():
    tokenizer = zoo.tokenizer("english-bytes")
    tokens, mask = adaptation.encode_texts(["abc", "é", "abcdef"], tokenizer, length=4)
    assert [row[real].tolist() for row, real in zip(tokens, mask, strict=True)] == [
        list(b"abc"),
        list("é".encode()),
        list(b"abcd"),
    ]
    poems = zoo.tokenizer("tang-quatrains")
    tokens, _ = adaptation.encode_texts(["春風"], poems, length=9)
    assert tokens[0].tolist() == poems.prompt("春風").tolist()


def unchecked(function: Any) -> Any:
    """As where no types are checked."""
    return inspect.unwrap(function)


def test_what_does_not_fit_is_told():
    tokenizer = zoo.tokenizer("english-bytes")
    for texts, message in ((["a", ""], "text 1 is empty"), ("abc", "a list"), ([], "a list")):
        with pytest.raises(ValueError, match=message):
            adaptation.encode_texts(texts, tokenizer, length=4)
    with pytest.raises(TypeError, match="has no features"):
        Classifier(make("wavenet"), 2)
    with pytest.raises(ValueError, match="n_classes must be at least 2"):
        Classifier(make("gpt-2"), 1)
    with pytest.raises(ValueError, match="pooling must be"):
        unchecked(Classifier.__init__)(
            Classifier.__new__(Classifier), make("gpt-2"), 2, pooling="max"
        )
    classifier = frozen("gpt-2")
    tokens, mask, labels = some_texts()

    def refused(message: str, *data: Any) -> None:
        with pytest.raises(ValueError, match=message):
            unchecked(adaptation.train_classifier)(classifier, data, progress_bar=False)

    refused("a tuple of tokens, mask", tokens, labels)
    refused("tokens must lie in 0 … 6", tokens + 1, mask, labels)
    refused("at most 6 tokens", torch.zeros(40, 7, dtype=torch.int64), None, labels)
    refused("boolean mask", tokens, mask.long(), labels)
    refused("padded in front", tokens, mask.flip(1), labels)
    refused("one is empty", tokens, mask & False, labels)
    refused("the labels of data must lie between 0 and 1", tokens, mask, labels + 1)
    refused("40 texts in data and 39 labels", tokens, mask, labels[1:])
    with pytest.raises(ValueError, match="validation holds no text"):
        adaptation.train_classifier(
            classifier,
            (tokens, mask, labels),
            validation=(tokens[:0], mask[:0], labels[:0]),
            progress_bar=False,
        )
    with pytest.raises(ValueError, match="warmup must be at most flat_until"):
        FineTuningConfig(warmup=0.5)

"""A model of interest: what it computes, what its loss asks, and that words can be learned."""

import pytest
import torch
import torch.nn.functional as F

from aigc_tutorial import adaptation, ar
from aigc_tutorial.apps import recommend
from aigc_tutorial.data import movie_sample
from aigc_tutorial.nn import seeded_weights


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def two_kinds(n_users=60, n_items=40):
    """People of two kinds, each of which sees one half of the films; the features say which."""
    kind = torch.arange(n_items) % 2
    own = (torch.arange(n_users) % 2)[:, None] == kind
    seen = ((torch.rand(n_users, n_items, generator=seeded(1)) < 0.5) & own).float()
    features = torch.randn(n_items, 6, generator=seeded(2))
    features[:, 0] = 2.0 * kind - 1
    return seen, features, own


def test_the_loss_of_a_block_is_its_definition_pair_by_pair():
    seen = (torch.rand(7, 9, generator=seeded(0)) < 0.5).float()
    e = F.normalize(torch.randn(9, 4, generator=seeded(1)), dim=1)
    b, log_share = torch.randn(2, 9, generator=seeded(2))
    losses = []
    for row in seen:
        mine = row.nonzero()[:, 0].tolist()
        if len(mine) < 2:
            continue
        for film in mine:
            history = F.normalize(torch.stack([e[j] for j in mine if j != film]).sum(0), dim=0)
            logits = 3.0 * e @ history + b - log_share
            rivals = [j for j in range(9) if not row[j] or j == film]
            losses.append(torch.logsumexp(logits[rivals], 0) - logits[film])
    found = recommend.block_loss(e, b, torch.tensor(3.0), seen, log_share)
    assert float(found) == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)


def test_what_features_tell_is_learned_and_holds_for_films_that_nobody_has_seen():
    for seed in range(3):
        seen, features, own = two_kinds()
        is_new = torch.arange(40) >= 30
        learned = seen * ~is_new
        model = recommend.InterestModel(
            recommend.StoredFeatures(features), size=8, rng=seeded(seed)
        )
        config = recommend.InterestConfig(n_films=3_000, block_size=20, learning_rate_head=1e-2)
        history = recommend.train_interest(model, learned, config=config, rng=seeded(seed))
        assert history["loss"][-1] < history["loss"][0]
        task = recommend.Task(learned, own & is_new & (learned == 0), is_new)
        measured = recommend.evaluate(model.scores(learned), task, k=3)
        assert float(measured.auc.mean()) > 0.95


def with_texts(way):
    ratings = movie_sample(30)
    tokens = torch.randint(50, (ratings.n_items, 6), generator=seeded(5))
    mask = torch.ones_like(tokens, dtype=torch.bool)
    config = ar.TransformerConfig(vocab_size=50, context=8, width=16, n_layers=2, n_heads=2)
    with seeded_weights(0):
        backbone = ar.Transformer(config)
    if way == "LoRA":
        adaptation.add_lora(backbone, rank=2, rng=seeded())
    reader = adaptation.Classifier(backbone, 2)
    before = adaptation.text_features(reader, tokens, mask)
    split = recommend.by_each_persons_time(ratings, rng=seeded())
    seen = recommend.task(ratings, split.learned, split.test).seen
    model = recommend.InterestModel(recommend.StoredFeatures(before), rng=seeded())
    scores = model.scores(seen)
    model.features = recommend.TextFeatures(reader, tokens, mask, model.features)
    return model, reader, seen, scores


@pytest.mark.parametrize("way", ["all", "LoRA"])
def test_a_model_that_reads_begins_where_its_stored_features_ended(way):
    model, _, seen, scores = with_texts(way)
    torch.testing.assert_close(model.scores(seen), scores, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("way", ["all", "LoRA"])
def test_what_can_be_trained_in_the_backbone_is_trained_and_nothing_else(way):
    model, reader, seen, _ = with_texts(way)
    before = {name: p.clone() for name, p in model.named_parameters()}
    config = recommend.InterestConfig(n_films=80, block_size=40, learning_rate_backbone=1e-3)
    recommend.train_interest(model, seen, config=config, rng=seeded())
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert any("backbone" in name for name in moved)
    n_trained = sum(before[name].numel() for name in moved if "backbone" in name)
    n_all = sum(p.numel() for p in reader.backbone.parameters())
    assert (n_trained < 0.5 * n_all) == (way == "LoRA")
    assert not any("reader.head" in name for name in moved)
    assert {"head.weight", "log_scale"} <= moved


def test_a_film_that_nobody_has_seen_is_never_drawn():
    seen, features, _ = two_kinds()
    seen[:, 5] = 0
    features[5] = 1e6  # would spoil everything
    stored = recommend.StoredFeatures(features)
    drawn = set()
    stored.register_forward_hook(lambda module, inputs, output: drawn.update(inputs[0].tolist()))
    model = recommend.InterestModel(stored, rng=seeded())
    config = recommend.InterestConfig(n_films=400, block_size=30)
    recommend.train_interest(model, seen, config=config, rng=seeded())
    assert 5 not in drawn
    assert len(drawn) == 39
    with pytest.raises(ValueError, match="two films or more"):
        recommend.train_interest(model, seen * 0, config=config, rng=seeded())


def test_a_seed_decides_the_training():
    seen, features, _ = two_kinds()
    weights = []
    for _ in range(2):
        model = recommend.InterestModel(recommend.StoredFeatures(features), rng=seeded())
        config = recommend.InterestConfig(n_films=200, block_size=20)
        recommend.train_interest(model, seen, config=config, rng=seeded(1))
        weights.append(model.head.weight.detach().clone())
    assert torch.equal(*weights)


def test_a_shift_that_all_texts_share_changes_nothing_in_training(monkeypatch):
    model, reader, _, _ = with_texts("all")
    features, films = model.features.train(), torch.arange(20)
    before, mean = features(films).detach(), features.mean.clone()
    plain = reader.features
    monkeypatch.setattr(reader, "features", lambda *arguments: plain(*arguments) + 5)
    torch.testing.assert_close(features(films).detach(), before, atol=1e-3, rtol=1e-3)
    assert (features.mean > mean + 0.5).all()  # and the centre for later follows

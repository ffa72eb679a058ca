"""The zoo from the command line."""

import shlex

import pytest

from aigc_tutorial import cli, zoo
from aigc_tutorial.cli.zoo import Train
from aigc_tutorial.zoo.training import trainers


def test_every_model_is_listed_with_its_title(say):
    code, printed, _ = say("zoo")
    assert code == 0
    assert [line.split()[0] for line in printed.splitlines()] == list(zoo.names())
    assert zoo.card("tang-quatrains").title in printed


def test_a_card_is_shown_with_every_protocol(say):
    code, printed, _ = say("zoo show mnist-pixelcnn")
    card = zoo.card("mnist-pixelcnn")
    assert code == 0
    assert printed.startswith(str(card))
    for metric in card.metrics.values():
        assert metric.protocol in printed
    assert card.notes in printed


@pytest.mark.parametrize("name", zoo.names())
def test_the_command_of_every_card_trains_it(name):
    card = zoo.card(name)
    program, *words = shlex.split(card.command)
    assert program == "aigc-tutorial"
    command = cli.parse(words)
    assert isinstance(command, Train)
    assert (command.names, command.seed, command.folder) == ((name,), card.seed, None)
    assert command.large == ("--large" in card.command)


def test_entries_are_trained_one_after_the_other(monkeypatch, tmp_path, say):
    calls = []

    def train(seed, folder, **options):
        calls.append((seed, folder, options))
        return folder / "somewhere"

    for name in ("mnist-mlp-gan", "mnist-conv-gan"):
        monkeypatch.setitem(trainers.TRAINERS, name, train)
    line = f"zoo train mnist-mlp-gan mnist-conv-gan --seed 3 --large --folder {tmp_path}"
    code, printed, complained = say(line)
    assert (code, complained) == (0, "")
    assert calls == [(3, tmp_path, {"is_large": True})] * 2
    assert printed == f"Wrote {tmp_path / 'somewhere'}\n" * 2

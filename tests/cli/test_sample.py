"""Sampling and measuring from the command line."""

import pytest
import torch
from PIL import Image

from aigc_tutorial import zoo
from aigc_tutorial.cli import evaluate, runs
from aigc_tutorial.cli.sample import in_characters, side_by_side
from aigc_tutorial.data import ImageDataset, Poem, PoemDataset, Source, TextDataset
from aigc_tutorial.zoo.training import poems, subwords, text

SOURCE = Source("folder", "nowhere", "Made for a test.")


def test_digits_are_the_same_for_a_seed_and_fill_the_terminal(say):
    line = "sample mnist-conditional-gan --labels 3 1 4"
    code, printed, complained = say(line)
    assert (code, complained) == (0, "")
    assert say(f"{line} --seed 0")[1] == printed != say(f"{line} --seed 1")[1]
    rows = printed.splitlines()
    assert len(rows) == 14
    assert max(map(len, rows)) <= 3 * 28


def test_the_digits_asked_for_are_written_into_a_file(tmp_path, say):
    path = tmp_path / "digits.png"
    code, printed, _ = say(f"sample mnist-conditional-gan --labels 7 --n 10 --out {path}")
    assert code == 0
    assert printed == f"Wrote {path}: 10 digits.\n"
    with Image.open(path) as image:
        assert image.size == (8 * 28, 2 * 28)
        pixels = torch.tensor(list(image.tobytes())).view(2 * 28, 8 * 28)
    assert pixels[28:, 2 * 28 :].max() == 0  # where there is no digit
    rng = torch.Generator().manual_seed(0)
    first = zoo.load("mnist-conditional-gan").sample(10, torch.full((10,), 7), rng=rng)[0, 0]
    assert torch.equal(pixels[:28, :28], ((first + 1) * 127.5).round().long())


def test_a_pixelcnn_draws_too(say):
    code, printed, _ = say("sample mnist-pixelcnn-binary --n 1")
    assert code == 0
    assert "@" in printed


def test_text_begins_with_its_prompt(say):
    line = 'sample shakespeare-characters --prompt "ROMEO:" --max-new-tokens 30 --temperature 0'
    code, printed, complained = say(line)
    assert (code, complained) == (0, "")
    assert printed.startswith("ROMEO:")
    assert len(printed) == len("ROMEO:") + 30 + 1
    assert say(f"{line} --seed 5")[1] == printed  # greedy: nothing is drawn


def test_a_poem_needs_no_prompt(say):
    code, printed, _ = say("sample tang-quatrains")
    assert code == 0
    assert len(printed.split()) == 4


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("sample mnist-conv-gan --labels 3", "draws what it likes"),
        ("sample mnist-conditional-gan --labels 10", "--labels must be 0 to 9, got 10"),
        ("sample mnist-conv-gan --prompt a", "draws digits: --prompt is of models that write"),
        ("sample mnist-conv-gan --temperature 0.5", "--temperature changes nothing there"),
        ("sample mnist-conv-gan --max-new-tokens 9", "--max-new-tokens changes nothing there"),
        ("sample mnist-pixelcnn-binary --top-k 2 --temperature 0.5", "--top-k changes nothing"),
        ("sample english-bytes --labels 3", "writes text: --n, --labels and --out are of models"),
        ("sample mnist-classifier", "is a DigitClassifier, which draws nothing"),
        ("sample shakespeare-characters --prompt 好", "is not among the 65 characters"),
    ],
)
def test_what_a_model_cannot_do_is_told(line, told, say):
    code, printed, complained = say(line)
    assert code in (1, 2)
    assert printed == ""
    assert told in complained


def test_a_folder_without_a_model_is_told(tmp_path, say):
    code, _, complained = say(f"sample {tmp_path}")
    assert code == 1
    assert "holds no model that `train` wrote: card.json is missing" in complained


def test_a_card_does_not_decide_what_code_runs(tmp_path, say):
    text = zoo.card("mnist-conv-gan").to_json().replace('"ConvGenerator"', '"Popen"')
    (tmp_path / "card.json").write_text(text, encoding="utf-8")
    code, _, complained = say(f"sample {tmp_path}")
    assert code == 1
    assert "names a model of the class 'Popen'; known are" in complained


def test_pictures_stand_in_rows():
    images = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 2, 2)
    assert side_by_side(images, 2).tolist() == [
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [2, 2, -1, -1],
        [2, 2, -1, -1],
    ]
    shades = torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2).expand(1, 1, 2, 2)
    assert in_characters(shades) == " @"


def test_a_generator_is_measured_and_its_card_stands_beside(say):
    code, printed, complained = say("evaluate mnist-conv-gan --n-samples 100")
    assert (code, complained) == (0, "")
    row = next(line for line in printed.splitlines() if line.startswith("precision"))
    measured, on_card = (float(part) for part in row.split()[1::2])
    assert on_card == zoo.card("mnist-conv-gan").metrics["precision"].value
    assert measured == pytest.approx(on_card, abs=0.2)  # of a hundred digits
    assert "100 samples of torch seed 2026 against MNIST's 10,000 test digits" in printed


PLAYS = TextDataset("to be, or not to be: that is the question.\n" * 200, SOURCE)
POEM = Poem("", "", ("春眠不覺曉", "處處聞啼鳥", "夜來風雨聲", "花落知多少"))


@pytest.mark.parametrize(
    "name",
    ["english-bytes", "english-subwords", "mnist-classifier", "mnist-pixelcnn-binary",
     "shakespeare-characters", "tang-quatrains"],
)  # fmt: skip
def test_what_is_measured_is_what_the_card_holds(name, monkeypatch):
    """On little data; each function is the one that wrote the card when the model was trained."""
    images = torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    few = ImageDataset(images, torch.arange(20) % 10, SOURCE)
    poem = PoemDataset((POEM,), SOURCE, 0)
    monkeypatch.setattr(evaluate, "real_mnist", lambda: (few, few))
    monkeypatch.setattr(text, "whole_shakespeare", lambda: PLAYS)
    texts = dict.fromkeys(("docstrings", "documentation", "shakespeare"), PLAYS)
    monkeypatch.setattr(subwords, "read_texts", lambda: texts)
    monkeypatch.setattr(evaluate, "python_documentation", lambda split: PLAYS.split(split))
    monkeypatch.setattr(poems, "real_quatrains", lambda: (poem, poem))
    n_samples = 2 if name == "tang-quatrains" else None
    metrics = evaluate.measure(runs.find_model(name), n_samples)
    of_others = {"frechet", "ngrams"}  # than the model, on the card
    on_card = {key for key in zoo.card(name).metrics if not of_others & set(key.split("_"))}
    assert metrics.keys() == on_card


def test_a_number_of_samples_is_of_models_that_draw(say):
    code, _, complained = say("evaluate shakespeare-characters --n-samples 3")
    assert code == 2
    assert "is measured on a whole text: --n-samples is of other models" in complained

"""Training from the command line: what it writes, how it stops and goes on, what it refuses."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from aigc_tutorial import cli, gan, tokenizers
from aigc_tutorial.cli import running, runs, train_ar, train_gan
from aigc_tutorial.training import CsvTracker, interruption, load_checkpoint
from aigc_tutorial.zoo.card import Card

SMALL_GAN = (
    "train gan mnist-conv --n-images 320 --batch-size 16 --generator.latent-dim 4 "
    "--generator.channels 8 4 --discriminator.channels 4 4 8 --device cpu --track csv"
)
SMALL_AR = (
    "train ar characters --n-tokens 2000 --batch-size 4 --model.context 16 --model.n-layers 1 "
    "--model.n-heads 2 --model.width 16 --device cpu --track csv"
)


@pytest.fixture(autouse=True)
def interruptible():
    """As in a terminal: a shell in the background has its programs ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def files(folder):
    return {path.name for path in folder.iterdir()} - {"checkpoint.lock"}


def weights(folder):
    return gan.ConvGenerator.from_pretrained(folder).state_dict()


def test_a_gan_is_trained_and_found_in_its_folder(digits, tmp_path, say):
    folder = tmp_path / "run"
    code, printed, complained = say(f"{SMALL_GAN} --seed 3 --folder {folder}")
    assert (code, complained) == (0, "")
    assert f"aigc-tutorial evaluate {folder}" in printed
    assert files(folder) == {
        "card.json", "checkpoint.safetensors", "config.json", "log.csv", "model.safetensors",
        "run.json",
    }  # fmt: skip
    asked = json.loads((folder / "run.json").read_text())
    assert asked["training.n_images"] == 320
    assert asked["generator.channels"] == [8, 4]
    assert asked["seed"] == 3
    generator = gan.ConvGenerator.from_pretrained(folder)
    assert generator.config.channels == (8, 4)
    card = Card.load(folder / "card.json")
    assert (card.seed, card.n_seen, card.unit, card.licence) == (3, 320, "images", "not stated")


def test_the_command_of_the_card_trains_the_same(digits, tmp_path, say):
    say(f"{SMALL_GAN} --seed 3 --loss hinge --folder '{tmp_path / 'a run'}'")
    card = Card.load(tmp_path / "a run" / "card.json")
    words = shlex.split(card.command)
    assert words[0] == "aigc-tutorial"
    line = f"{SMALL_GAN} --seed 3 --loss hinge --folder '{tmp_path / 'a run'}'"
    assert cli.parse(words[1:]) == cli.parse(shlex.split(line))


def test_given_again_a_run_that_has_ended_is_left_as_it_is(digits, tmp_path, say):
    say(f"{SMALL_GAN} --folder {tmp_path}")
    before = weights(tmp_path)
    assert say(f"{SMALL_GAN} --folder {tmp_path}")[0] == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(tmp_path).items())


def test_another_run_is_refused_and_nothing_is_touched(digits, tmp_path, say):
    say(f"{SMALL_GAN} --folder {tmp_path}")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code, _, complained = say(f"{SMALL_GAN} --r1-gamma 1 --folder {tmp_path}")
    assert code == 1
    assert "holds another run: its training.r1_gamma is 0.3, and 1.0 is wanted." in complained
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_other_data_under_the_same_name_are_refused_by_the_checkpoint(digits, tmp_path, say):
    say(f"{SMALL_GAN} --folder {tmp_path}")
    digits.images[0] = 0
    code, _, complained = say(f"{SMALL_GAN} --folder {tmp_path}")
    assert code == 1
    assert "belongs to another run" in complained
    assert complained.count("\n") == 1


@pytest.mark.parametrize(
    "made", ["checkpoint.safetensors", "card.json", "model.safetensors", "search.sqlite"]
)
def test_what_another_command_made_in_the_folder_is_not_mixed_with_a_run(made, tmp_path):
    def begin(recipe):
        runs.begin_run(tmp_path, {"recipe": recipe})

    begin("bytes")
    begin("characters")  # nothing was made yet
    (tmp_path / made).touch()
    begin("characters")
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(ValueError, match="another run: its recipe is 'characters', and 'bytes'"):
        begin("bytes")
    assert (tmp_path / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["card.json", "model.safetensors"])
def test_a_model_of_another_command_is_not_replaced(name, digits, tmp_path, say):
    (tmp_path / name).write_text("{}")
    code, _, complained = say(f"{SMALL_GAN} --folder {tmp_path}")
    assert code == 1
    assert "holds a model that another command wrote" in complained


def interrupt_at(monkeypatch, n_seen, *, times=1):
    """Press Ctrl-C when a row is logged after so much data, once or more."""
    log = CsvTracker.log

    def logs(self, row, *, n_seen):
        log(self, row, n_seen=n_seen)
        if n_seen >= at and not pressed:
            pressed.append(n_seen)
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    at = n_seen
    pressed: list[int] = []
    monkeypatch.setattr(CsvTracker, "log", logs)


def test_ctrl_c_saves_and_the_same_command_ends_with_the_same_bits(
    digits, tmp_path, say, monkeypatch
):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    say(f"{SMALL_GAN} --folder {whole}")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 96)
        code, _, complained = say(f"{SMALL_GAN} --checkpoint-every 1000 --folder {parts}")
    assert code == 130
    first, second = complained.splitlines()
    assert "stopped after 96 of 320 images; the checkpoint in" in first
    assert second == f"To go on: aigc-tutorial {SMALL_GAN} --checkpoint-every 1000 --folder {parts}"
    assert "model.safetensors" not in files(parts)

    unfinished = say(f"sample {parts}")
    assert unfinished[0] == 1
    assert "has not ended; give its command again, and it goes on" in unfinished[2]

    assert say(f"{SMALL_GAN} --checkpoint-every 1000 --folder {parts}")[0] == 0
    assert (whole / "log.csv").read_bytes() == (parts / "log.csv").read_bytes()
    expected = weights(whole)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(parts).items())


def test_a_second_ctrl_c_does_not_wait_and_leaves_the_last_checkpoint(
    digits, tmp_path, say, monkeypatch
):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 160, times=2)
        patch.setattr(interruption, "_SAME_SECONDS", -1.0)  # as if some seconds lay between
        code, _, complained = say(f"{SMALL_GAN} --checkpoint-every 64 --folder {tmp_path}")
    assert (code, complained) == (130, "aigc-tutorial: stopped\n")
    assert load_checkpoint(tmp_path)["n_seen"] == 128
    assert say(f"{SMALL_GAN} --checkpoint-every 64 --folder {tmp_path}")[0] == 0


def test_processes_go_on_by_what_started_them(say, monkeypatch):
    def interrupted(words):
        raise KeyboardInterrupt("stopped after 96 of 320 images")

    monkeypatch.setattr(running, "_run", interrupted)
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, complained = say(SMALL_GAN)
    assert code == 130
    assert "To go on: the command that started these 2 processes, as it was" in complained


def test_a_conditional_gan_is_told_the_labels(digits, tmp_path, say):
    line = SMALL_GAN.replace("mnist-conv", "mnist-conditional")
    assert say(f"{line} --folder {tmp_path}")[0] == 0
    assert gan.ConvGenerator.from_pretrained(tmp_path).n_classes == 10
    assert "with their labels" in Card.load(tmp_path / "card.json").data


def test_a_text_is_learned_and_continued(text, tmp_path, say):
    folder = tmp_path / "run"
    code, printed, complained = say(f"{SMALL_AR} --text {shlex.quote(str(text))} --folder {folder}")
    assert (code, complained) == (0, "")
    assert "nats a character on the text held out" in printed
    assert files(folder) >= {"model.safetensors", "config.json", "tokenizer.json", "card.json"}
    tokenizer = tokenizers.load_tokenizer(folder / "tokenizer.json")
    assert tokenizer.vocab_size == len(set(text.read_text()))
    metric = Card.load(folder / "card.json").metrics["nats_per_character"]
    assert metric.value < 3.0
    assert "the text's last 10 %" in metric.protocol

    code, printed, complained = say(f'sample {folder} --prompt "to be" --max-new-tokens 20')
    assert (code, complained) == (0, "")
    assert printed.startswith("to be")
    assert len(printed) == len("to be") + 20 + 1

    code, printed, _ = say(f"evaluate {folder}")
    assert code == 0
    again = Card.load(folder / "card.json").metrics["nats_per_character"]
    assert again == metric


def test_a_text_is_found_from_any_folder_and_another_one_is_no_held_out_text(
    text, tmp_path, say, monkeypatch
):
    monkeypatch.chdir(text.parent)
    assert say(f"{SMALL_AR} --text {shlex.quote(text.name)} --folder run")[0] == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    # Another text of the same name lies here, and is not meant.
    (elsewhere / text.name).write_text("no, no. " * 99, encoding="utf-8")
    before = Card.load(tmp_path / "run" / "card.json").metrics
    assert say(f"evaluate {tmp_path / 'run'}")[0] == 0
    assert Card.load(tmp_path / "run" / "card.json").metrics == before
    text.write_text(text.read_text(encoding="utf-8") + "to be or not", encoding="utf-8")
    code, _, complained = say(f"evaluate {tmp_path / 'run'}")
    assert code == 1
    assert "is another text now than the one that" in complained
    assert Card.load(tmp_path / "run" / "card.json").metrics == before


def test_several_processes_train_one_model_and_one_of_them_says_so(tmp_path):
    folder, root = tmp_path / "run", Path(__file__).resolve().parents[2]
    torchrun = ["torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    command = [sys.executable, "-m", *torchrun, "--nproc-per-node=2", "-m", "aigc_tutorial"]
    words = f"--n-images 128 --data mnist-sample --device cpu --track csv --folder {folder}".split()
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *words], env=environment, cwd=tmp_path, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip

    done = run("train", "gan", "mnist-mlp", *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Training mnist-mlp-gan") == 1
    assert done.stdout.count(f"Wrote {folder}: 128 images") == 1
    assert Card.load(folder / "card.json").n_seen == 128
    rows = (folder / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["n_images", "64", "128"]  # 2 × 32 a step
    # Searching they would average the gradients of different models.
    pytest.importorskip("optuna")
    words[-1] = str(tmp_path / "search")
    words[words.index("--track") : words.index("--track") + 2] = []
    refused = run("search", "mnist-mlp", *words)
    assert refused.returncode != 0
    assert "start the command itself several times and not by torchrun" in refused.stderr
    assert not (tmp_path / "search" / "search.sqlite").exists()


def test_bytes_write_any_text(tmp_path, say):
    path = tmp_path / "chinese.txt"
    path.write_text("床前明月光\n" * 60, encoding="utf-8")
    line = SMALL_AR.replace("characters", "bytes")
    assert say(f"{line} --text {path} --folder {tmp_path / 'run'}")[0] == 0
    assert "nats_per_byte" in Card.load(tmp_path / "run" / "card.json").metrics


@pytest.mark.parametrize(
    ("content", "flags", "told"),
    [
        (None, "", "there is no file"),
        (b"\xff\xfe\x00", "", "is no text in UTF-8 (byte 0 is none of it)"),
        (b"short", "", "windows of 16 tokens need more"),
        (b"to be " * 99, "--model.vocab-size 9", "leave --model.vocab-size away"),
    ],
)
def test_a_text_that_will_not_do_is_told(content, flags, told, tmp_path, say):
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    code, _, complained = say(f"{SMALL_AR} {flags} --text {path} --folder {tmp_path / 'run'}")
    assert code in (1, 2)
    assert told in complained
    assert not (tmp_path / "run").exists()


def test_every_setting_of_a_recipe_is_a_flag(say):
    for line, parts in (
        ("train gan mnist-conv", train_gan.defaults_of("mnist-conv")),
        ("train ar characters", train_ar.defaults_of("characters")),
    ):
        _, printed, _ = say(f"{line} --help")
        for prefix, part in vars(parts).items():
            for name in getattr(part, "__dataclass_fields__", {}):
                begin = "" if prefix in ("training", "run_options") else f"{prefix}."
                assert f"--{begin}{name.replace('_', '-')} " in printed


def test_the_numbers_go_where_they_are_asked_for(digits, tmp_path, say):
    pytest.importorskip("tensorboard")
    line = SMALL_GAN.replace("--track csv", "--track tensorboard")
    assert say(f"{line} --folder {tmp_path}")[0] == 0
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
    assert not (tmp_path / "log.csv").exists()


def test_a_gpu_that_is_not_there_is_told_before_anything_is_written(digits, tmp_path, say):
    line = SMALL_GAN.replace("--device cpu", "--device cuda:7")
    code, _, complained = say(f"{line} --folder {tmp_path / 'run'}")
    if not torch.cuda.is_available():
        assert code == 1
        assert "torch sees no device" in complained
        assert not (tmp_path / "run").exists()

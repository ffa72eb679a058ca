"""Two processes that share a batch do what one does on all of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from aigc_tutorial.training import Engine
from tests.training import two_processes
from tests.training.two_processes import LOSSES, N_PREDICTED, N_STEPS, PENALTIES, N

Results = list[dict[str, dict[str, torch.Tensor]]]

pytestmark = pytest.mark.xdist_group("two processes")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes that ``torchrun`` started left their results."""
    folder = tmp_path_factory.mktemp("two processes")
    root = Path(two_processes.__file__).parents[2]
    torchrun = ["torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    ended = subprocess.run(
        [sys.executable, "-m", *torchrun, "--nproc-per-node=2", two_processes.__file__, folder],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
        text=True,
        timeout=250,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    """What each of the two processes computed."""
    return [torch.load(folder / f"results {rank}.pt") for rank in (0, 1)]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_two_halves_of_a_batch_make_the_step_of_the_whole(results, loss, penalty):
    one = two_processes.gan_steps(Engine(device="cpu"), loss, penalty)
    first, second = (result[f"{loss}, {penalty}"] for result in results)
    assert torch.equal(first["weights"], second["weights"])
    assert first["n_averaged"] == second["n_averaged"] == one["n_averaged"] == N * N_STEPS
    # The sums are rounded in another order, and no more than that.
    scale = one["gradients"].abs().max().item()
    torch.testing.assert_close(first["gradients"], one["gradients"], rtol=1e-4, atol=1e-6 * scale)
    torch.testing.assert_close(first["scalars"], one["scalars"], rtol=1e-5, atol=1e-6)


def test_labels_go_with_their_halves(results):
    one = two_processes.conditional_step(Engine(device="cpu"))["gradients"]
    for result in results:
        torch.testing.assert_close(
            result["conditional"]["gradients"], one, rtol=1e-4, atol=1e-6 * one.abs().max().item()
        )


@pytest.mark.parametrize("targets", N_PREDICTED)
def test_every_token_weighs_the_same_wherever_it_is_predicted(results, targets):
    one = two_processes.ar_step(Engine(device="cpu"), targets)
    for result in results:
        two = result[f"ar, {targets}"]
        torch.testing.assert_close(two["gradients"], one["gradients"], rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(two["loss"], one["loss"])
        assert two["n_averaged"] == one["n_averaged"] == N_PREDICTED[targets]


def test_a_resumed_run_ends_with_the_same_bits_in_both_processes(results):
    for result in results:
        for name, tensor in result["whole"].items():
            assert torch.equal(tensor, result["parts"][name]), name


def test_a_run_that_one_process_is_asked_to_stop_is_saved_by_both_and_goes_on(results):
    for result in results:
        assert result["asked"].pop("stopped_after") == 48  # 8 a step; the last saved before was 32
        for name, tensor in result["whole"].items():
            assert torch.equal(tensor, result["asked"][name]), name


def test_both_have_the_same_weights_and_count_the_images_of_both(results):
    first, second = (result["whole"] for result in results)
    for name, tensor in first.items():
        if "running" not in name:  # batch normalisation knows its own part alone
            assert torch.equal(tensor, second[name]), name
    assert first["n_images"].tolist() == list(range(8, 97, 8))


def test_the_log_is_written_once(folder, results):
    rows = (folder / "whole.csv").read_text().split()
    assert [row.split(",")[0] for row in rows[1:]] == [str(n) for n in range(8, 97, 8)]
    assert (folder / "parts.csv").read_text() == (folder / "whole.csv").read_text()


def test_another_number_of_processes_is_refused(folder, results):
    with pytest.raises(ValueError, match="its number of processes is 2, and 1 is wanted"):
        two_processes.whole_run(folder, "whole", Engine(device="cpu"))

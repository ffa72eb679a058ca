"""Kill training runs at random moments, begin them again, and compare with runs left alone.

``make kills``, or ``python benchmarks/kill_runs.py --runs 50``. Every run saves after each step, so
that most kills hit a save. Each is killed up to three times; it must end with the same weights,
history and log as one that was not, and must leave nothing in its folder but its checkpoint and
lock.
"""

import argparse
import dataclasses
import datetime
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from recording import recorded

from aigc_tutorial import ar, gan, zoo
from aigc_tutorial.files import replace_file
from aigc_tutorial.tensors import content_hash
from aigc_tutorial.training import CsvTracker, Engine, loop, save_checkpoint

RESULTS = Path(__file__).parent / "results" / "kill_runs.json"
KINDS = {"GAN, fully connected": 1, "GAN, convolutional": 1, "AR": 1, "GAN, two processes": 2}
"""What is trained, and in how many processes."""
IMAGES = torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
TOKENS = torch.randint(9, (600,), generator=torch.Generator().manual_seed(0))


def train(kind: str, folder: Path) -> str:
    """Train from the start or from the checkpoint; return a hash of all that came out."""
    torch.manual_seed(0)
    options: dict[str, Any] = {
        "checkpoint_folder": folder / "checkpoints",
        "checkpoint_every": 1,
        "tracker": CsvTracker(folder / "log.csv"),
        "progress_bar": False,
        "engine": Engine(device="cpu"),
    }
    if kind == "AR":
        model = ar.Transformer(ar.TransformerConfig(9, 8, n_layers=2, n_heads=2, width=32))
        config = ar.ARTrainingConfig(n_tokens=512, batch_size=4, context=8, ema_half_life=99.0)
        trained = ar.train(model, TOKENS, config=config, **options)
        return _hash_of(trained.history, trained.model, trained.raw_model)
    if kind == "GAN, convolutional":
        generator: gan.Generator = gan.ConvGenerator(gan.ConvGeneratorConfig(8, (1, 8, 8), (16, 8)))
        discriminator: gan.Discriminator = gan.ConvDiscriminator(
            gan.ConvDiscriminatorConfig((1, 8, 8), (8, 16, 16))
        )
    else:
        generator = gan.MLPGenerator(gan.MLPGeneratorConfig(8, (1, 8, 8), hidden=(64,)))
        discriminator = gan.MLPDiscriminator(gan.MLPDiscriminatorConfig((1, 8, 8), hidden=(64,)))
    settings = gan.GANTrainingConfig(n_images=128, batch_size=8, warmup_images=32, penalty_every=4)
    result = gan.train(generator, discriminator, IMAGES, config=settings, **options)
    return _hash_of(result.history, result.generator, result.raw_generator, result.discriminator)


def _hash_of(history: Any, *models: torch.nn.Module) -> str:
    tensors = [tensor for model in models for tensor in model.state_dict().values()]
    return content_hash(*tensors) + json.dumps(list(history.rows()))


def process(kind: str, folder: Path, rank: int, n_processes: int, port: int) -> None:
    """One process of a run: note when it saves, and the outcome at its end."""
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(n_processes),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip

    def noted(*arguments: Any) -> None:
        (folder / "saving").touch()
        save_checkpoint(*arguments)
        (folder / "saving").unlink(missing_ok=True)

    with patch.object(loop, "save_checkpoint", noted):
        outcome = train(kind, folder)
    (folder / f"outcome {rank}").write_text(outcome)


def start(kind: str, folder: Path) -> list[int]:
    """Start the processes of a run by forking, since importing torch takes longer than the run."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sys.stdout.flush()
    children = []
    for rank in range(KINDS[kind]):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                process(kind, folder, rank, KINDS[kind], port)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    return children


def ended(children: list[int], seconds: float) -> bool:
    """Wait for the processes; whether all ended well in this time.

    Raises:
        RuntimeError: if one failed.
    """
    until, running = time.monotonic() + seconds, list(children)
    while running:
        child, status = os.waitpid(running[0], os.WNOHANG)
        if child and status:
            raise RuntimeError(f"a process ended with status {os.waitstatus_to_exitcode(status)}")
        if child:
            running.pop(0)
        elif time.monotonic() > until:
            children[:] = running
            return False
        else:
            time.sleep(0.001)
    return True


def undisturbed(kind: str, folder: Path) -> float:
    """A run that nobody kills; its seconds."""
    started = time.monotonic()
    ended(start(kind, folder), 600)
    return time.monotonic() - started


def killed(kind: str, folder: Path, seconds: float, rng: random.Random) -> dict[str, int]:
    """A run that is killed up to three times, each time at a random moment, and then let go on."""
    counts = {"kills": 0, "kills while saving": 0}
    for _ in range(rng.randint(1, 3)):
        (folder / "saving").unlink(missing_ok=True)
        children = start(kind, folder)
        # In the first half of the time that a run took, since the machine may be faster by now;
        # what is begun again and killed again is killed later in the run.
        if ended(children, rng.uniform(0, seconds / 2)):
            break
        if rng.random() < 0.8 and await_save(folder, children, rng):
            break
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
        counts["kills"] += 1
        counts["kills while saving"] += (folder / "saving").exists()
    (folder / "saving").unlink(missing_ok=True)
    ended(start(kind, folder), 600)
    return counts


def await_save(folder: Path, children: list[int], rng: random.Random) -> bool:
    """Wait for the next save to begin, and a moment more; whether the run ended meanwhile."""
    while not (folder / "saving").exists():
        if ended(children, 0.0002):
            return True
    return ended(children, rng.uniform(0, 0.02))


def differences(folder: Path, reference: Path, kind: str) -> list[str]:
    """What a killed run has left that the undisturbed one has not, or has otherwise."""
    names = [f"outcome {rank}" for rank in range(KINDS[kind])] + ["log.csv"]
    found = [
        name for name in names if (folder / name).read_bytes() != (reference / name).read_bytes()
    ]
    left = {path.name for path in (folder / "checkpoints").iterdir()}
    return found + sorted(left - {"checkpoint.safetensors", "checkpoint.lock"})


def prove(n_runs: int, seed: int) -> dict[str, Any]:
    """Kill so many runs, of all kinds in turn.

    Raises:
        SystemExit: if one of them differs from the undisturbed run.
    """
    torch.set_num_threads(1)
    _import_what_optimizers_need()
    rng = random.Random(seed)
    table = {kind: {"runs": 0, "kills": 0, "kills while saving": 0} for kind in KINDS}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        kinds = [kind for _, kind in zip(range(n_runs), [*KINDS] * n_runs, strict=False)]
        lengths = {}
        for kind in dict.fromkeys(kinds):
            (root / kind).mkdir()
            lengths[kind] = undisturbed(kind, root / kind)
        for number, kind in enumerate(kinds):
            folder = root / str(number)
            folder.mkdir()
            counts = killed(kind, folder, lengths[kind], rng)
            if found := differences(folder, root / kind, kind):
                sys.exit(f"run {number} ({kind}) differs after {counts}: {', '.join(found)}")
            table[kind]["runs"] += 1
            for what, count in counts.items():
                table[kind][what] += count
            print(f"run {number + 1} of {n_runs}: {kind}, {counts}: the same bits", flush=True)
    return table


def _import_what_optimizers_need() -> None:
    """Take a step: the first one imports more of torch, which forked processes shall have."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    torch.optim.Adam([parameter]).step()


def as_table(result: dict[str, Any]) -> str:
    """Markdown of a recorded result."""
    lines = [
        "# Runs that were killed and begun again",
        "",
        "Each saves after every step and is killed (SIGKILL) up to three times at random moments: "
        "fewer times where it ends before. All end with the same weights, history and log as a run "
        "that nobody killed.",
        "",
        "| run | runs | kills | of them while saving | different bits |",
        "|---|---|---|---|---|",
    ]
    rows = list(result["table"].values())
    in_all = {name: sum(row[name] for row in rows) for name in rows[0]}
    for kind, row in [*result["table"].items(), ("all", in_all)]:
        numbers = [row["runs"], row["kills"], row["kills while saving"], 0]
        lines.append(f"| {kind} | {' | '.join(map(str, numbers))} |")
    machine = result["machine"]
    note = (
        f"`{result['command']}`; {machine['processor']}, {machine['n_cores']} cores, torch "
        f"{machine['torch']}, Python {machine['python']}; {result['date']}."
    )
    return "\n".join([*lines, "", note, ""])


def main() -> None:
    """Kill runs, and record the result unless told not to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-record", action="store_true", help="print the result alone")
    options = parser.parse_args()
    result = {
        "command": f"python benchmarks/kill_runs.py --runs {options.runs} --seed {options.seed}",
        "machine": dataclasses.asdict(zoo.Machine.here()),
        "date": datetime.date.today().isoformat(),
        "table": prove(options.runs, options.seed),
    }
    if not options.no_record:
        with replace_file(RESULTS) as temporary:
            temporary.write_text(json.dumps(recorded(RESULTS) | result, indent=2) + "\n")
        with replace_file(RESULTS.with_suffix(".md")) as temporary:
            temporary.write_text(as_table(result))
    print(as_table(result))


if __name__ == "__main__":
    main()

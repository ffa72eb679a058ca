"""``aigc-tutorial zoo``: the trained models that come with the package."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from aigc_tutorial.cli.commands import Command
from aigc_tutorial.cli.parsing import UsageError, check_seed, choose, closest, parse_as

ACTIONS = {
    "list": "every model in a line; what `zoo` alone does",
    "show": "a model's card: data, command, machine, and each number with its protocol",
    "train": "train a model again, as its card says",
    "push": "upload a model, or a run of yours, to the Hugging Face Hub",
}
EXAMPLES = (
    "aigc-tutorial zoo",
    "aigc-tutorial zoo show mnist-conv-gan",
    "aigc-tutorial zoo train mnist-conv-gan --seed 0",
    "aigc-tutorial zoo push runs/gan user/digits",
)


@dataclass(frozen=True)
class List:
    """List the trained models that come with the package."""

    def run(self) -> None:
        """Print a line for each."""
        from aigc_tutorial import zoo

        width = max(map(len, zoo.names()))
        for name in zoo.names():
            print(f"{name:<{width}}  {zoo.card(name).title}")


@dataclass(frozen=True)
class Show:
    """Show a model's card: where its weights come from, and what was measured on them.

    Attributes:
        name: of the model.
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]

    def run(self) -> None:
        """Print the card, and what each number was measured on."""
        from aigc_tutorial import zoo

        require_names(self.name)
        card = zoo.card(self.name)
        print(card)
        for protocol in dict.fromkeys(metric.protocol for metric in card.metrics.values()):
            found = [n.replace("_", " ") for n, m in card.metrics.items() if m.protocol == protocol]
            print(f"\n{', '.join(found)}: {protocol}")
        if card.notes:
            print(f"\n{card.notes}")


@dataclass(frozen=True)
class Train:
    """Train models of the zoo again, as their cards say.

    The real data are needed: on what stands in for them offline the command stops. Checkpoints go
    to the folder runs; Ctrl-C stops, and the same command goes on. The new weights take the place
    of those that came with the package, or go to a folder of their own.

    Attributes:
        names: of the models.
        seed: decides weights, order of the data and latents.
        large: for a large GPU: twice the feature maps, twelve million images (GANs alone).
        folder: where the entries are written; by default where the package keeps its own.
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME ...")]
    seed: int = 0
    large: bool = False
    folder: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None

    def __post_init__(self) -> None:
        """Check the seed."""
        check_seed(self.seed)

    def run(self) -> None:
        """Train and write each."""
        from aigc_tutorial.zoo.training.trainers import check_names, train_entries

        require_names(*self.names)
        try:
            check_names(self.names, is_large=self.large)
        except ValueError as error:
            raise UsageError(f"--{error}") from error
        place = {} if self.folder is None else {"folder": self.folder}
        for entry in train_entries(self.names, seed=self.seed, is_large=self.large, **place):
            print(f"Wrote {entry}")


@dataclass(frozen=True)
class Push:
    """Upload a model to the Hugging Face Hub, with a page made from its card.

    You need an account there and a token: `hf auth login`, or the variable HF_TOKEN. Anybody who
    may see the repository loads the model by its name, from_pretrained("user/model").

    Attributes:
        model: a name of the zoo, or the folder of a run of yours.
        repository: user/model; it is made if there is none.
        public: a repository that is made is seen by everybody.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    repository: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="USER/MODEL")]
    public: bool = False

    def run(self) -> None:
        """Upload, and print where."""
        from aigc_tutorial import zoo
        from aigc_tutorial.cli.runs import find_model

        found = find_model(self.model)
        address = zoo.push_to_hub(
            found.model,
            self.repository,
            found.card,
            tokenizer=found.tokenizer,
            private=not self.public,
        )
        print(address)


def parse(arguments: Sequence[str]) -> Command:
    """Understand what follows ``zoo``."""
    action, others = choose(
        arguments, ACTIONS, command="zoo", what="action", examples=EXAMPLES, default="list"
    )
    kinds: dict[str, type[Command]] = {"list": List, "show": Show, "train": Train, "push": Push}
    examples = [line for line in EXAMPLES if f" {action}" in line] or EXAMPLES[:1]
    return parse_as(kinds[action], others, command=f"zoo {action}", examples=examples)


def require_names(*names: str) -> None:
    """Refuse what is not in the zoo, or nothing at all.

    Raises:
        UsageError: if a name is unknown, or there is none.
    """
    from aigc_tutorial import zoo

    if not names:
        raise UsageError(f"which model? The zoo has {', '.join(zoo.names())}")
    for name in names:
        if name not in zoo.names():
            raise UsageError(
                f"the zoo has no {name!r}{closest(name, zoo.names())}; it has "
                f"{', '.join(zoo.names())}"
            )

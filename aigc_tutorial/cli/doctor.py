"""``aigc-tutorial doctor``: what this machine has, and whether its numbers can be trusted."""

from collections.abc import Sequence
from dataclasses import dataclass

from aigc_tutorial.cli.parsing import parse_as

EXAMPLES = ("aigc-tutorial doctor", "aigc-tutorial doctor --device cpu")


@dataclass(frozen=True)
class Doctor:
    """Tell what this machine has, and prove it: small networks on its device against the CPU.

    Forward pass, gradients and twenty training steps of a small GAN and of a small Transformer are
    computed on the device in float32 and on the CPU in float64. Each line says by what share they
    differ and by what share they may. The exit code is 1 where one differs by more.

    Attributes:
        device: "cpu", "cuda", "mps"; by default the GPU where there is one.
    """

    device: str | None = None

    def run(self) -> int:
        """Examine and print."""
        from aigc_tutorial import doctor

        diagnosis = doctor.examine(self.device)
        print(diagnosis)
        return 0 if diagnosis.is_trusted else 1


def parse(arguments: Sequence[str]) -> Doctor:
    """Understand what follows ``doctor``."""
    return parse_as(Doctor, arguments, command="doctor", examples=EXAMPLES)

"""Draw the pictures of the README from the zoo's weights. Run by ``make pictures``.

Writes to ``book/_static``:

- ``digits.png``: digits that ``mnist-conv-gan`` made, a fixed seed, nothing chosen by hand;
- ``latent_walk.gif``: many such ways from one latent vector to the next, and back to the first.
"""

import os
import sys
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from aigc_tutorial import zoo

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "book" / "_static"
MODEL = "mnist-conv-gan"
SEED = 2026
N_ROWS, N_COLUMNS = 5, 16
N_ROWS_WALK, N_COLUMNS_WALK = 3, 12
N_STOPS, N_FRAMES_BETWEEN = 4, 12
MILLISECONDS = 90
N_GREYS = 8  # of the moving picture; more make its file larger and look the same


def tile(images: Tensor, n_columns: int, scale: int, gap: int = 2) -> Image.Image:
    """Return images (N, 1, H, W) in [-1, 1] as one picture, white on black made dark on white."""
    n, _, height, width = images.shape
    n_rows = -(-n // n_columns)
    pixels = ((1 - images.clamp(-1, 1)) * 127.5).round().to(torch.uint8)
    sheet = torch.full(
        (n_rows * (height + gap) - gap, n_columns * (width + gap) - gap), 255, dtype=torch.uint8
    )
    for i, image in enumerate(pixels[:, 0]):
        top, left = i // n_columns * (height + gap), i % n_columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    picture = Image.fromarray(sheet.numpy())
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def walk(stops: Tensor, n_between: int) -> Tensor:
    """Return latents (N, Z) on the closed way through the stops (S, Z), along great circles."""
    points = []
    for start, end in zip(stops, stops.roll(-1, dims=0), strict=True):
        cosine = torch.nn.functional.cosine_similarity(start, end, dim=0)
        angle = torch.acos(cosine.clamp(-1, 1))
        for step in range(n_between):
            t = step / n_between
            points.append(
                (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)
            )
    return torch.stack(points)


def save(frames: list[Image.Image], path: Path) -> None:
    """Write a picture, or a moving one, completely or not at all."""
    temporary = path.with_name(f"tmp-{path.name}")
    if len(frames) == 1:
        frames[0].save(temporary, optimize=True)
    else:
        top = N_GREYS - 1
        levels = [round(round(v * top / 255) * 255 / top) for v in range(256)]
        first, *rest = (frame.point(levels) for frame in frames)
        first.save(temporary, save_all=True, append_images=rest, duration=MILLISECONDS, loop=0)
    os.replace(temporary, path)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1024:.0f} KiB")


def main() -> int:
    """Draw all pictures."""
    if MODEL not in zoo.names():
        print(f"The zoo has no {MODEL}; it has: {', '.join(zoo.names())}", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    generator = zoo.load(MODEL)
    randomness = torch.Generator().manual_seed(SEED)
    digits = generator.sample(N_ROWS * N_COLUMNS, generator=randomness)
    save([tile(digits, N_COLUMNS, scale=2)], FOLDER / "digits.png")

    n_ways = N_ROWS_WALK * N_COLUMNS_WALK
    stops = generator.sample_latent(n_ways * N_STOPS, generator=randomness)
    ways = [walk(part, N_FRAMES_BETWEEN) for part in stops.view(n_ways, N_STOPS, -1)]
    with torch.no_grad():
        frames = [tile(generator(z), N_COLUMNS_WALK, scale=2) for z in torch.stack(ways, dim=1)]
    save(frames, FOLDER / "latent_walk.gif")
    return 0


if __name__ == "__main__":
    sys.exit(main())

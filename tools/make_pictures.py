"""Draw the pictures of the README from the zoo's weights. Run by ``make pictures``.

Writes to ``book/_static``, from fixed seeds, with nothing chosen by hand:

- ``digits.png``: digits that ``mnist-conv-gan`` made;
- ``card.png``: sixteen of them, for the cards by which messages show the book;
- ``touch-icon.png``: the book's icon for a phone's first screen, as ``favicon.svg`` has it;
- ``latent_walk.gif``: its way from one latent vector to the next, and back to the first;
- ``pixel_by_pixel.gif``: the digits 0 to 9 as ``mnist-pixelcnn`` draws them;
- ``texts.svg``: poems by ``tang-quatrains`` and a scene by ``shakespeare-characters``;
- ``texts.html``: the same as text, for the book, where it takes the reader's colours and width.

Run it again whenever one of these models was trained anew.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from aigc_tutorial import ar, zoo
from aigc_tutorial.data.batches.levels import dequantise
from aigc_tutorial.files import replace_file
from aigc_tutorial.zoo.training.poems import write

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "book" / "_static"
SEED = 2026
N_ROWS, N_COLUMNS = 5, 16
N_ROWS_WALK, N_COLUMNS_WALK = 3, 12
N_STOPS, N_FRAMES_BETWEEN = 4, 12
MILLISECONDS = 90
N_GREYS = 8  # of a moving picture; more make its file larger and look the same
N_ROWS_DRAWN, PIXELS_A_FRAME = 2, 14
N_ON_CARD = 16
ICON_PIXELS = 180
N_POEMS, N_LINES = 4, 9  # poems two by two, beside as many lines


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


def save(frames: list[Image.Image], path: Path, last_ms: int = MILLISECONDS) -> None:
    """Write a picture, or a moving one whose last frame stays for ``last_ms``."""
    with replace_file(path) as temporary:
        if len(frames) == 1:
            frames[0].save(temporary, optimize=True)
        else:
            top = N_GREYS - 1
            levels = [round(round(v * top / 255) * 255 / top) for v in range(256)]
            first, *rest = (frame.point(levels) for frame in frames)
            durations = [MILLISECONDS] * len(rest) + [last_ms]
            first.save(temporary, save_all=True, append_images=rest, duration=durations, loop=0)
    report(path)


def report(path: Path) -> None:
    """Print the size of a written file."""
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1024:.0f} KiB")


def draw_gan() -> None:
    """Digits of the convolutional GAN, and its walk."""
    generator = zoo.load("mnist-conv-gan")
    randomness = torch.Generator().manual_seed(SEED)
    digits = generator.sample(N_ROWS * N_COLUMNS, rng=randomness)
    save([tile(digits, N_COLUMNS, scale=2)], FOLDER / "digits.png")
    on_card = tile(digits[:N_ON_CARD], int(N_ON_CARD**0.5), scale=4)
    save(
        [on_card.convert("RGB")], FOLDER / "card.png"
    )  # grey alone would be drawn in false colours

    n_ways = N_ROWS_WALK * N_COLUMNS_WALK
    stops = generator.sample_latent(n_ways * N_STOPS, rng=randomness)
    ways = [walk(part, N_FRAMES_BETWEEN) for part in stops.view(n_ways, N_STOPS, -1)]
    with torch.no_grad():
        frames = [tile(generator(z), N_COLUMNS_WALK, scale=2) for z in torch.stack(ways, dim=1)]
    save(frames, FOLDER / "latent_walk.gif")


def draw_pixels() -> None:
    """The ten digits, drawn pixel by pixel; grey is what is not drawn yet."""
    model = zoo.load("mnist-pixelcnn")
    labels = torch.arange(10).repeat(N_ROWS_DRAWN)
    levels = model.sample(len(labels), labels, rng=torch.Generator().manual_seed(SEED))
    images = dequantise(levels, model.config.n_levels)
    frames = []
    for n_drawn in range(0, images[0].numel() + 1, PIXELS_A_FRAME):
        seen = images.flatten(1).clone()
        seen[:, n_drawn:] = -1 + 2 / (N_GREYS - 1)
        frames.append(tile(seen.view_as(images)[:, None], 10, scale=3))
    save(frames, FOLDER / "pixel_by_pixel.gif", last_ms=4_000)


def draw_icon() -> None:
    """The icon of ``favicon.svg`` in pixels, its corners left to the phone."""
    icon = ElementTree.parse(FOLDER / "favicon.svg").getroot()
    scale = ICON_PIXELS / float(icon.get("viewBox", "").split()[2])
    ground, *blocks = icon.iter("{http://www.w3.org/2000/svg}rect")
    picture = Image.new("RGB", (ICON_PIXELS, ICON_PIXELS), ground.get("fill", ""))
    for block in blocks:
        left, top, width, height = (
            float(block.get(name, "0")) * scale for name in ("x", "y", "width", "height")
        )
        mask = Image.new("L", picture.size)
        place = (round(left), round(top), round(left + width) - 1, round(top + height) - 1)
        ImageDraw.Draw(mask).rectangle(place, fill=round(255 * float(block.get("opacity", "1"))))
        picture.paste("white", mask=mask)
    save([picture], FOLDER / "touch-icon.png")


def write_texts() -> None:
    """Poems and a scene: as one SVG whose letters come from the reader's fonts, and as HTML."""
    randomness = torch.Generator().manual_seed(SEED)
    poems = write(zoo.load("tang-quatrains"), zoo.tokenizer("tang-quatrains"), N_POEMS, randomness)
    plays = zoo.tokenizer("shakespeare-characters")
    scene = plays.decode(
        zoo.load("shakespeare-characters").generate(
            plays.encode("\n"),
            max_new_tokens=60 * N_LINES,
            config=ar.SamplingConfig(temperature=0.8),
            rng=randomness,
        )
    )
    scene_lines = scene.strip("\n").split("\n")[:N_LINES]
    lines = [
        (24 + 180 * (number % 2), 36 + 24 * (row + 5 * (number // 2)), "zh-Hant", line)
        for number, poem in enumerate(poems)
        for row, line in enumerate(poem.lines)
    ]
    lines += [(400, 36 + 24 * row, "en", line) for row, line in enumerate(scene_lines)]
    text = "\n".join(
        f'<text x="{x}" y="{y}" lang="{language}">{escape(line)}</text>'
        for x, y, language, line in lines
    )
    height = max(y for _, y, _, _ in lines) + 16
    svg = f"""<svg xmlns="http://www.w3.org/2000/svg" width="894" height="{height}" role="img">
<title>Quatrains in the manner of the Tang poets, and lines in the manner of Shakespeare</title>
<style>
text {{ font: 17px Georgia, "Songti TC", "Noto Serif CJK TC", "PMingLiU", serif; fill: #24292f; }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #d1d7e0; }} }}
</style>
{text}
</svg>
"""
    save_text(svg, FOLDER / "texts.svg")
    paragraphs = [("zh-Hant", poem.lines) for poem in poems] + [("en", scene_lines)]
    html = "\n".join(
        f'<p lang="{language}">{"<br>".join(map(escape, verses))}</p>'
        for language, verses in paragraphs
    )
    save_text(f'<div class="texts">\n{html}\n</div>\n', FOLDER / "texts.html")


def save_text(text: str, path: Path) -> None:
    """Write a text file."""
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    report(path)


def main() -> int:
    """Draw all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    draw_gan()
    draw_icon()
    draw_pixels()
    write_texts()
    return 0


if __name__ == "__main__":
    sys.exit(main())

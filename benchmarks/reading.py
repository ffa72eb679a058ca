"""How long a reader waits for a page, and for how much: every page of a built book, in Chromium.

Use: python benchmarks/reading.py NAME [--book FOLDER] [PAGE ...], where NAME is the part of the
record, such as `before` or `now`, and FOLDER holds a book that `make book` built. The results,
results/reading.md and .json, set all parts of the record side by side.
"""

import argparse
import dataclasses
import datetime
import json
import re
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recording import Results, recorded

from aigc_tutorial import zoo
from aigc_tutorial.files import replace_file

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import chromium  # noqa: E402
import page_load  # noqa: E402

RECORD = Path(__file__).with_name("results") / "reading.json"
KINDS = ("Document", "Stylesheet", "Script", "Font", "Image")


def measured(book: Path, names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each page's name and measurements: opened at its top, then at its last section."""
    executable = chromium.find_chromium()
    if executable is None:
        sys.exit(chromium.HOW_TO_GET)
    with chromium.open_browser(executable) as browser, chromium.serve(book) as http:
        for name in names:
            top = page_load.load(browser, f"{http}/{name}", page_load.SLOW_PHONE)
            address = f"{http}/{name}#{page_load.last_anchor(book / name)}"
            anchor = page_load.load(browser, address, page_load.SLOW_PHONE)
            assert top.paint_ms is not None, f"{name} shows nothing"
            yield (
                name,
                {
                    "kilobytes": top.kilobytes,
                    "total": round(top.total),
                    "requests": top.n_requests,
                    "paint_ms": round(top.paint_ms),
                    "shift": round(top.shift, 3),
                    "shift_at_anchor": round(anchor.shift, 3),
                },
            )


def row(name: str, part: str, page: dict[str, Any]) -> str:
    """One line of the table."""
    weights = [f"{page['kilobytes'].get(kind, 0):,.0f}" for kind in KINDS]
    cells = [
        name.removeprefix("book/").removesuffix(".html"),
        part,
        f"**{page['total']:,}**",
        *weights,
        str(page["requests"]),
        f"{page['paint_ms'] / 1000:.1f}",
        f"{page['shift']:.2f}",
        f"{page['shift_at_anchor']:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def as_tables(results: Results) -> str:
    """Markdown of all parts: a summary, then each page with one line a part."""
    head = [
        "# How long a reader waits for a page",
        "",
        "Kilobytes as they come over the line (text gzipped), before the reader touches anything. "
        "First paint in seconds on a phone with 9 Mbit/s, 60 ms there and back, and a processor "
        "slowed four times; compare times only with those beside them. Shift is the sum of all "
        "layout shifts (1 is the whole screen once), of the page opened at its top and at its last "
        "section.",
        "",
    ]
    for part, result in results.items():
        chapters = [p for name, p in result["pages"].items() if re.match(r"book/0", name)]
        machine = result["machine"]
        weights = [p["total"] for p in chapters]
        head.append(
            f"- {part}: the {len(chapters)} chapters weigh {min(weights):,} to "
            f"{max(weights):,} kB; the median of their first paint is "
            f"{statistics.median(p['paint_ms'] for p in chapters) / 1000:.1f} s. "
            f"`{result['command']}`; {machine['processor']}, {machine['n_cores']} cores, "
            f"Chromium {result['chromium']}; {result['date']}."
        )
    kinds = " | ".join(["page text", "styles", "scripts", "fonts", "pictures"])
    table = [
        "",
        f"| page | part | kB | {kinds} | requests | first paint, s | shift | at an anchor |",
        "|---|---|---:|" + "---:|" * 9,
    ]
    names = dict.fromkeys(name for result in results.values() for name in result["pages"])
    for name in names:
        for part, result in results.items():
            if name in result["pages"]:
                table.append(row(name, part, result["pages"][name]))
    return "\n".join([*head, *table]) + "\n"


def main() -> None:
    """Measure a book and put it into the record; each page as it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", help="name of this measurement in the record")
    parser.add_argument("--book", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("pages", nargs="*", help="such as book/04_1_models.html; default: all")
    options = parser.parse_intermixed_args()
    pages = sorted(
        p.relative_to(options.book).as_posix() for p in options.book.glob("book/**/*.html")
    )
    executable = chromium.find_chromium()
    if executable is None:
        sys.exit(chromium.HOW_TO_GET)
    with chromium.open_browser(executable) as browser:
        version = browser.version
    for name, page in measured(options.book, options.pages or pages):
        results = recorded(RECORD)
        before = results.get(options.part, {"pages": {}})
        results[options.part] = {
            "command": f"python benchmarks/reading.py {options.part}",
            "machine": dataclasses.asdict(zoo.Machine.here()),
            "chromium": version,
            "date": datetime.date.today().isoformat(),
            "pages": before["pages"] | {name: page},
        }
        with replace_file(RECORD) as temporary:
            temporary.write_text(json.dumps(results, indent=2) + "\n")
        with replace_file(RECORD.with_suffix(".md")) as temporary:
            temporary.write_text(as_tables(results))
        print(name, page, flush=True)


if __name__ == "__main__":
    main()

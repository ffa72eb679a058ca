"""Draw the book's diagrams with Mermaid in Chromium to ``book/_diagrams``, for ``make diagrams``.

The book shows these drawings, so that a page loads no Mermaid and waits for none. A drawing is
named by a hash of its diagram (see ``aigc_book.mermaid``): a diagram that was changed has none, and
the book's build says so. Each is drawn twice, for a wide page and for a phone, where it goes down
and not to the right if that is narrower, and its words are broken into as many lines as it needs to
fit. A diagram that is too wide for that says in a comment what a phone shows, one part below the
other: ``%% phone: data model | data game``, the keys of the nodes in each. Colours are left to the
book's style sheet. A drawing that no diagram needs any more is removed.
"""

import json
import re
import sys
import textwrap
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from chromium import HOW_TO_GET, ROOT, find_chromium, open_browser

sys.path.insert(0, str(ROOT / "book" / "_ext"))
from aigc_book import package_map
from aigc_book.javascript import MERMAID, ensured
from aigc_book.mermaid import FOLDER, drawing_of, read_fence

from aigc_tutorial.files import replace_file
from aigc_tutorial.pages import concepts

if TYPE_CHECKING:
    from playwright.sync_api import Page

Drawing = dict[str, Any]
# In pixels, as are all lengths here. Verdana is as wide as DejaVu Sans, in which it is drawn here;
# where a reader has neither, the letters are narrower and the boxes roomy.
TEXT = 14
WIDE = {"nodeSpacing": 32, "rankSpacing": 40, "wrappingWidth": 200, "padding": 12}
# Tried in this order until a drawing fits; with them, the most letters in a line of a text. Of
# words that are longer than `wrappingWidth` Mermaid makes two.
NARROW = [
    ({"nodeSpacing": 14, "rankSpacing": 32, "wrappingWidth": 116, "padding": 8}, 99),
    ({"nodeSpacing": 14, "rankSpacing": 32, "wrappingWidth": 116, "padding": 8}, 12),
    ({"nodeSpacing": 14, "rankSpacing": 20, "wrappingWidth": 116, "padding": 7}, 10),
]
# What a phone of 360 pixels leaves to a drawing is 317, in which text of 14 is then 10 high.
FITS = 317 * TEXT / 10
BETWEEN_PARTS = 28
PARTS = re.compile(r"^\s*%% phone: (.*)$", re.MULTILINE)
QUOTED = re.compile(r'"([^"]*)"')
DIRECTION = re.compile(r"\b(flowchart|direction) (?:LR|TB|TD)\b")
# Mermaid lays the diagram out; what it drew is read from the page, in the coordinates of the whole.
DRAW = """async ([code, spacing, size]) => {
  const font = 'Verdana, "DejaVu Sans", sans-serif';
  mermaid.initialize({
    startOnLoad: false, securityLevel: "strict", theme: "base", htmlLabels: false, fontFamily: font,
    themeVariables: { fontFamily: font, fontSize: `${size}px` },
    flowchart: { htmlLabels: false, diagramPadding: 2, subGraphTitleMargin: { top: 4, bottom: 6 },
                 ...spacing },
  });
  const { svg } = await mermaid.render("drawing", code);
  document.body.innerHTML = svg;
  const root = document.querySelector("svg");
  const back = root.getScreenCTM().inverse();
  const place = (element, x, y) =>
    new DOMPoint(x, y).matrixTransform(back.multiply(element.getScreenCTM()));
  const box = (element) => {
    const { x, y, width, height } = element.getBBox();
    const corner = place(element, x, y);
    return { x: corner.x, y: corner.y, width, height };
  };
  const texts = (element) => [...element.querySelectorAll("tspan.text-outer-tspan")]
    .filter((row) => row.textContent.trim())
    .map((row) => {
      const first = row.getStartPositionOfChar(0);
      const last = row.getEndPositionOfChar(row.getNumberOfChars() - 1);
      const { x, y } = place(row, (first.x + last.x) / 2, first.y);
      return { x, y, text: row.textContent };
    });
  const all = (selector) => [...root.querySelectorAll(selector)];
  const { x, y, width, height } = root.viewBox.baseVal;
  return {
    view: [x, y, width, height],
    groups: all(".cluster").map((g) => ({ ...box(g.querySelector("rect")), texts: texts(g) })),
    edges: all(".edgePaths path").map((path) => {
      const corner = place(path, 0, 0);
      return {
        d: path.getAttribute("d"), dx: corner.x, dy: corner.y,
        dotted: path.classList.contains("edge-pattern-dotted"),
        seen: !path.classList.contains("edge-thickness-invisible"),
      };
    }),
    labels: all("g.edgeLabel").map((g) => ({
      ...box(g.querySelector("rect.background") ?? g), texts: texts(g) })),
    nodes: all("g.node").map((g) => {
      const shape = g.querySelector(".label-container");
      return { ...box(shape), texts: texts(g), diamond: shape.tagName === "polygon" };
    }),
  };
}"""


def diagrams() -> Iterator[str]:
    """Yield the source of every diagram: of pages, of the package's maps, and of the package."""
    for page in sorted((ROOT / "book").glob("*.ipynb")):
        for cell in json.loads(page.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                yield from read_fence("".join(cell["source"]))
    for page in sorted((ROOT / "book").rglob("*.md")):
        yield from read_fence(page.read_text(encoding="utf-8"))
    for thing in vars(concepts).values():
        if isinstance(thing, concepts.ConceptMap):
            yield thing.mermaid()
    yield package_map.mermaid()


def turned(code: str, direction: str) -> str:
    """Return the diagram with another direction, that of its frames included."""
    return DIRECTION.sub(rf"\1 {direction}", code)


def broken(code: str, n_letters: int) -> str:
    """Return the diagram with its texts in lines of so many letters, where words allow it.

    Titles of frames stay: Mermaid leaves one line of room for them.

    >>> broken('a["real data"] -- "moves" --> b', 5)
    'a["real<br/>data"] -- "moves" --> b'
    """

    def lines_of(text: re.Match[str]) -> str:
        lines = textwrap.wrap(text[1], n_letters, break_long_words=False, break_on_hyphens=False)
        return f'"{"<br/>".join(lines)}"'

    return "\n".join(
        line if line.lstrip().startswith("subgraph") else QUOTED.sub(lines_of, line)
        for line in code.splitlines()
    )


def parts(code: str) -> list[str]:
    r"""Return the diagrams that a phone shows in the place of one; frames are left out of parts.

    >>> parts('flowchart TB\n  a["x"]\n  b["y"]\n  a -- "z" --> b\n  %% phone: a | b')
    ['flowchart TB\n  a["x"]', 'flowchart TB\n  b["y"]']
    """
    found = PARTS.search(code)
    if found is None:
        return [code]
    first, *others = code.splitlines()
    lines = [line for line in others if not re.match(r"\s*(?:subgraph\b|end$|%%)", line)]
    shown = []
    for part in found[1].split("|"):
        keys = set(part.split())
        inside = [line for line in lines if set(re.findall(r"\w+", QUOTED.sub("", line))) <= keys]
        shown.append("\n".join([first, *inside]))
    return shown


def draw(page: "Page", code: str) -> Drawing:
    """Lay a diagram out for a wide page."""
    drawing: Drawing = page.evaluate(DRAW, [code, WIDE, TEXT])
    return drawing


def draw_narrow(page: "Page", code: str) -> Drawing:
    """Lay a diagram out for a phone, with as few changes as it needs to fit."""
    tried: list[Drawing] = []
    for spacing, n_letters in NARROW:
        for turn in (code, turned(code, "TB"), turned(code, "LR")):
            tried.append(page.evaluate(DRAW, [broken(turn, n_letters), spacing, TEXT]))
        best = min(tried, key=lambda drawing: drawing["view"][2])
        if best["view"][2] <= FITS:
            return best
    return best


def number(value: float) -> str:
    """Return a length with one decimal at most.

    >>> number(12.0), number(0.26)
    ('12', '0.3')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def shortened(path: str) -> str:
    """Return a path's commands with one decimal."""
    return re.sub(r"-?\d+\.\d+", lambda found: number(float(found[0])), path)


def rows(texts: list[dict[str, Any]]) -> str:
    """Return lines of text, each centred where it stands."""
    return "".join(
        f'<text x="{number(t["x"])}" y="{number(t["y"])}">{escape(t["text"].strip())}</text>'
        for t in texts
    )


def rectangle(box: dict[str, Any], more: str = "") -> str:
    """Return a box."""
    x, y, width, height = (number(box[name]) for name in ("x", "y", "width", "height"))
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}"{more}/>'


def diamond(box: dict[str, Any]) -> str:
    """Return a box that stands on its corner."""
    x, y, w, h = (box[name] for name in ("x", "y", "width", "height"))
    corners = [(x + w / 2, y), (x + w, y + h / 2), (x + w / 2, y + h), (x, y + h / 2)]
    points = " ".join(f"{number(a)},{number(b)}" for a, b in corners)
    return f'<polygon points="{points}"/>'


def content(drawing: Drawing, head: str) -> list[str]:
    """Return the drawing's elements; ``head`` is the name of its arrow heads."""
    lines = []
    for group in drawing["groups"]:
        lines.append(f'<g class="group">{rectangle(group)}{rows(group["texts"])}</g>')
    for edge in drawing["edges"]:
        if edge["seen"]:
            look = "edge dotted" if edge["dotted"] else "edge"
            moved = [number(edge[name]) for name in ("dx", "dy")]
            shift = "" if moved == ["0", "0"] else f' transform="translate({" ".join(moved)})"'
            lines.append(
                f'<path class="{look}" d="{shortened(edge["d"])}"{shift} '
                f'marker-end="url(#{head})"/>'
            )
    for label in drawing["labels"]:
        if label["texts"]:
            lines.append(f'<g class="label">{rectangle(label)}{rows(label["texts"])}</g>')
    for node in drawing["nodes"]:
        shape = diamond(node) if node["diamond"] else rectangle(node, ' rx="4"')
        lines.append(f'<g class="node">{shape}{rows(node["texts"])}</g>')
    return lines


def as_svg(drawings: list[Drawing], kind: str, name: str) -> str:
    """Return drawings, one below the other, as SVG without colours.

    Args:
        drawings: one, or the parts of one.
        kind: the class, ``wide`` or ``narrow``.
        name: sets its arrow heads apart in a page.
    """
    views = [drawing["view"] for drawing in drawings]
    left, top, _, _ = views[0]
    width = max(view[2] for view in views)
    height = sum(view[3] for view in views) + BETWEEN_PARTS * (len(views) - 1)
    view = " ".join(number(value) for value in (left, top, width, height))
    head = f"{name}-{kind}"
    lines = [
        f'<svg class="{kind}" viewBox="{view}" width="{round(width)}" height="{round(height)}" '
        f'style="--width: {round(width)}px" xmlns="http://www.w3.org/2000/svg" aria-hidden="true">',
        f'<marker id="{head}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z"/></marker>',
    ]
    below = 0.0
    for drawing, (x, y, own_width, own_height) in zip(drawings, views, strict=True):
        elements = content(drawing, head)
        if len(drawings) > 1:
            right, down = left - x + (width - own_width) / 2, top - y + below
            elements = [
                f'<g transform="translate({number(right)} {number(down)})">',
                *elements,
                "</g>",
            ]
        lines += elements
        below += own_height + BETWEEN_PARTS
    return "\n".join([*lines, "</svg>", ""])


def drawn(page: "Page", code: str) -> str:
    """Return both drawings of a diagram."""
    name = f"d{drawing_of(code).stem}"
    narrow = [draw_narrow(page, part) for part in parts(code)]
    return as_svg([draw(page, code)], "wide", name) + as_svg(narrow, "narrow", name)


def main() -> int:
    """Draw what has no drawing yet, and remove what no diagram needs."""
    executable = find_chromium()
    if executable is None:
        print(HOW_TO_GET, file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    wanted = {drawing_of(code): code for code in diagrams()}
    for path in set(FOLDER.glob("*.html")) - set(wanted):
        path.unlink()
        print(f"removed {path.relative_to(ROOT)}")
    lacking = {path: code for path, code in wanted.items() if not path.exists()}
    if lacking:
        with open_browser(executable) as browser:
            page = browser.new_page()
            page.add_script_tag(path=ensured(MERMAID) / "mermaid.min.js")
            for path, code in lacking.items():
                with replace_file(path) as temporary:
                    temporary.write_text(drawn(page, code), encoding="utf-8")
                print(f"drew {path.relative_to(ROOT)}: {path.stat().st_size / 1024:.1f} KiB")
    print(f"{len(wanted)} diagrams are drawn in {FOLDER.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

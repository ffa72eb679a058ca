"""Draw the book's diagrams with Mermaid in Chromium to ``book/_diagrams``, for ``make diagrams``.

The book shows these drawings, so that a page loads no Mermaid and waits for none. A drawing is
named by a hash of its diagram (see ``aigc_book.mermaid``): a diagram that was changed has none, and
the book's build says so. Each is drawn twice, for a wide page and for a phone, where it goes down
and not to the right if that is narrower. Colours are left to the book's style sheet. A drawing that
no diagram needs any more is removed.
"""

import json
import re
import sys
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from chromium import HOW_TO_GET, ROOT, find_chromium, open_browser

sys.path.insert(0, str(ROOT / "book" / "_ext"))
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
SPACING = {
    "wide": {"nodeSpacing": 32, "rankSpacing": 40, "wrappingWidth": 200, "padding": 12},
    "narrow": {"nodeSpacing": 14, "rankSpacing": 32, "wrappingWidth": 116, "padding": 8},
}
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
    """Yield the source of every diagram: of the pages, and of the maps in the package."""
    for page in sorted((ROOT / "book").glob("*.ipynb")):
        for cell in json.loads(page.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                yield from read_fence("".join(cell["source"]))
    for page in sorted((ROOT / "book").rglob("*.md")):
        yield from read_fence(page.read_text(encoding="utf-8"))
    for thing in vars(concepts).values():
        if isinstance(thing, concepts.ConceptMap):
            yield thing.mermaid()


def turned(code: str, direction: str) -> str:
    """Return the diagram with another direction, that of its frames included."""
    return DIRECTION.sub(rf"\1 {direction}", code)


def draw(page: "Page", code: str, kind: str) -> Drawing:
    """Lay a diagram out; for a phone, in the direction in which it is narrowest."""
    codes = [code] if kind == "wide" else [code, turned(code, "TB"), turned(code, "LR")]
    drawings: list[Drawing] = [page.evaluate(DRAW, [c, SPACING[kind], TEXT]) for c in codes]
    return min(drawings, key=lambda drawing: drawing["view"][2])


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


def as_svg(drawing: Drawing, kind: str, name: str) -> str:
    """Return the drawing as SVG without colours; ``name`` sets its arrow heads apart in a page."""
    view = " ".join(number(value) for value in drawing["view"])
    _, _, width, height = (round(value) for value in drawing["view"])
    lines = [
        f'<svg class="{kind}" viewBox="{view}" width="{width}" height="{height}" '
        f'style="--width: {width}px" xmlns="http://www.w3.org/2000/svg" aria-hidden="true">',
        f'<marker id="{name}-{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z"/></marker>',
    ]
    for group in drawing["groups"]:
        lines.append(f'<g class="group">{rectangle(group)}{rows(group["texts"])}</g>')
    for edge in drawing["edges"]:
        if edge["seen"]:
            look = "edge dotted" if edge["dotted"] else "edge"
            moved = [number(edge[name]) for name in ("dx", "dy")]
            shift = "" if moved == ["0", "0"] else f' transform="translate({" ".join(moved)})"'
            lines.append(
                f'<path class="{look}" d="{shortened(edge["d"])}"{shift} '
                f'marker-end="url(#{name}-{kind})"/>'
            )
    for label in drawing["labels"]:
        if label["texts"]:
            lines.append(f'<g class="label">{rectangle(label)}{rows(label["texts"])}</g>')
    for node in drawing["nodes"]:
        shape = diamond(node) if node["diamond"] else rectangle(node, ' rx="4"')
        lines.append(f'<g class="node">{shape}{rows(node["texts"])}</g>')
    return "\n".join([*lines, "</svg>", ""])


def drawn(page: "Page", code: str) -> str:
    """Return both drawings of a diagram."""
    name = drawing_of(code).stem
    return "".join(as_svg(draw(page, code, kind), kind, f"d{name}") for kind in SPACING)


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

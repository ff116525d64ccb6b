"""Draw the house from its imports: `python docs/draw_house.py` writes `docs/images/house.svg`.

Every part of the package is a box, the wider the more lines it has, on the floor that its imports allow. A line leads
from a part to each part below that it imports, the thicker the more of its files do; nearly all stand on the two lowest
floors, so lines to these are left out.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from laws import RANKS, Module, build_graph, read_package  # noqa: E402

WIDTH, FLOOR, BOX, MARGIN, GAP = 1180, 92, 46, 20, 14
GROUND = 1
"""Rank of the parts that nearly all others stand on."""
STYLE = """
  text { font: 15px system-ui, sans-serif; fill: #1b1b1f } .size { font-size: 11px; fill: #5a5a66 }
  rect { fill: #eef2fb; stroke: #4a63a8; rx: 6 } path { fill: none; stroke: #4a63a8; opacity: .28 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ececf1 } .size { fill: #a9a9b8 } rect { fill: #232a3d; stroke: #9db2ee } path { stroke: #9db2ee }
  }
"""


def measure(modules: list[Module]) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Lines of every part, and how many files of a part import each other part."""
    lines, arrows = Counter[str](), Counter[tuple[str, str]]()
    graph = build_graph(modules)
    for module in modules:
        if not module.part:
            continue
        lines[module.part] += len(module.text.splitlines())
        targets = {found.target.split(".")[1] for found in graph[module.name] if found.target.startswith("bfrb.")}
        arrows.update((module.part, part) for part in targets if part != module.part and RANKS.get(part, 0) > GROUND)
    return lines, arrows


def place(lines: Counter[str]) -> dict[str, tuple[float, float, float]]:
    """Left edge, top and width of every part's box: floors from the top, the highest rank first."""
    floors = sorted({RANKS[part] for part in lines}, reverse=True)
    boxes = {}
    for number, rank in enumerate(floors):
        parts = sorted(part for part in lines if RANKS[part] == rank)
        widths = [max(96.0, 26 + 3.4 * lines[part] ** 0.5) for part in parts]
        left = (WIDTH - sum(widths) - GAP * (len(parts) - 1)) / 2
        for part, width in zip(parts, widths, strict=True):
            boxes[part] = (left, MARGIN + number * FLOOR, width)
            left += width + GAP
    return boxes


def draw(lines: Counter[str], arrows: Counter[tuple[str, str]]) -> str:
    """The picture as SVG."""
    boxes = place(lines)
    height = max(top for _, top, _ in boxes.values()) + BOX + MARGIN
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="The parts of the package, and which imports which"><style>{STYLE}</style>'
    ]
    for (source, target), files in sorted(arrows.items()):
        (x, y, w), (to_x, to_y, to_w) = boxes[source], boxes[target]
        start, end, middle, foot = x + w / 2, to_x + to_w / 2, (y + BOX + to_y) / 2, y + BOX
        drawn.append(
            f'<path d="M{start:.0f} {foot} C{start:.0f} {middle:.0f} {end:.0f} {middle:.0f} {end:.0f} {to_y}" '
            f'stroke-width="{1 + files**0.5:.1f}"><title>{source} imports {target} in {files} files</title></path>'
        )
    for part, (x, y, w) in sorted(boxes.items()):
        drawn.append(
            f'<rect x="{x:.0f}" y="{y}" width="{w:.0f}" height="{BOX}"/>'
            f'<text x="{x + w / 2:.0f}" y="{y + 21}" text-anchor="middle">{part}</text>'
            f'<text class="size" x="{x + w / 2:.0f}" y="{y + 37}" text-anchor="middle">{lines[part]:,} lines</text>'
        )
    return "\n".join([*drawn, "</svg>\n"])


def main() -> None:
    """Write the picture."""
    out = ROOT / "docs" / "images" / "house.svg"
    out.write_text(draw(*measure(read_package(ROOT / "src" / "bfrb"))), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Draws docs/architecture.svg, the map of actjax's rooms, from the imports of its modules.

    python docs/draw_architecture.py          # after a room or an import between rooms has changed

A room is a folder below actjax/ or a module at its top. A room stands above all that it imports, so every
arrow runs downwards. The ground is the modules at the top that import only one another; the arrows to them
are left out, and so is an arrow that others imply. The script needs the standard library only. Equal sources
give an equal file, and tests/test_architecture.py holds that the committed file is what the sources give now.
"""

import ast
import pathlib
import sys
from collections.abc import Mapping
from html import escape

ROOT = pathlib.Path(__file__).parent.parent
# The way of the audio, step by step: these rooms are emphasised, and nothing else names a room here.
FLOW = {
    "sounds become clips": ("datasets", "data"),
    "what to look for, what listens": ("features", "models"),
    "each neuron's answer": ("activations",),
    "neurons against features": ("scoring", "similarity", "metrics"),
    "what chance would score": ("statistics",),
    "answers, tables, pictures": ("findings", "report"),
}
WIDTH, MARGIN = 1200, 24
BOX, ROW, GROUND = 34, 74, 66
FLOW_TOP, FLOW_HEIGHT, MAP_TOP = 48, 156, 278
INK, PALE, MAIN, MAIN_FILL = "#33383d", "#b4bbc2", "#b3401c", "#fdeee6"
FILL, GROUND_FILL = "#f2f4f6", "#e7ebee"
Edges = dict[str, set[str]]


def modules(package: pathlib.Path) -> dict[str, pathlib.Path]:
    """Dotted name -> file of every module of the package."""
    files = sorted(package.rglob("*.py"))
    dotted = [(package.name, *file.relative_to(package).with_suffix("").parts) for file in files]
    return {
        ".".join(parts).removesuffix(".__init__"): file for parts, file in zip(dotted, files, strict=True)
    }


def room_of(package: pathlib.Path, file: pathlib.Path) -> str:
    """The room of a module: its folder, or its own name at the top of the package."""
    relative = file.relative_to(package)
    return relative.parent.as_posix() if len(relative.parts) > 1 else relative.stem


def imported(file: pathlib.Path, known: Mapping[str, pathlib.Path]) -> set[pathlib.Path]:
    """The package's modules that a module imports, anywhere in it."""
    names = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [name if name in known else node.module for name in whole]
    return {known[name] for name in names if name in known}


def rooms_of(package: pathlib.Path) -> tuple[Edges, dict[str, int]]:
    """Room -> the other rooms that it imports, and room -> its number of modules."""
    known = modules(package)
    edges: Edges = {}
    sizes: dict[str, int] = {}
    for file in known.values():
        room = room_of(package, file)
        edges.setdefault(room, set())
        sizes[room] = sizes.get(room, 0) + (file.name != "__init__.py" or file.stat().st_size > 0)
        edges[room] |= {room_of(package, other) for other in imported(file, known)} - {room}
    # The package's own __init__ offers names of all rooms and is none itself.
    edges.pop("__init__", None)
    return {room: others - {"__init__"} for room, others in edges.items()}, sizes


def split(edges: Edges, package: pathlib.Path) -> tuple[list[str], Edges]:
    """(the ground, sorted; the other rooms and what they import beside it)."""
    ground: set[str] = set()
    while more := {
        room
        for room, others in edges.items()
        if room not in ground and others <= ground and (package / f"{room}.py").exists()
    }:
        ground |= more
    return sorted(ground), {room: others - ground for room, others in edges.items() if room not in ground}


def levels(edges: Edges) -> dict[str, int]:
    """Room -> its row, counted from the lowest.

    A room that nobody imports stands one row above the highest room that it imports, any other one row below
    the lowest room that imports it, so that arrows are short.

    Raises:
      ValueError: rooms import one another in a circle.
    """
    level = _lowest(edges)
    importers = {room: [other for other in edges if room in edges[other]] for room in edges}
    for room in sorted(edges, key=lambda room: -level[room]):
        # What imports a room stands in a higher row, hence has its place already.
        if importers[room]:
            level[room] = min(level[other] for other in importers[room]) - 1
    return level


def _lowest(edges: Edges) -> dict[str, int]:
    """Room -> the length of the longest chain of imports below it."""
    level: dict[str, int] = {}
    while len(level) < len(edges):
        ready = [room for room, others in edges.items() if room not in level and others <= level.keys()]
        if not ready:
            raise ValueError(f"a circle of imports among {', '.join(sorted(edges.keys() - level.keys()))}")
        level |= {room: 1 + max((level[other] for other in edges[room]), default=-1) for room in ready}
    return level


def reach(edges: Edges, level: Mapping[str, int]) -> Edges:
    """Room -> all that it imports, directly or through others."""
    below: Edges = {}
    for room in sorted(edges, key=lambda room: level[room]):
        below[room] = edges[room].union(*(below[other] for other in edges[room]))
    return below


def needed(edges: Edges, level: Mapping[str, int]) -> list[tuple[str, str]]:
    """The arrows that no chain of others implies."""
    below = reach(edges, level)
    return [
        (room, other)
        for room in sorted(edges)
        for other in sorted(edges[room])
        if not any(other in below[third] for third in edges[room])
    ]


def columns(level: Mapping[str, int], arrows: list[tuple[str, str]]) -> tuple[list[list[str]], Edges]:
    """The rooms of each row from left to right, and the chains of neighbours from row to row.

    An arrow over several rows gets a bend in each row that it passes, named "upper>lower>row".
    """
    rows: list[list[str]] = [[] for _ in range(max(level.values()) + 1)]
    for room in sorted(level):
        rows[level[room]].append(room)
    chains: Edges = {}
    for upper, lower in arrows:
        last = upper
        for row in range(level[upper] - 1, level[lower], -1):
            bend = f"{upper}>{lower}>{row}"
            rows[row].append(bend)
            chains.setdefault(last, set()).add(bend)
            last = bend
        chains.setdefault(last, set()).add(lower)
    return _fewer_crossings(rows, chains), chains


def _fewer_crossings(rows: list[list[str]], chains: Edges) -> list[list[str]]:
    """The rows, each sorted by the mean place of its neighbours, sweeping up and down; the best is kept."""
    best, fewest = rows, crossings(rows, chains)
    upwards: Edges = {}
    for one, others in chains.items():
        for other in others:
            upwards.setdefault(other, set()).add(one)
    for sweep in range(60):
        down = sweep % 2
        neighbours = upwards if down else chains
        order = range(len(rows) - 2, -1, -1) if down else range(1, len(rows))
        rows = [list(row) for row in rows]
        for row in order:
            beside = rows[row + 1] if down else rows[row - 1]
            place = {name: (i + 0.5) / len(beside) for i, name in enumerate(beside)}
            own = {name: (i + 0.5) / len(rows[row]) for i, name in enumerate(rows[row])}

            def mean(name: str, place=place, own=own, neighbours=neighbours) -> tuple[float, str]:
                near = [place[other] for other in sorted(neighbours.get(name, ())) if other in place]
                return (sum(near) / len(near) if near else own[name]), name

            rows[row].sort(key=mean)
        count = crossings(rows, chains)
        if count < fewest:
            best, fewest = rows, count
    return best


def crossings(rows: list[list[str]], chains: Edges) -> int:
    """How many pairs of lines between neighbouring rows cross."""
    total = 0
    for low, high in zip(rows, rows[1:], strict=False):
        place = {name: i for i, name in enumerate(low)}
        lines = [(i, place[o]) for i, name in enumerate(high) for o in chains.get(name, ()) if o in place]
        total += sum((a - c) * (b - d) < 0 for n, (a, b) in enumerate(lines) for c, d in lines[:n])
    return total


def spread(rows: list[list[str]], chains: Edges, widths: Mapping[str, float]) -> dict[str, float]:
    """The x of each room and bend: near its neighbours, in order, without overlap, within the picture."""
    near: Edges = {}
    for one, others in chains.items():
        for other in others:
            near.setdefault(one, set()).add(other)
            near.setdefault(other, set()).add(one)
    x: dict[str, float] = {}
    for row in rows:
        gap = (WIDTH - 2 * MARGIN - sum(widths[name] for name in row)) / len(row)
        at = float(MARGIN)
        for name in row:
            x[name] = at + (gap + widths[name]) / 2
            at += gap + widths[name]
    for _ in range(80):
        for row in rows:
            wished = [
                sum(x[other] for other in sorted(near[name])) / len(near[name]) if name in near else x[name]
                for name in row
            ]
            x |= dict(zip(row, _apart(row, wished, widths), strict=True))
    left = min(x[name] - widths[name] / 2 for name in x)
    right = max(x[name] + widths[name] / 2 for name in x)
    return {name: at + (WIDTH - left - right) / 2 for name, at in x.items()}


def _apart(row: list[str], wished: list[float], widths: Mapping[str, float]) -> list[float]:
    """Places near the wished ones, in the row's order, that do not overlap."""
    half = [widths[name] / 2 for name in row]
    gap = min(24.0, (WIDTH - 2 * MARGIN - 2 * sum(half)) / len(row))

    def rightwards(places: list[float]) -> list[float]:
        edge, moved = MARGIN - gap, []
        for at, side in zip(places, half, strict=True):
            moved.append(max(at, edge + gap + side))
            edge = moved[-1] + side
        return moved

    def leftwards(places: list[float]) -> list[float]:
        edge, moved = WIDTH - MARGIN + gap, []
        for at, side in zip(reversed(places), reversed(half), strict=True):
            moved.append(min(at, edge - gap - side))
            edge = moved[-1] - side
        return moved[::-1]

    # Each way alone pushes a crowded row to one side; their mean keeps it where it wishes to be.
    both = zip(leftwards(rightwards(wished)), rightwards(leftwards(wished)), strict=True)
    return [(one + other) / 2 for one, other in both]


def box(x: float, y: float, width: float, name: str, size: int, *, main: bool, fill: str = FILL) -> str:
    """A room: its name, and how many modules it holds where there are several."""
    colour, fill = (MAIN, MAIN_FILL) if main else (INK, fill)
    count = f'<tspan class="count" dx="6">{size}</tspan>' if size > 1 else ""
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BOX}" rx="6" fill="{fill}" '
        f'stroke="{colour}" stroke-width="{1.8 if main else 1}"/>\n'
        f'<text x="{x:.1f}" y="{y + BOX / 2 + 5:.1f}" text-anchor="middle" fill="{colour}"'
        f"{' font-weight=' + chr(34) + '600' + chr(34) if main else ''}>{escape(name)}{count}</text>"
    )


def width_of(name: str) -> float:
    """The width of a room's box, from the length of its name; of a bend, none to speak of."""
    return 6.0 if ">" in name else 7.6 * len(name) + 40


def flow(sizes: Mapping[str, int]) -> list[str]:
    """The strip at the top: the emphasised rooms that exist, step by step."""
    steps = [[room for room in step if room in sizes] for step in FLOW.values()]
    captions = [caption for caption, step in zip(FLOW, steps, strict=True) if step]
    steps = [step for step in steps if step]
    widths = [max(map(width_of, step)) for step in steps]
    gap = (WIDTH - 2 * MARGIN - sum(widths)) / max(len(steps) - 1, 1)
    lines, at, middle = [], float(MARGIN), FLOW_TOP + FLOW_HEIGHT / 2
    for number, (step, width) in enumerate(zip(steps, widths, strict=True)):
        top = middle - (len(step) * (BOX + 10) - 10) / 2
        for i, room in enumerate(step):
            lines.append(box(at + width / 2, top + i * (BOX + 10), width, room, 0, main=True))
        anchor, x = ("start", at) if not number else ("end", at + width)
        if 0 < number < len(steps) - 1:
            anchor, x = "middle", at + width / 2
        lines.append(
            f'<text class="note" x="{x:.1f}" y="{FLOW_TOP + FLOW_HEIGHT + 8}" text-anchor="{anchor}">'
            f"{escape(captions[number])}</text>"
        )
        if number + 1 < len(steps):
            lines.append(arrow(f"M{at + width + 4:.1f},{middle:.1f} h{gap - 12:.1f}", main=True))
        at += width + gap
    return lines


def arrow(path: str, *, main: bool) -> str:
    """A line with a head at its end."""
    kind = "main" if main else "pale"
    return f'<path class="{kind}" d="{path}" marker-end="url(#{kind})"/>'


def curve(points: list[tuple[float, float]]) -> str:
    """A smooth path that leaves and reaches each point vertically."""
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        bow = (y1 - y0) * 0.5
        path += f" C{x0:.1f},{y0 + bow:.1f} {x1:.1f},{y1 - bow:.1f} {x1:.1f},{y1:.1f}"
    return path


def draw(package: pathlib.Path) -> str:
    """The whole picture as SVG text."""
    edges, sizes = rooms_of(package)
    bottom_row, edges = split(edges, package)
    level = levels(edges)
    arrows = needed(edges, level)
    rows, chains = columns(level, arrows)
    x = spread(rows, chains, {name: width_of(name) for row in rows for name in row})
    main = {room for step in FLOW.values() for room in step}
    y = {name: MAP_TOP + (len(rows) - 1 - i) * ROW for i, row in enumerate(rows) for name in row}
    bottom = MAP_TOP + len(rows) * ROW
    lines, front = [], []
    for upper, lower in arrows:
        bends = [f"{upper}>{lower}>{row}" for row in range(level[upper] - 1, level[lower], -1)]
        middle = [point for bend in bends for point in ((x[bend], y[bend]), (x[bend], y[bend] + BOX))]
        both = {upper, lower} <= main
        points = [(x[upper], y[upper] + BOX), *middle, (x[lower], y[lower] - 7)]
        (front if both else lines).append(arrow(curve(points), main=both))
    lines += front
    for row in rows:
        for room in (name for name in row if ">" not in name):
            lines.append(box(x[room], y[room], width_of(room), room, sizes[room], main=room in main))
    lines += ground(bottom_row, sizes, bottom)
    return page(lines + flow(sizes), bottom + GROUND + MARGIN)


def ground(rooms: list[str], sizes: Mapping[str, int], top: float) -> list[str]:
    """The modules that import only one another, as one bar."""
    gap = (WIDTH - 4 * MARGIN - sum(map(width_of, rooms))) / max(len(rooms), 1)
    lines = [
        f'<rect x="{MARGIN}" y="{top}" width="{WIDTH - 2 * MARGIN}" height="{GROUND}" rx="8" '
        f'fill="{GROUND_FILL}"/>',
        f'<text class="note" x="{MARGIN + 12}" y="{top + 18}">'
        "the ground: modules that import only one another (the arrows to them are not drawn)</text>",
    ]
    at = 2.0 * MARGIN
    for room in rooms:
        width = width_of(room)
        lines.append(
            box(at + (gap + width) / 2, top + 25, width, room, sizes[room], main=False, fill="#ffffff")
        )
        at += gap + width
    return lines


def page(lines: list[str], height: float) -> str:
    """The SVG file around the drawn parts."""
    heads = "".join(
        f'<marker id="{kind}" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="{size}" '
        f'markerHeight="{size}" orient="auto" markerUnits="userSpaceOnUse">'
        f'<path d="M0,0 L8,4 L0,8 z" fill="{colour}"/></marker>'
        for kind, size, colour in (("main", 9, MAIN), ("pale", 7, PALE))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
            f'height="{height:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="14">',
            f"<style>.main{{stroke:{MAIN};stroke-width:2;fill:none}} "
            f".pale{{stroke:{PALE};stroke-width:1.2;fill:none}} "
            f".head{{font-size:17px;font-weight:600;fill:{INK}}} .note{{font-size:12px;fill:#6a7178}} "
            ".count{font-size:11px;font-weight:400;fill:#8a9199}</style>",
            f"<defs>{heads}</defs>",
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
            f'<text class="head" x="{MARGIN}" y="34">The way of the audio</text>',
            f'<text class="head" x="{MARGIN}" y="{MAP_TOP - 28}">The rooms</text>',
            f'<text class="note" x="{MARGIN + 92}" y="{MAP_TOP - 28}">an arrow runs to the imported room; '
            "what other arrows imply is left out; figures count modules</text>",
            *lines,
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    source = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "actjax"
    target = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs" / "architecture.svg"
    target.write_text(draw(source), encoding="utf-8")

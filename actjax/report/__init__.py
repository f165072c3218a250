"""Tables, plots and pages, made from a workdir by `build`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actjax import files

if TYPE_CHECKING:
    from actjax.report.page import Picture
    from actjax.report.summary import Summary
    from actjax.report.workdir_files import Material

_MOST_OTHER_MAPS = 6


def build(workdir: str | os.PathLike, *, examples: Sequence[Any] | None = None) -> list[Path]:
    """Prints the tables and writes the whole report to `workdir`/report.

    Everything is read from the workdir, as `actjax.report.workdir_files` describes; only the scores must
    be there. Pictures of an earlier report that this one does not have are removed.

    Args:
      workdir: the run's folder.
      examples: what to show as pictures, `actjax.workdir.examples.Example`, instead of the workdir's.

    Returns:
      The files written: the page, the tables, the pictures.

    Raises:
      ScoresError, FileError: what is missing or malformed; one line that names the file.
    """
    from actjax.report import findings, forest, page, tables
    from actjax.report.summary import summarise
    from actjax.report.workdir_files import read_material
    from actjax.scores.files import load_scores, scores_metadata
    from actjax.workdir import findings_table

    table = load_scores(workdir)
    summary, material = summarise(table), read_material(Path(workdir), examples)
    folder = Path(workdir) / "report"
    folder.mkdir(parents=True, exist_ok=True)
    text = tables.console(summary, material)
    print(text)
    pictures = _draw(summary, material, folder)
    four_findings, calibration = findings_table.read(Path(workdir)), findings.calibration_table(Path(workdir))
    if four_findings:
        pictures.append(page.Picture("forest", forest.forest(four_findings, folder / "forest.png")))
    front = page.front(four_findings, calibration, pictures)
    markdown = "\n".join(t.markdown() for t in tables.all_tables(summary, material))
    written = [
        files.write_text(
            folder / "index.html", page.render(summary, material, pictures, scores_metadata(table), front)
        ),
        files.write_text(folder / "tables.txt", text),
        files.write_text(folder / "tables.md", markdown),
        *(picture.path for picture in pictures),
    ]
    for stale in set(folder.glob("*.png")) - set(written):
        stale.unlink()
    print("Written:\n" + "\n".join(f"  {path}" for path in written))
    return written


def build_findings(workdir: str | os.PathLike) -> list[Path]:
    """Prints findings and writes their report, of a workdir without scores such as a sweep's."""
    from actjax.report import findings, forest, page
    from actjax.workdir import findings_table

    folder, four_findings = Path(workdir) / "report", findings_table.need(Path(workdir))
    folder.mkdir(parents=True, exist_ok=True)
    text = findings.console(four_findings)
    print(text)
    picture = page.Picture("forest", forest.forest(four_findings, folder / "forest.png"))
    return [
        files.write_text(folder / "index.html", page.findings_page(four_findings, [picture])),
        files.write_text(folder / "tables.txt", text),
        picture.path,
    ]


def _draw(summary: "Summary", material: "Material", folder: Path) -> list["Picture"]:
    """Draws every picture: all kinds for each view's leading scores, a heat map for some others."""
    from tqdm import tqdm

    from actjax.report import depth, pictures, plots
    from actjax.report.page import Picture

    leading = summary.leading()
    others = [s for s in range(len(summary.sets)) if s not in leading][:_MOST_OTHER_MAPS]
    jobs = []
    for s in leading + others:
        slug = summary.sets[s].slug
        jobs.append((Picture("heat", folder / f"heat_{slug}.png", s), plots.heat_map, (summary, s)))
        if s in leading:
            jobs.append((Picture("depth", folder / f"depth_{slug}.png", s), depth.depth_plot, (summary, s)))
    if material.examples:
        drawn = (material.examples, summary.networks)
        jobs.append((Picture("maps", folder / "maps.png"), pictures.map_pairs, drawn))
    if material.curve:
        jobs.append((Picture("training", folder / "training.png"), pictures.training_curve, (material,)))
    if material.evaluation is not None:
        jobs.append(
            (Picture("confusion", folder / "confusion.png"), pictures.confusion, (material.evaluation,))
        )
    for picture, draw, arguments in tqdm(jobs, desc="report", unit="picture", disable=None):
        draw(*arguments, picture.path)
    return [picture for picture, _, _ in jobs]

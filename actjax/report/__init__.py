"""Tables, plots and pages, made from a workdir by `build`."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actjax import files, pool

if TYPE_CHECKING:
    from actjax.pages.markup import Markup
    from actjax.report.page import Picture
    from actjax.report.summary import Summary
    from actjax.report.workdir_files import Material
    from actjax.workdir.findings_table import FindingsTable

_MOST_OTHER_MAPS = 6
# So many pictures or more are drawn by other processes, one for two cores: each takes two seconds to import
# what draws. Two processes on two cores took 11.7 and 12.7 s for a report that takes 12.2 and 12.7 in one.
_MANY_PICTURES, _MOST_WORKERS = 12, 4


def build(
    workdir: str | os.PathLike, *, examples: Sequence[Any] | None = None, command: str = ""
) -> list[Path]:
    """Prints the tables and writes the whole report to `workdir`/report.

    Everything is read from the workdir, as `actjax.report.workdir_files` describes; only the scores must
    be there. Pictures of an earlier report that this one does not have are removed.

    Args:
      workdir: the run's folder.
      examples: what to show as pictures, `actjax.workdir.examples.Example`, instead of the workdir's.
      command: what the reader types to make the run again.

    Returns:
      The files written: the page, the tables, the pictures.

    Raises:
      ScoresError, FileError: what is missing or malformed; one line that names the file.
    """
    from actjax.pages.markup import join
    from actjax.report import emergence, page, tables
    from actjax.report.neurons import best_of_neurons
    from actjax.report.summary import summarise
    from actjax.report.workdir_files import read_material
    from actjax.scores.files import load_scores, scores_metadata
    from actjax.scores.schema import without_checkpoints

    every = load_scores(workdir, checkpoints=True)
    table = without_checkpoints(every)
    summary, material = summarise(table), read_material(Path(workdir), examples, command)
    best = best_of_neurons(table, summary)
    folder = Path(workdir) / "report"
    folder.mkdir(parents=True, exist_ok=True)
    text = tables.console(summary, material, best)
    print(text)
    pictures = _draw(summary, material, folder)
    emerged = emergence.write(every, material, folder) if len(every) > len(table) else []
    front = join(_front(Path(workdir), folder, pictures), emergence.part_of_page(emerged))
    shown = [*tables.all_tables(summary, material, best), *(emergence.table_of(one) for one, _ in emerged)]
    markdown = "\n".join(t.markdown() for t in shown)
    written = [
        files.write_text(
            folder / "index.html",
            page.render(summary, material, pictures, scores_metadata(table), best, front),
        ),
        files.write_text(folder / "tables.txt", text),
        files.write_text(folder / "tables.md", markdown),
        *(picture.path for picture in pictures),
        *(path for _, path in emerged),
    ]
    for stale in set(folder.glob("*.png")) - set(written):
        stale.unlink()
    print("Written:\n" + "\n".join(f"  {path}" for path in written))
    return written


def _front(workdir: Path, folder: Path, pictures: list["Picture"]) -> "Markup":
    """The sections of hypotheses and findings, as far as the workdir holds them; adds their pictures."""
    from actjax.pages.markup import join
    from actjax.report import findings, hypotheses, page
    from actjax.workdir import findings_table, hypotheses_table

    four_findings, calibration = findings_table.read(workdir), findings.calibration_table(workdir)
    if four_findings:
        pictures.append(_forest(four_findings, folder))
    promised = hypotheses_table.read(workdir)
    if promised:
        drawn = hypotheses.draw(promised, folder / "hypotheses.png")
        pictures.append(page.Picture("hypotheses", drawn, seen=hypotheses.seen(promised)))
    return join(
        hypotheses.part_of_page(promised, folder / "hypotheses.png"),
        page.front(four_findings, calibration, pictures),
    )


def made_from(workdir: Path, command: str) -> str:
    """A hash of all that `build` makes the report of: files that it reads, what stages took, and the code.

    Whether there is an atlas to be linked is of it, what is in the atlas not.
    """
    from actjax import code_version
    from actjax.report import workdir_files
    from actjax.workdir import made_pages

    read = made_pages.contents(workdir_files.paths_read(workdir)), workdir_files.costs_of_stages(workdir)
    atlas = (workdir / "report" / workdir_files.ATLAS).exists()
    return files.digest([read, atlas, command, code_version.of_rooms("pages", "report")])


def build_sweep(workdir: str | os.PathLike) -> list[Path]:
    """Prints what the networks of a sweep's folder come to together, findings and tests, and writes the page.

    Returns:
      The files written; none where the folder holds neither.
    """
    from actjax.report import findings, over_networks, page
    from actjax.workdir import findings_table, sweep_scores

    folder, four_findings = Path(workdir) / "report", findings_table.read(Path(workdir))
    tests = sweep_scores.read(Path(workdir))
    if four_findings is None and tests is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    texts = [findings.console(four_findings)] if four_findings else []
    texts += [one.text() for one in over_networks.tables(tests)] if tests is not None else []
    text = "\n".join(texts)
    print(text)
    pictures = [_forest(four_findings, folder)] if four_findings else []
    shown = page.sweep_page(four_findings, pictures, over_networks.part_of_page(tests))
    return [
        files.write_text(folder / "index.html", shown),
        files.write_text(folder / "tables.txt", text),
        *(picture.path for picture in pictures),
    ]


def _draw(summary: "Summary", material: "Material", folder: Path) -> list["Picture"]:
    """Draws every picture: all kinds for each view's leading scores, a heat map for some others."""
    from tqdm import tqdm

    from actjax.report import alt_texts, depth, pictures, plots
    from actjax.report.page import Picture

    leading = summary.leading()
    others = [s for s in range(len(summary.sets)) if s not in leading][:_MOST_OTHER_MAPS]
    jobs = []
    for s in leading + others:
        slug, of_set = summary.sets[s].slug, (summary, s)
        heat = Picture("heat", folder / f"heat_{slug}.png", s, alt_texts.heat(*of_set))
        jobs.append((heat, plots.heat_map, of_set))
        if s in leading:
            curves = Picture("depth", folder / f"depth_{slug}.png", s, alt_texts.depth(*of_set))
            jobs.append((curves, depth.depth_plot, of_set))
    if material.examples:
        drawn = (material.examples, summary.networks)
        seen = alt_texts.maps(material.examples)
        jobs.append((Picture("maps", folder / "maps.png", seen=seen), pictures.map_pairs, drawn))
    if material.curve:
        seen = alt_texts.training(material.curve)
        picture = Picture("training", folder / "training.png", seen=seen)
        jobs.append((picture, pictures.training_curve, (material.curve,)))
    if material.evaluation is not None:
        seen = alt_texts.confusion(material.evaluation)
        picture = Picture("confusion", folder / "confusion.png", seen=seen)
        jobs.append((picture, pictures.confusion, (material.evaluation,)))
    calls = [(draw, *arguments, picture.path) for picture, draw, arguments in jobs]
    cores = pool.available_cores() if len(jobs) >= _MANY_PICTURES else 1
    workers = min(max(cores // 2, 1), _MOST_WORKERS)
    for _ in tqdm(pool.run(_call, calls, workers), "report", len(calls), unit="picture", disable=None):
        pass
    return [picture for picture, _, _ in jobs]


def _call(draw: Callable[..., Path], *arguments: Any) -> Path:
    return draw(*arguments)


def _forest(table: "FindingsTable", folder: Path) -> "Picture":
    """Draws the forest plot of the findings."""
    from actjax.report import alt_texts, forest
    from actjax.report.page import Picture

    return Picture("forest", forest.forest(table, folder / "forest.png"), seen=alt_texts.forest(table))

"""Scores the network of a workdir on another sound font: the same notes, other recordings of them."""

import os
import shutil
from pathlib import Path

from actjax import experiment, lookup
from actjax.data.gm import sound_fonts
from actjax.defaults import Config, default_config
from actjax.pages.rows import csv_text, markdown
from actjax.replication import agreement
from actjax.scores.files import load_scores
from actjax.workdir import benchmark_table, checkpoint_files, findings_table, recorded_config, train_record

STAGES = ("data", "score", "findings")
NAME = "replication"


def replicate(workdir: Path, sound_font: Path, data_dir: str | None = None) -> list[Path]:
    """Scores a trained network on a second sound font and writes how far both agree.

    The clips of the second set lie in `replication/<hash of the font>` of the workdir, with a copy of the
    network. Nothing is trained, and what was done before is not done again.

    Args:
      workdir: a finished run on gm_instruments.
      sound_font: an SF2 file.
      data_dir: where prepared data sets live.

    Returns:
      benchmark/replication.csv and .md, scores and findings in one table each.

    Raises:
      FileNotFoundError: nothing was trained there, or it has no findings; no such font.
      ValueError: the run is on another data set; FileError: the font lacks a program.
    """
    config = default_config()
    config.update_from_flattened_dict(recorded_config.latest(workdir))
    sound_fonts.check(str(sound_font))
    if not train_record.path_of(workdir).exists():
        raise FileNotFoundError(f"{workdir} holds no trained network: run --stage=all there first")
    second = workdir / NAME / sound_fonts.fingerprint(str(sound_font))
    _with_font(config, sound_font)
    _copy_network(workdir, second)
    for stage in STAGES:
        experiment.run(config=config, workdir=str(second), stage=stage, data_dir=data_dir)
    rows = [
        {"table": "scores", **row} for row in agreement.score_rows(load_scores(workdir), load_scores(second))
    ]
    first, repeated = findings_table.read(workdir), findings_table.read(second)
    claims = list(agreement.finding_rows(first, repeated)) if first and repeated else []
    text = "\n\n".join(
        markdown([{k: v for k, v in row.items() if k != "table"} for row in table])
        for table in (rows, claims)
        if table
    )
    print(text)
    every = [*rows, *({"table": "findings", **row} for row in claims)]
    return benchmark_table.write(workdir, NAME, csv_text=csv_text(every), markdown=text)


def _with_font(config: Config, sound_font: Path) -> None:
    """Puts the sound font among the data set's options."""
    [(name, options)] = lookup.parse_specs(config.data.name)
    if name != "gm_instruments":
        raise ValueError(f"a second sound font is for runs on gm_instruments; this one is on {name}")
    options = {**options, "sound_font": str(sound_font.expanduser().absolute())}
    config.data.name = f"{name}({', '.join(f'{key}={value!r}' for key, value in options.items())})"


def _copy_network(workdir: Path, second: Path) -> None:
    """Puts the network's weights and the record of its training into the second workdir."""
    folder = checkpoint_files.path_of(second)
    if not folder.exists():
        aside = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(checkpoint_files.path_of(workdir), aside)
        os.replace(aside, folder)
    shutil.copy2(train_record.path_of(workdir), train_record.path_of(second))

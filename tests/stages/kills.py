"""Kills a run of all stages at random moments and starts it again, until it ends; compares with one unkilled.

    python tests/stages/kills.py FOLDER --kills 30 [--seed 0] [--settings tones] [--sweep population]

With --sweep two seeds are swept: embedded, as a population, or by ray, which must be installed.

prints a line for each kill, and at the end whether all that the runs made is that of the unkilled one.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import small_runs  # noqa: E402
from launching import ROOT  # noqa: E402

TONES = (
    *small_runs.OPTIONS,
    "--config.train.steps=200",
    "--config.train.eval_every=10",
    "--config.train.patience=0",
    "--config.train.keep=log",
    "--config.score.checkpoints=all",
    "--config.score.split=train",
    "--config.score.batch_size=4",
    "--config.score.metrics=pearson,cosine",
    "--config.score.null=unrestricted",
    "--config.score.replicates=50",
)
SWEEPS = {
    "embedded": (),
    "population": ("--config.train.population=2",),
    "ray": ("--config.sweep.engine=ray", "--config.sweep.cpus=1.0"),
}
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
SETTINGS = {"tones": TONES, "quickstart": ()}
QUICKSTART = ROOT / "configs" / "quickstart.py"
# What may differ between two runs: times, and hashes of what holds times or the workdir's name.
TIMES = {"seconds", "stages", "findings", "pages"}


def command(folder: Path, workdir: str, settings: str, sweep: str) -> list[str]:
    config = folder / "seeds.py" if sweep else QUICKSTART
    return [
        sys.executable, str(ROOT / "launch.py"), f"--config={config}", f"--workdir={folder / workdir}",
        f"--data_dir={folder / f'data_{workdir}'}", f"--stage={'sweep' if sweep else 'all'}",
        *SETTINGS[settings], *SWEEPS.get(sweep, ()),
    ]  # fmt: skip


def start(folder: Path, workdir: str, settings: str, sweep: str, log: Path) -> subprocess.Popen:
    paths = os.pathsep.join((str(ROOT), str(folder)))
    with open(log, "ab") as out:
        return subprocess.Popen(
            command(folder, workdir, settings, sweep),
            cwd=folder, env=os.environ | QUIET | {"PYTHONPATH": paths}, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip


def campaign(folder: Path, kills: int, seed: int, settings: str = "tones", sweep: str = "") -> list[dict]:
    """A dict a kill: when it came, what was going on; raises AssertionError where the results differ."""
    folder.mkdir(parents=True, exist_ok=True)
    small_runs.write_sounds(folder)
    small_runs.write_module(folder)
    (folder / "seeds.py").write_text(
        f"import runpy\nget_config = runpy.run_path({str(QUICKSTART)!r})['get_config']\n"
        "def get_sweep():\n    return {f'seed{i}': {'seed': i} for i in range(2)}\n"
    )
    began = time.monotonic()
    assert start(folder, "straight", settings, sweep, folder / "straight.log").wait() == 0
    whole, rng, rows, ended = time.monotonic() - began, random.Random(seed), [], 0
    while len(rows) < kills:
        log = folder / f"killed{len(rows):02d}.log"
        process, began = start(folder, "killed", settings, sweep, log), time.monotonic()
        try:
            status = process.wait(timeout=rng.uniform(0.1, 0.6) * whole)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            rows.append({"after_s": round(time.monotonic() - began, 1), "doing": doing(log)})
            print(len(rows), rows[-1], flush=True)
            continue
        assert status == 0, log.read_text()[-2000:]
        compare(folder / "straight", folder / "killed")
        # It has come to its end: on with a fresh workdir and fresh data.
        ended += 1
        for name in ("killed", "data_killed"):
            (folder / name).rename(folder / f"{name}_{ended:02d}")
    last = folder / "last.log"
    assert start(folder, "killed", settings, sweep, last).wait() == 0, last.read_text()[-2000:]
    compare(folder / "straight", folder / "killed")
    return rows


def doing(log: Path) -> str:
    """What the last words of a log are about: the bar, or the line of a stage."""
    words = [
        line for line in log.read_text(errors="replace").replace("\r", "\n").splitlines() if line.strip()
    ]
    return words[-1][:70] if words else "starting"


def compare(straight: Path, killed: Path) -> None:
    """Asserts that both hold the same results and that nothing stray lies about."""
    names, found = listed(straight), listed(killed)
    assert found == names, sorted(map(str, found ^ names))
    for name in sorted(names):
        if name.name in ("train.json", "findings.json", "manifest.json"):
            assert without_times(killed / name) == without_times(straight / name), name
        elif name.suffix == ".parquet":
            assert table(killed / name) == table(straight / name), name
        elif name.name in ("metrics.jsonl", "evaluation.json", "skipped.json", "data.json"):
            assert (killed / name).read_text() == (straight / name).read_text(), name
    data = killed.parent / f"data_{killed.name}"
    stray = [path for path in data.rglob("*") if path.name.startswith((".", "incomplete."))]
    assert not stray, stray


def listed(folder: Path) -> set[Path]:
    """The files of a workdir by their names in it; Orbax, TensorBoard and Ray give random ones."""
    names = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if not {"d", "events", "ray"} & set(name.parts)}


def without_times(path: Path) -> dict:
    return {k: v for k, v in json.loads(path.read_text()).items() if k not in TIMES}


def table(path: Path) -> list[str]:
    import pyarrow.parquet as pq

    rows = pq.read_table(path).to_pylist()
    return [str([value for key, value in row.items() if key not in TIMES]) for row in rows]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--settings", choices=SETTINGS, default="tones")
    parser.add_argument("--sweep", choices=SWEEPS, default="")
    asked = parser.parse_args()
    campaign(asked.folder, asked.kills, asked.seed, asked.settings, asked.sweep)
    print("equal")

"""The commands of README.md and of the configs' heads, read from there, and their tiny settings."""

import re
import shlex

from launching import ROOT

TINY = (
    "--config.data.config=tiny",
    "--config.frontend.n_mels=64",
    "--config.train.steps=3",
    "--config.train.batch_size=16",
    "--config.train.warmup_steps=0",
    "--config.train.eval_every=2",
    "--config.score.batch_size=8",
    "--config.score.layers=conv1|conv4|dense1|bands",
    "--config.score.features=rms,onset_rate",
    "--config.score.null=unrestricted",
    "--config.score.replicates=20",
    "--config.findings.untrained=0",
    "--config.report.examples=1",
)
CLASSES = "--config.findings.untrained=0"
FOLDER = (
    "--config.data.clip_seconds=1.0",
    "--config.train.steps=3",
    "--config.train.batch_size=8",
    "--config.train.warmup_steps=0",
    "--config.score.batch_size=8",
    "--config.score.features=rms,log_mel",
    "--config.score.null=none",
    CLASSES,
)
NO_NETWORK = ("--config.score.networks=input", "--config.score.null=none", CLASSES)
PLANTS = (
    "metrics(metrics='pearson',clips=10,map_clips=4,plants=6,distorted=2,negatives=4,sanity_inputs=4000,"
    "sanity_seeds=40,dose_clips=1)"
)
# Command -> what makes it tiny; {port} is a free one. A command that is not listed here fails the tests.
OVERRIDES: dict[str, tuple[str, ...]] = {
    "python launch.py": TINY,
    "python launch.py --config=configs/seeds.py --stage=sweep": (*TINY, "--config.score.metrics=pearson"),
    "python launch.py --config=configs/shuffled_labels.py --stage=sweep": (
        *(option for option in TINY if option != CLASSES),
        "--config.score.metrics=pearson",
        "--config.findings.untrained=1",
        "--config.findings.rotations=1",
        "--config.findings.replicates=99",
        "--config.findings.bootstrap=200",
        "--config.findings.splits=1",
        "--config.score.split=train",  # which has two clips of each class, to permute
    ),
    "python launch.py --stage=sweep --workdir=runs/seeds": (*TINY, "--config.score.metrics=pearson"),
    "python launch.py --stage=benchmark --config.benchmark.kind=calibration": (
        *TINY,
        "--config.benchmark.kind=calibration(sets=4)",
    ),
    "python launch.py --config=configs/metric_benchmark.py --stage=benchmark --workdir=runs/quickstart": (
        *TINY,
        f"--config.benchmark.kind={PLANTS}",
    ),
    "python launch.py --config=configs/metric_benchmark.py --stage=benchmark": (
        f"--config.benchmark.kind={PLANTS}",
    ),
    "python launch.py --config=configs/speed_benchmark.py --stage=benchmark": (
        "--config.benchmark.kind=speed(neurons=24,rows=8,observations=90,repeats=1,metrics='pearson',max_pairs=0)",
    ),
    "python -m actjax.benchmark.speed --out speed": (
        *("neurons=24", "rows=8", "observations=90", "repeats=1", "metrics=pearson", "max_pairs=0"),
    ),
    "python -m actjax.benchmark.accelerator --out FOLDER": ("--tiny", "--sections=ceilings,tables"),
    "python launch.py --workdir=runs/mine --config.data.name=audio_folder(path='my_sounds')": FOLDER,
    "python launch.py --workdir=runs/net --config.model.name=my_package.my_module": tuple(
        "--config.score.layers=.*" if "score.layers" in option else option for option in TINY
    ),
    "python launch.py --workdir=runs/acts --config.data.name=audio_folder(path='my_sounds') "
    "--config.score.activations=activations.npz": FOLDER,
    "python launch.py --list=metrics": (),
    "python launch.py --config=configs/of_workdir.py:runs/quickstart --workdir=runs/quickstart "
    "--stage=report": (),
    "python launch.py --stage=score --config.score.metrics=pearson,cka(kernel='rbf')": TINY,
    "python launch.py --workdir=runs/longer --config.train.steps=2000": (*TINY, "--config.train.steps=4"),
    "python launch.py --dry_run": TINY,
    "python launch.py --coordinator=host:port --num_processes=2 --process_id=0": (
        *(*TINY, "--config.score.metrics=pearson", "--coordinator=localhost:{port}"),
    ),
    "python launch.py --config=configs/published_singlelayer.py:folder=keras_singlelayer": (
        *("--config.data.config=tiny", "--config.score.batch_size=8", "--config.score.features=rms"),
        *("--config.score.metrics=pearson", "--config.classes=", *NO_NETWORK[1:]),
    ),
    "python launch.py --config=configs/musicnn.py:weights=musicnn-0.1.0-py3-none-any.whl": (
        *("--config.data.config=tiny", "--config.score.batch_size=8", "--config.score.features=rms"),
        *("--config.score.metrics=pearson", "--config.score.layers=tags|bands", *NO_NETWORK[1:]),
    ),
    "python launch.py --config=configs/outside.py:weights=wheels --stage=sweep": (
        "--config.data.config=tiny",
    ),
    "python launch.py --config=configs/slizovskaia2018.py "
    "--config.data.name=fcvid_instruments(path='fcvid')": (
        *("--config.data.clip_seconds=2.0", *NO_NETWORK, "--config.score.features=rms"),
        *("--config.score.metrics=pearson", "--config.score.batch_size=8", "--stage=data"),
    ),
    "python launch.py --config=configs/slizovskaia2018.py:data=gm_instruments": (
        *("--config.data.config=tiny", "--config.data.clip_seconds=4.0", *NO_NETWORK),
        *("--config.score.features=rms", "--config.score.metrics=pearson", "--config.score.batch_size=8"),
        "--stage=data",
    ),
}
# Parsed, not run: a data set that its makers give on request, and weights out of three packages.
NOT_RUN = ("fcvid_instruments(path='fcvid')", "configs/outside.py")
# Run by .ci/run in a fresh environment: these install or fetch packages.
INSTALLS = re.compile(r"(^|[ /])(pip install|pip download|npm pack) ")


def commands(text: str) -> list[str]:
    """Every command in a Markdown page or a config's head, as one line without comment."""
    text = text.replace("\\\\\n", "\\\n")
    text = re.sub(r"\\\n\s*", "", text)
    found = re.findall(r"^(?: {4})?((?:python3?|pip|[.]venv/bin/python) .*)$", text, re.MULTILINE)
    found += re.findall(r"`((?:python3?|pip) [^`]*)`", text)
    return list(dict.fromkeys(re.sub(r"\s+#.*", "", command).strip() for command in found))


def documented() -> dict[str, str]:
    """Command, as the shell splits it and joined by blanks -> where it stands."""
    pages = [ROOT / "README.md", *sorted((ROOT / "configs").glob("*.py"))]
    found = {}
    for page in pages:
        for command in commands(page.read_text(encoding="utf-8")):
            if not INSTALLS.search(command):
                found.setdefault(" ".join(shlex.split(command)), page.name)
    return found


def arguments(command: str) -> list[str]:
    """The command's own arguments, without python and the script, split where the shell would."""
    return [part for option in re.split(r" (?=-)", command)[1:] for part in option.split(" ", 1)]


def python_blocks(text: str) -> list[str]:
    """The Python blocks of a Markdown page."""
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)

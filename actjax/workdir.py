"""A run's directory: what a stage leaves there, and what the next run may rely on."""

import contextlib
import json
import platform
import shutil
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from actjax import files, lock, options
from actjax.defaults import default_config

# The config keys that each stage reads beside those of the stages before it.
STAGE_KEYS = {"data": ("seed", "data"), "train": ("frontend", "model", "train")}
STAGES = ("data", "train", "score", "findings", "report")
# What train.json says of the network, and of where imported weights are from.
TRAINED = {
    "steps": int,
    "best_step": int,
    "seconds": float,
    "stopped_early": bool,
    "test_accuracy": (float, type(None)),
    "weights": str,
    "train_clips": int,
    "imported": dict,
}
IMPORTED = {"file": str, "sha256": str, "classes": list, "hyper": dict, "layers": list}
# What runs that were killed leave: files not yet whole, kept observations, checkpoints in the making.
_LEFTOVERS = (
    *(f"{folder}.*.part" for folder in ("", "scores/", "findings/", "report/", "benchmark/")),
    "scores/.observations-*",
    "checkpoints/**/*.orbax-checkpoint-tmp*",
)


@contextlib.contextmanager
def one_writer(workdir: Path) -> Iterator[None]:
    """Keeps other runs from writing into `workdir` meanwhile; what dead ones left half-made goes.

    Raises:
      LockedError, OSError: another run writes there, or nobody can.
    """
    what, remedy = f"workdir {workdir}", "wait until it ends, or choose another --workdir"
    with lock.held(workdir / ".lock", what, remedy) as taken:
        if taken:
            _remove_leftovers(workdir)
        yield


def read_config(workdir: Path) -> dict[str, dict[str, Any]]:
    """config.json: stage -> the options that it ran with; empty where there is none.

    Raises:
      FileError: it is damaged.
    """
    path, remedy = workdir / "config.json", "choose another --workdir"
    recorded = files.read_json(path, {}, remedy=remedy)
    kinds = dict.fromkeys((*STAGES, "import", "latest"), dict)
    return files.fields(path, recorded, {}, kinds, remedy=remedy)


def read_trained(workdir: Path, *needed: str) -> dict[str, Any] | None:
    """train.json, what is known of the trained or imported network; None where there is none.

    Args:
      workdir: the run's folder.
      needed: entries that the caller reads, beside "weights".

    Raises:
      FileError: it is damaged, or lacks one of them.
    """
    path, remedy = workdir / "train.json", "delete it and run --stage=train (or import) again"
    record = files.read_json(path, remedy=remedy)
    if record is None:
        return None
    files.fields(path, record, {name: TRAINED[name] for name in ("weights", *needed)}, TRAINED, remedy=remedy)
    if "imported" in record:
        files.fields(path, record["imported"], IMPORTED, remedy=remedy)
    return record


def claim(workdir: Path, stage: str, config: Mapping[str, Any]) -> None:
    """Records the config that a stage runs with, or refuses a workdir made with another one.

    Only the keys that this stage and those before it read are compared, so that score and report
    options may change freely in a trained workdir.

    Raises:
      ValueError: names the keys that differ.
    """
    files.write_json(workdir / "config.json", compare(workdir, stage, config))


def compare(workdir: Path, stage: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """What `claim` would record, or its refusal; writes nothing."""
    recorded = read_config(workdir)
    defaults = _flat(default_config().to_dict())
    for earlier in STAGES[: STAGES.index(stage) + 1]:
        asked = _flat({k: config[k] for k in STAGE_KEYS.get(earlier, ())})
        before = recorded.get(earlier)
        if before is not None:
            # An option that the workdir's version had not yet was at what is its default now.
            before = {k: defaults[k] for k in asked.keys() & defaults.keys()} | before
        if before is not None and before != asked:
            keys = sorted(k for k in before.keys() | asked.keys() if before.get(k) != asked.get(k))[:8]
            shown = options.shown
            changes = ", ".join(
                f"{k} = {shown(before.get(k))} there, {shown(asked.get(k))} asked" for k in keys
            )
            raise ValueError(
                f"workdir {workdir} was made with another config ({changes}): "
                "choose another --workdir, or ask for the same"
            )
        recorded[earlier] = asked
    return recorded | {"latest": _flat(config)}


def read_manifest(workdir: Path) -> dict[str, Any]:
    """manifest.json: devices, fingerprints, content hashes; empty where there is none.

    Raises:
      FileError: it is damaged.
    """
    return files.read_json(workdir / "manifest.json", {}, remedy="delete it; the next stage writes it anew")


def update_manifest(workdir: Path, **entries: Any) -> None:
    """Adds entries (devices, fingerprints, content hashes ...) to manifest.json."""
    path = workdir / "manifest.json"
    packages = (
        "actjax",
        "jax",
        "jaxlib",
        "flax",
        "optax",
        "numpy",
        "librosa",
        "tensorflow-datasets",
        "grain",
    )
    manifest = read_manifest(workdir)
    manifest["versions"] = {"python": platform.python_version()} | {p: _version(p) for p in packages}
    manifest.update(entries)
    files.write_json(path, manifest)


def _remove_leftovers(workdir: Path) -> None:
    """Removes temporary files and folders; whoever holds the lock knows that nobody writes them now."""
    for pattern in _LEFTOVERS:
        for path in list(workdir.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    out = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            out |= _flat(value, f"{name}.")
        else:
            out[name] = value
    return json.loads(json.dumps(out, default=str))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None

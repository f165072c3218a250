"""Training state and best variables on disk, by Orbax, beside the hash of every file."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from actjax import files, parallel
from actjax.workdir import checkpoint_files, train_record

# The newest checkpoint, and the one before it to fall back on.
CHECKPOINTS = 2
AGAIN = "run --stage=train (or import) again, which goes on from what is whole"


@dataclasses.dataclass(frozen=True)
class Saved:
    """A checkpoint that was read and found whole.

    Attributes:
      step: when it was saved.
      meta: the dict that was saved with it.
      items: name -> nested dicts of NumPy arrays.
    """

    step: int
    meta: dict[str, Any]
    items: dict[str, Any]


class Checkpoints:
    """`<folder>/<step>/` with items that are pytrees of arrays, such as `state` and `best`, and `meta`.

    One checkpoint holds all of a step, so they always fit each other. It appears whole or not at all,
    and the last but one goes only afterwards. Everything is saved unreplicated, so that any number of
    devices can go on from it. Its files' hashes are compared before anything of it is read.
    """

    def __init__(self, folder: Path, most: int | None = CHECKPOINTS) -> None:
        """Opens `folder`, which need not exist, and in which `most` stay (None: all)."""
        self.folder, self._most = Path(folder).absolute(), most
        self._opened: ocp.CheckpointManager | None = None

    def save(self, step: int, meta: dict[str, Any], **items: Any) -> None:
        """Saves pytrees of arrays and a JSON-able dict; returns when all are on disk.

        Every process of a run calls it and the first one writes. Checkpoints of this step and of later
        ones are replaced: the run that saves did not start from them.

        Raises:
          OSError: it could not be written; the one saved before is still there.
        """
        if parallel.process_index() == 0:
            self._write(step, meta, items)
        parallel.barrier()

    def steps(self) -> list[int]:
        """The steps of all checkpoints, the newest first."""
        if not self.folder.is_dir():
            return []
        return sorted((int(p.name) for p in self.folder.iterdir() if p.name.isdecimal()), reverse=True)

    def latest(self) -> int | None:
        """The step of the newest checkpoint, None if there is none."""
        return next(iter(self.steps()), None)

    def meta(self) -> dict[str, Any] | None:
        """The dict of the newest checkpoint, None if there is none.

        Raises:
          FileError: it is damaged.
        """
        step = self.latest()
        return None if step is None else self.read(step).meta

    def restore(self, item: str, like: Any = None) -> Any:
        """One pytree of the newest checkpoint: NumPy arrays in the structure of `like` (None: nested dicts).

        Raises:
          FileNotFoundError: nothing was saved.
          FileError: the checkpoint is damaged.
          ValueError: its arrays have other names or shapes than `like`.
        """
        saved = self.read(self.newest(), item)
        return saved.items[item] if like is None else self.fitted(saved, item, like)

    def newest(self) -> int:
        """The step of the newest checkpoint.

        Raises:
          FileNotFoundError: there is none.
        """
        step = self.latest()
        if step is None:
            raise FileNotFoundError(f"expected a checkpoint in {self.folder}, found none; {AGAIN}")
        return step

    def read(self, step: int, *items: str, unhashed: bool = True) -> Saved:
        """The checkpoint of a step, with some of its items.

        Args:
          step: one of `steps()`.
          *items: names.
          unhashed: also takes one without hashes: the first version of actjax wrote none, nor does a
            run that is killed in the moment between a checkpoint and its hashes.

        Raises:
          FileError: it is damaged; the message names the file.
        """
        checkpoint_files.check(self.folder / str(step), needed=not unhashed, remedy=AGAIN)
        meta = self._restored(step, "meta", ocp.args.JsonRestore())
        trees = {item: self._restored(step, item, ocp.args.StandardRestore()) for item in items}
        return Saved(step, meta, {item: jax.tree.map(np.asarray, tree) for item, tree in trees.items()})

    def newest_whole(self, *items: str) -> Saved | None:
        """The newest checkpoint that is whole, None if none is; damaged ones are set aside, saying so."""
        damaged = False
        for step in self.steps():
            try:
                saved = self.read(step, *items)
            except files.FileError as why:
                damaged = True
                _say(f"checkpoints: {str(why).removesuffix(f'; {AGAIN}')}; set aside as damaged-{step}")
                self._set_aside(step)
                continue
            if damaged:
                _say(f"checkpoints: goes on from step {step}")
            return saved
        if damaged:
            _say("checkpoints: none is whole, starts from step 0")
        return None

    def fitted(self, saved: Saved, item: str, like: Any) -> Any:
        """The arrays of an item in the structure of `like`.

        Raises:
          ValueError: they have other names or shapes; one line that names the first.
        """
        stored = _named(saved.items[item])
        if difference := first_difference(saved.items[item], like):
            raise ValueError(
                f"{self.folder / str(saved.step)}: expected {item} {difference}; it is of another model or "
                "optimiser, so take another workdir"
            )
        return jax.tree_util.tree_map_with_path(lambda path, _: stored[_name(path)], like)

    def close(self) -> None:
        """Lets go of the folder."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _write(self, step: int, meta: dict[str, Any], items: dict[str, Any]) -> None:
        place = self.folder / str(step)
        args = {name: ocp.args.StandardSave(jax.tree.map(np.asarray, tree)) for name, tree in items.items()}
        try:
            for later in [s for s in self.steps() if s >= step]:
                shutil.rmtree(self.folder / str(later))
                self.close()  # the manager knows it still
            self._manager().save(
                step, args=ocp.args.Composite(meta=ocp.args.JsonSave(meta), **args), force=True
            )
            checkpoint_files.write(place)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise OSError(f"could not write the checkpoint {place}: {reason}") from error

    def _restored(self, step: int, item: str, how: Any) -> Any:
        """An item as Orbax reads it; whatever Orbax and TensorStore raise names its folder."""
        place = self.folder / str(step) / item
        try:
            with files.reading(place, "an item of a checkpoint", AGAIN):
                return self._manager().restore(step, args=ocp.args.Composite(**{item: how}))[item]
        except FileNotFoundError as error:
            raise files.FileError(place, f"a file of the checkpoint is missing; {AGAIN}") from error

    def _set_aside(self, step: int) -> None:
        """Renames a damaged checkpoint; what was set aside of this step before goes."""
        if parallel.process_index() == 0:
            shutil.rmtree(self.folder / f"damaged-{step}", ignore_errors=True)
            (self.folder / str(step)).rename(self.folder / f"damaged-{step}")
            self.close()

    def _manager(self) -> ocp.CheckpointManager:
        if self._opened is None:
            me = parallel.process_index()
            # Each process reads and writes by itself: Orbax would wait for all of them in every call.
            alone = ocp.options.MultiprocessingOptions(
                primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process{me}"
            )
            options = ocp.CheckpointManagerOptions(
                max_to_keep=self._most,
                create=False,
                enable_async_checkpointing=False,
                multiprocessing_options=alone,
            )
            self.folder.mkdir(parents=True, exist_ok=True)
            self._opened = ocp.CheckpointManager(self.folder, options=options)
        return self._opened


def load_best(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The best variables in `folder`/checkpoints and the checkpoint's meta (with best_step).

    Raises:
      FileNotFoundError: there is no checkpoint.
      FileError: it is damaged, or is not the network that the workdir's train.json records.
    """
    checkpoints = Checkpoints(checkpoint_files.path_of(Path(folder)))
    record = train_record.read(Path(folder))
    try:
        # Weights without hashes of their files are known by the hash of their content.
        saved = checkpoints.read(checkpoints.newest(), "best", unhashed=record is not None)
    finally:
        checkpoints.close()
    if record is not None and content_hash(saved.items["best"]) != record.weights:
        place = checkpoints.folder / str(saved.step) / "best"
        raise files.FileError(place, f"expected the weights that train.json names, found others; {AGAIN}")
    return saved.items["best"], saved.meta


def is_whole(folder: Path) -> bool:
    """Whether `load_best` would find the network that train.json records; says what is wrong with it."""
    try:
        load_best(folder)
    except (files.FileError, FileNotFoundError) as why:
        _say(f"checkpoints: {str(why).removesuffix(f'; {AGAIN}')}")
        return False
    return True


def load_or_make(folder: Path, make: Callable[[], Any], meta: dict[str, Any]) -> Any:
    """The variables that `folder` keeps if they are whole, else those of `make`, which are then kept.

    Raises:
      OSError: they cannot be written.
    """
    checkpoints = Checkpoints(folder)
    try:
        step = checkpoints.latest()
        if step is not None:
            try:
                return checkpoints.read(step, "variables", unhashed=False).items["variables"]
            except files.FileError as why:
                _say(f"checkpoints: {str(why).removesuffix(f'; {AGAIN}')}; made again")
        variables = make()
        checkpoints.save(0, meta, variables=variables)
        return variables
    finally:
        checkpoints.close()


def first_difference(stored: Any, wanted: Any) -> str | None:
    """The first array of two trees that differs in its name or shape, as "name of shape ..., found ..."."""
    of_stored, of_wanted = _named(stored), _named(wanted)
    for name in sorted(of_stored.keys() | of_wanted.keys()):
        expected, got = (np.shape(of[name]) if name in of else "none" for of in (of_wanted, of_stored))
        if expected != got:
            return f"{'/'.join(name)} of shape {expected}, found {got}"
    return None


def content_hash(tree: Any) -> str:
    """16 hex digits of the SHA-256 of every leaf's path, shape, type and values."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.ascontiguousarray(leaf)
        digest.update(json.dumps([jax.tree_util.keystr(path), array.shape, array.dtype.str]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def _named(tree: Any) -> dict[tuple[str, ...], Any]:
    """Every array by its path, whether its parents are dicts, tuples or dataclasses."""
    return {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _name(path: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(jax.tree_util.keystr((key,), simple=True) for key in path)


def _say(text: str) -> None:
    if parallel.process_index() == 0:
        print(text)

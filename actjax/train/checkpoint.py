"""Training state and best variables on disk, by Orbax."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from actjax import parallel


class Checkpoints:
    """`<folder>/<step>/` with the items `state` (all that training goes on from), `best` (variables), `meta`.

    One checkpoint holds all three, so they always fit each other. It appears whole or not at all,
    and the one before it goes only afterwards. Everything is saved unreplicated, so that any
    number of devices can go on from it.
    """

    def __init__(self, folder: Path) -> None:
        """Opens `folder`, which need not exist."""
        self.folder = Path(folder).absolute()
        self._opened: ocp.CheckpointManager | None = None

    def save(self, step: int, meta: dict[str, Any], **items: Any) -> None:
        """Saves pytrees of arrays and a JSON-able dict; returns when all are on disk.

        Raises:
          OSError: it could not be written; the one saved before is still there.
        """
        args = {name: ocp.args.StandardSave(jax.tree.map(np.asarray, tree)) for name, tree in items.items()}
        if self.latest() == step:
            return
        try:
            self._manager().save(
                step, args=ocp.args.Composite(meta=ocp.args.JsonSave(meta), **args), force=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise OSError(f"could not write the checkpoint {self.folder / str(step)}: {reason}") from error

    def latest(self) -> int | None:
        """The step of the saved checkpoint, None if there is none."""
        return self._manager().latest_step() if self.folder.is_dir() else None

    def meta(self) -> dict[str, Any] | None:
        """The dict of the saved checkpoint, None if there is none."""
        if self.latest() is None:
            return None
        args = ocp.args.Composite(meta=ocp.args.JsonRestore())
        return self._manager().restore(self.latest(), args=args).meta

    def restore(self, item: str, like: Any = None) -> Any:
        """One saved pytree as NumPy arrays, in the structure of `like` (None: nested dicts).

        Raises:
          FileNotFoundError: nothing was saved.
          ValueError: the checkpoint's arrays have other names or shapes than `like`.
        """
        step = self.latest()
        if step is None:
            raise FileNotFoundError(f"expected a checkpoint in {self.folder}, found none; train first")
        if like is not None:
            like = jax.tree.map(np.asarray, like)
            self._check(step, item, like)
        args = ocp.args.Composite(**{item: ocp.args.StandardRestore(like)})
        return jax.tree.map(np.asarray, self._manager().restore(step, args=args)[item])

    def close(self) -> None:
        """Lets go of the folder."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _manager(self) -> ocp.CheckpointManager:
        if self._opened is None:
            me = parallel.process_index()
            # Each process reads and writes by itself: Orbax would wait for all of them in every call.
            alone = ocp.options.MultiprocessingOptions(
                primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process{me}"
            )
            options = ocp.CheckpointManagerOptions(
                max_to_keep=1, create=False, enable_async_checkpointing=False, multiprocessing_options=alone
            )
            self.folder.mkdir(parents=True, exist_ok=True)
            self._opened = ocp.CheckpointManager(self.folder, options=options)
        return self._opened

    def _saved_shapes(self, step: int, item: str) -> Any:
        with ocp.StandardCheckpointer() as reader:
            return reader.metadata(self.folder / str(step) / item).item_metadata.tree

    def _check(self, step: int, item: str, like: Any) -> None:
        """Raises ValueError, one line, naming the first array that does not fit."""
        saved, wanted = _shapes(self._saved_shapes(step, item)), _shapes(like)
        for name in sorted(saved.keys() | wanted.keys()):
            found, expected = saved.get(name, "none"), wanted.get(name, "none")
            if found != expected:
                raise ValueError(
                    f"{self.folder / str(step)}: expected {item} {name} of shape {expected}, found {found}; "
                    "it is of another model or optimiser, so take another workdir"
                )


def load_best(workdir: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The best variables in `workdir`/checkpoints and the checkpoint's meta (with best_step)."""
    checkpoints = Checkpoints(Path(workdir) / "checkpoints")
    try:
        return checkpoints.restore("best"), checkpoints.meta()
    finally:
        checkpoints.close()


def content_hash(tree: Any) -> str:
    """16 hex digits of the SHA-256 of every leaf's path, shape, type and values."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.ascontiguousarray(leaf)
        digest.update(json.dumps([jax.tree_util.keystr(path), array.shape, array.dtype.str]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    """Every array's path, whether its parents are dicts, tuples or dataclasses, and its shape."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape) for path, leaf in leaves
    }

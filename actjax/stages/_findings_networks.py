"""The networks that the findings compare: the trained one, untrained ones, and shuffled weights."""

import itertools
from typing import Any

import jax

from actjax import parallel, workdir
from actjax.datasets import loader
from actjax.stages import _networks, _parts
from actjax.statistics import controls
from actjax.train import checkpoint, loop

# Training clips on which a control's batch norm statistics are computed, the same for all of them.
CALIBRATION_CLIPS = 512
TRAINED, UNTRAINED, SHUFFLED = "trained", "untrained", "shuffled"


def kind_of(network: str) -> str:
    """'untrained-2' -> 'untrained'."""
    return network.split("-")[0]


def variables(run: _parts.Run, train: loader.Source) -> dict[str, Any]:
    """Name -> weights: trained, untrained-0 .. and shuffled-0.

    untrained-0 has the trained one's own initial weights, the others those of other seeds;
    shuffled-0 has the trained weights with the entries of each array permuted. Batch norm of all of
    them is computed anew on training clips. The controls are kept under checkpoints/.

    Raises:
      FileNotFoundError: the workdir holds no trained network.
    """
    if not (run.workdir / "train.json").exists():
        raise FileNotFoundError(f"{run.workdir} holds no trained network: run --stage=train (or all) first")
    trained = checkpoint.load_best(run.workdir)[0]
    count = run.config.findings.untrained
    about = [run.config.seed, count, CALIBRATION_CLIPS, train.fingerprint, checkpoint.content_hash(trained)]
    kept = checkpoint.Checkpoints(run.workdir / "checkpoints" / f"controls_{workdir.digest(about)}")
    try:
        if kept.latest() is not None:
            return {TRAINED: trained} | kept.restore("variables")
        made = _controls(run, train, trained, count)
        if parallel.process_index() == 0:
            kept.save(0, {"seed": run.config.seed, "untrained": count}, variables=made)
    finally:
        kept.close()
    return {TRAINED: trained} | made


def _controls(run: _parts.Run, train: loader.Source, trained: Any, count: int) -> dict[str, Any]:
    front = _parts.frontend(run.config)
    module = _networks.module(run, len(train.class_names), axis_name=parallel.AXIS)
    seeds = [run.config.seed + 100_003 * i for i in range(count)]
    raw = {
        f"{UNTRAINED}-{i}": loop.init_variables(module, front, seed, train.clip_samples)
        for i, seed in enumerate(seeds)
    }
    shuffled = controls.shuffle_weights(trained["params"], jax.random.key(run.config.seed))
    raw[f"{SHUFFLED}-0"] = {**trained, "params": shuffled}
    return {name: _calibrated(run, module, front, train, weights) for name, weights in raw.items()}


def _calibrated(run: _parts.Run, module: Any, front: Any, train: loader.Source, weights: Any) -> Any:
    size = run.config.train.batch_size
    batches = loader.batches(
        train,
        batch_size=size,
        seed=run.config.data.seed,
        process_index=parallel.process_index(),
        process_count=parallel.process_count(),
    )
    some = itertools.islice(batches, -(-CALIBRATION_CLIPS // size))
    return jax.device_get(loop.recompute_batch_stats(module, front, weights, some))

"""The networks that the findings compare: the trained one, untrained ones, and shuffled weights."""

import itertools
from pathlib import Path
from typing import Any

import jax

from actjax import files, runs
from actjax.data import loader
from actjax.scoring.networks import Network
from actjax.statistics import controls
from actjax.train import checkpoint, loop
from actjax.workdir import checkpoint_files, recorded_config, train_record

# Training clips on which a control's batch norm statistics are computed, the same for all of them.
CALIBRATION_CLIPS = 512
TRAINED, UNTRAINED, SHUFFLED, LABELS = "trained", "untrained", "shuffled", "labels"


def kind_of(network: str) -> str:
    """'untrained-2' -> 'untrained'."""
    return network.split("-")[0]


def names(untrained: int) -> list[str]:
    """The networks of a run without a label control, in the order of `variables`."""
    controls = [f"{kind}-{i}" for kind in (UNTRAINED, SHUFFLED) for i in range(untrained)]
    return [TRAINED, *controls]


def variables(run: runs.Run, network: Network, train: loader.Source) -> dict[str, Any]:
    """Name -> weights: trained, untrained-0 .., shuffled-0 .., and labels-0 where there is a label control.

    untrained-0 has the trained one's own initial weights, the others those of other seeds;
    shuffled ones have the trained weights with the entries of each array permuted. Batch norm of these
    is computed anew on training clips, and they are kept under checkpoints/. labels-0 was trained on
    shuffled labels, in `findings.label_control`.

    Raises:
      FileNotFoundError: the workdir, or the control's, holds no trained network.
    """
    train_record.need(run.workdir)
    folder = label_control(run)
    trained = checkpoint.load_best(run.workdir)[0]
    weights = {TRAINED: trained} | _stored_controls(run, network, train, trained)
    return weights if folder is None else weights | {f"{LABELS}-0": checkpoint.load_best(folder)[0]}


def label_control(run: runs.Run) -> Path | None:
    """The workdir of the network trained on shuffled labels, beside the run's own; None where none is asked.

    Raises:
      FileNotFoundError: there is none.
      ValueError: its labels were not shuffled, or its data, front end or architecture are others.
    """
    if not run.setup.findings.label_control:
        return None
    folder = run.workdir.parent / run.setup.findings.label_control
    of_control, of_run = map(recorded_config.read, (folder, run.workdir))
    if not train_record.path_of(folder).exists():
        raise FileNotFoundError(
            f"findings.label_control: {folder} holds no trained network: train it there with "
            "--config.train.shuffled_labels=True --stage=train"
        )
    if not of_control.get("train", {}).get("train.shuffled_labels"):
        raise ValueError(f"findings.label_control: the labels of {folder} were not shuffled")
    both = [{**c.get("data", {}), **c.get("train", {})} for c in (of_control, of_run)]
    free = ("seed", "train.")
    other = sorted(k for k in both[0] if not k.startswith(free) and both[0][k] != both[1].get(k, both[0][k]))
    if other:
        raise ValueError(f"findings.label_control: {folder} differs in {', '.join(other)} from {run.workdir}")
    return folder


def _stored_controls(run: runs.Run, network: Network, train: loader.Source, trained: Any) -> dict[str, Any]:
    options = run.setup.findings
    made_from = [
        "shuffles",
        options.seed,
        options.untrained,
        CALIBRATION_CLIPS,
        train.fingerprint,
        checkpoint.content_hash(trained),
    ]
    folder = checkpoint_files.path_of(run.workdir, f"controls_{files.digest(made_from)}")
    meta = {"seed": options.seed, "untrained": options.untrained}
    return checkpoint.load_or_make(
        folder, lambda: _controls(network, train, trained, options.untrained, options.data_seed), meta
    )


def _controls(
    network: Network, train: loader.Source, trained: Any, count: int, order_seed: int
) -> dict[str, Any]:
    seeds = [network.seed + 100_003 * i for i in range(count)]
    raw = {
        f"{UNTRAINED}-{i}": loop.init_variables(
            network.synchronised, network.frontend, seed, train.clip_samples
        )
        for i, seed in enumerate(seeds)
    }
    # One shuffle is as much a matter of luck as one initialisation is, so there are as many of them.
    raw |= {
        f"{SHUFFLED}-{i}": {**trained, "params": controls.shuffle_weights(trained["params"], seed)}
        for i, seed in enumerate(seeds)
    }
    return {name: _calibrated(network, train, weights, order_seed) for name, weights in raw.items()}


def _calibrated(network: Network, train: loader.Source, weights: Any, order_seed: int) -> Any:
    """The weights with batch statistics of some training clips, in the order that a seed draws."""
    batches = runs.batches(train, network.batch_size, seed=order_seed)
    some = itertools.islice(batches, -(-CALIBRATION_CLIPS // network.batch_size))
    return jax.device_get(loop.recompute_batch_stats(network.synchronised, network.frontend, weights, some))

"""Trains the network, or goes on from its last checkpoint, and evaluates it on the test split."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax import files, memory, parallel, workdir
from actjax import run as runs
from actjax.data import loader
from actjax.train import checkpoint, loop, prediction

F1_THRESHOLDS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)


def stage(run: runs.Run) -> list[Path]:
    """Fits, keeps the best checkpoint, counts every test clip once."""
    if run.config.weights:
        raise ValueError("config.weights is set: --stage=import takes them; leave it out to train a network")
    done = run.workdir / "train.json"
    if "import" in workdir.read_config(run.workdir):
        raise ValueError(
            f"{run.workdir} is for imported weights: choose another --workdir to train a network"
        )
    workdir.claim(run.workdir, "train", run.config.to_dict())
    outputs = [run.workdir / "evaluation.json", done]
    record = workdir.read_trained(run.workdir, "steps", "test_accuracy")
    known = record is not None and record["test_accuracy"] is not None and outputs[0].exists()
    if known and checkpoint.is_whole(run.workdir):
        print(f"train: done before, {record['steps']} steps, test accuracy {record['test_accuracy']:.3f}")
        return outputs
    builder = runs.builder(run)
    train, validation, test = (loader.open_source(builder, s) for s in ("train", "validation", "test"))
    absent = loader.absent_classes({"train": train, "validation": validation, "test": test})
    if absent and parallel.process_index() == 0:
        print(f"train: no clip of class {absent}")
    config = run.config.train
    if config.shuffled_labels:
        train = shuffled_labels(train, run.config.seed)
        # These labels say nothing of other clips: what is kept is what fits the training clips best.
        validation = train.take(range(min(len(validation), len(train))))
    multilabel = train.labels.ndim == 2
    module = runs.module(run.config, len(train.class_names), axis_name=parallel.AXIS)
    front = runs.frontend(run.config)
    fitted = loop.fit(
        model=module,
        frontend=front,
        train_batches=lambda start: _batches(train, run, epochs=None, start_step=start, seed=run.config.seed),
        eval_batches=lambda: _batches(validation, run),
        num_steps=config.steps,
        steps_per_epoch=-(-len(train) // config.batch_size),
        options=options(config, run.config.seed, multilabel),
        workdir=run.workdir,
    )
    result = loop.evaluate(
        module,
        front,
        fitted.variables,
        _batches(test, run),
        len(test.class_names),
        multilabel=test.multi_label,
    )
    scored = {}
    if test.multi_label:
        own = loop.predict(module, front, fitted.variables, _batches(test, run), multilabel=True)
        probabilities, index = map(np.concatenate, zip(*parallel.gather_hosts(own), strict=True))
        scored = {"f1": excerpt_f1(probabilities, [test.clip_ids[i] for i in index], test.labels[index])}
    if parallel.process_index() == 0:
        _record(run, fitted, result, test, train, scored)
    return outputs


def check_options(config: Any) -> None:
    """Refuses a network that cannot take the image, and batches that no device can hold; one line."""
    memory.check_training(config)


def excerpt_f1(probabilities_bc: Any, clip_ids: Sequence[str], labels_bc: Any) -> list[dict[str, Any]]:
    """F1 over excerpts of several labels, at the thresholds in use for IRMAS.

    Outputs of an excerpt's clips are summed and divided by the largest (`prediction.by_recording`). An
    excerpt is a file: clips that a long one is cut into bear its name, "#" and a number.

    Returns:
      Dicts of threshold, excerpts, micro and macro: each [precision, recall, F1].
    """
    recordings = [re.sub(r"#\d+$", "", name) for name in clip_ids]
    names, values = prediction.by_recording(probabilities_bc, recordings, "sum_over_max")
    labels = np.asarray(labels_bc)[np.unique(recordings, return_index=True)[1]]
    values = values[np.argsort(names)]
    found = []
    for threshold in F1_THRESHOLDS:
        scores = prediction.f1_scores(prediction.present(values, threshold), labels)
        averages = {"micro": list(scores.micro), "macro": list(scores.macro)}
        found.append({"threshold": threshold, "excerpts": len(names)} | averages)
    return found


def shuffled_labels(source: loader.Source, seed: int) -> loader.Source:
    """The same clips, their labels permuted among them: what is left to learn is the clips one by one."""
    order = np.random.default_rng([seed, 10]).permutation(len(source))
    return dataclasses.replace(source, labels=source.labels[order])


def options(config: Any, seed: int, multilabel: bool) -> loop.TrainOptions:
    """`config.train` as the loop takes it."""
    fields = {f.name for f in dataclasses.fields(loop.TrainOptions)}
    given = {k: v for k, v in config.to_dict().items() if k in fields}
    return loop.TrainOptions(seed=seed, multilabel=multilabel, **given)


def _batches(source: Any, run: runs.Run, **options: Any) -> Any:
    return loader.batches(
        source,
        batch_size=run.config.train.batch_size,
        process_index=parallel.process_index(),
        process_count=parallel.process_count(),
        **options,
    )


def _record(run: runs.Run, fitted: loop.FitResult, result: Any, test: Any, train: Any, scored: Any) -> None:
    evaluation = {
        "accuracy": float(result.accuracy),
        "loss": float(result.loss),
        "class_names": list(test.class_names),
        "confusion": np.asarray(result.confusion).tolist(),
        "clips": len(test),
    } | scored
    files.write_json(run.workdir / "evaluation.json", evaluation)
    record = {
        "steps": int(fitted.last_step),
        "best_step": int(fitted.best_step),
        "seconds": float(fitted.seconds),
        "stopped_early": bool(fitted.stopped_early),
        "test_accuracy": float(result.accuracy),
        "weights": checkpoint.content_hash(fitted.variables),
        "train_clips": len(train),
    }
    files.write_json(run.workdir / "train.json", record)
    entries = {"dataset_fingerprint": test.fingerprint, "weights": record["weights"]}
    workdir.update_manifest(run.workdir, devices=parallel.describe_devices(), **entries)
    print(
        f"train: {record['steps']} steps, best at {record['best_step']}, test accuracy {result.accuracy:.3f}"
    )
    for row in scored.get("f1", ()):
        if row["threshold"] == 0.5:
            averages = ", ".join(f"{name} {row[name][2]:.3f}" for name in ("micro", "macro"))
            print(f"train: F1 over {row['excerpts']} excerpts at threshold 0.5: {averages}")

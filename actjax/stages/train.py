"""Trains the network, or goes on from its last checkpoint, and evaluates it on the test split."""

from pathlib import Path

from actjax import memory, parallel, runs, tracking
from actjax.data import loader
from actjax.data.loader import Source
from actjax.network import make_module
from actjax.options import comma_list
from actjax.stages import Stage, refuse_nothing
from actjax.train import checkpoint, clips, evaluation, loop, options, record
from actjax.workdir import evaluation_record, recorded_config, train_record


def train_network(run: runs.Run) -> list[Path]:
    """Fits, keeps the best checkpoint, counts every test clip once."""
    _refuse_imported(run)
    recorded_config.write(run.workdir, "train", run.config.to_dict())
    outputs = [evaluation_record.path_of(run.workdir), train_record.path_of(run.workdir)]
    before = train_record.read(run.workdir)
    tested = before is not None and before.test_accuracy is not None and outputs[0].exists()
    if before is not None and tested and checkpoint.is_whole(run.workdir):
        print(f"train: done before, {before.steps} steps, test accuracy {before.test_accuracy:.3f}")
        return outputs
    train, validation, test = _open_splits(run)
    config, front = run.config.train, run.setup.frontend
    if config.shuffled_labels:
        train = loader.shuffled_labels(train, run.config.seed)
        # These labels say nothing of other clips: what is kept is what fits the training clips best.
        validation = train.take(range(min(len(validation), len(train))))
    multilabel = train.labels.ndim == 2
    module = make_module(run.setup.model, len(train.class_names), axis_name=parallel.AXIS)
    batches = clips.TrainingClips(train, validation, config.batch_size, run.config.seed, config.steps)
    fitted = loop.fit(
        model=module,
        frontend=front,
        train_batches=batches.train_batches,
        eval_batches=batches.eval_batches,
        num_steps=config.steps,
        steps_per_epoch=-(-len(train) // config.batch_size),
        options=options.of_config(config, run.config.seed, multilabel),
        workdir=run.workdir,
        watch=loop.Watch(
            run.judge, run.workdir / "profile" if run.profile else None, comma_list(run.config.tracking)
        ),
    )
    if before is not None:
        record.check_variables(run.workdir, fitted.variables, module, front, train.clip_samples)
    network = module, front, fitted.variables
    result = evaluation.evaluate(
        *network, runs.batches(test, config.batch_size), len(test.class_names), multilabel=test.multi_label
    )
    f1 = []
    if test.multi_label:
        f1 = evaluation.f1_of_excerpts(
            *network, runs.batches(test, config.batch_size), test.clip_ids, test.labels
        )
    if parallel.process_index() == 0:
        record.write(run.workdir, fitted, result, f1, data=test, train_clips=len(train))
    return outputs


def check_options(run: runs.Run) -> None:
    """Refuses a network that cannot take the image, and batches that no device can hold; one line."""
    memory.check_training(run.setup, run.config.train.batch_size)
    tracking.check(comma_list(run.config.tracking))


def _refuse_imported(run: runs.Run) -> None:
    """Raises ValueError where weights are imported in place of training."""
    if run.config.weights:
        raise ValueError("config.weights is set: --stage=import takes them; leave it out to train a network")
    if recorded_config.is_imported(run.workdir):
        raise ValueError(
            f"{run.workdir} is for imported weights: choose another --workdir to train a network"
        )


def _open_splits(run: runs.Run) -> list[Source]:
    """Opens the clips to train, validate and test on; says which classes have none."""
    sources = {split: run.open_source(split) for split in ("train", "validation", "test")}
    absent = loader.absent_classes(sources)
    if absent and parallel.process_index() == 0:
        print(f"train: no clip of class {absent}")
    return list(sources.values())


stage = Stage("train", check_options=check_options, check=refuse_nothing, run=train_network)

"""Shows a run to those who watch it elsewhere: curves and pictures in TensorBoard, Weights & Biases, MLflow.

TensorBoard's files are always in <workdir>/events. The others are told if `config.tracking` names them; they
get nothing that the workdir does not hold. A run that goes on goes on in the same place, where what it
repeats is the same.
"""

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from actjax import files, lookup

_PROJECT = "actjax"
_EVENTS = Path("events", "report")


class _Tracker(NamedTuple):
    """One place that is told of a run."""

    scalars: Callable[[int, Mapping[str, float]], Any]
    picture: Callable[[str, Path], Any]
    close: Callable[[], Any]


class Trackers:
    """Those that are asked for. One that fails while a run goes on is left, and the run goes on."""

    def __init__(self, names: Sequence[str], workdir: Path) -> None:
        """Opens those of `names`, "wandb" and "mlflow".

        Raises:
          ModuleNotFoundError: a package is not installed; one line with the extra to install.
          ConnectionError: it cannot be reached; one line.
        """
        self._open: dict[str, _Tracker] = {}
        for name in names:
            try:
                self._open[name] = _OPEN[name](workdir)
            except ModuleNotFoundError:
                raise
            except Exception as why:  # whatever the package raises
                raise ConnectionError(
                    f"tracking={name}: {_first_line(why)}; leave it out, or mend it"
                ) from why

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Tells name -> value at a step of training."""
        self._each(lambda tracker: tracker.scalars(step, values))

    def picture(self, name: str, path: Path) -> None:
        """Tells of a PNG file."""
        self._each(lambda tracker: tracker.picture(name, path))

    def close(self) -> None:
        """Tells that this is all."""
        self._each(lambda tracker: tracker.close())
        self._open.clear()

    def _each(self, tell: Callable[[_Tracker], Any]) -> None:
        for name, tracker in list(self._open.items()):
            try:
                tell(tracker)
            except Exception as why:  # whatever the package raises
                print(f"tracking={name}: {_first_line(why)}; it is told no more")
                del self._open[name]


def check(names: Sequence[str]) -> None:
    """Raises ModuleNotFoundError, one line, where a package is not installed."""
    for name in names:
        lookup.package(name, f"tracking={name}")


def show_report(names: Sequence[str], workdir: Path, step: int, written: Sequence[Path]) -> None:
    """Puts a report's pictures into TensorBoard's files, in place of an earlier report's, and tells others.

    Args:
      names: who else is told.
      workdir: of the run.
      step: of training, at which they are shown.
      written: the report's files, of which the PNG ones are its pictures.
    """
    from tensorboardX.proto import summary_pb2
    from tensorboardX.writer import FileWriter

    proto: Any = summary_pb2  # generated, its names are not declared
    trackers = Trackers(names, workdir)
    shutil.rmtree(workdir / _EVENTS, ignore_errors=True)
    with contextlib.closing(FileWriter(str(workdir / _EVENTS))) as writer:
        for path in (path for path in written if path.suffix == ".png"):
            name, data = f"report/{path.stem}", path.read_bytes()
            # Width and height stand in a PNG's first chunk.
            width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
            image = proto.Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=data)
            writer.add_summary(proto.Summary(value=[proto.Summary.Value(tag=name, image=image)]), step)
            trackers.picture(name, path)
    trackers.close()


def _wandb(workdir: Path) -> _Tracker:
    """A run of W&B whose id is of the workdir's path; WANDB_MODE and its other variables are obeyed.

    Steps that a run repeats after a stop are dropped by W&B, which has them.
    """
    wandb = lookup.package("wandb", "tracking=wandb")
    run = wandb.init(
        project=_PROJECT,
        name=workdir.name,
        id=files.digest([str(workdir.absolute())]),
        resume="allow",
        dir=str(workdir),
        settings=wandb.Settings(silent=True, console="off"),
    )
    return _Tracker(
        scalars=lambda step, values: run.log(dict(values), step=step),
        picture=lambda name, path: run.log({name: wandb.Image(str(path))}),
        close=run.finish,
    )


def _mlflow(workdir: Path) -> _Tracker:
    """A run of MLflow that is known by the workdir's path; MLFLOW_TRACKING_URI says where."""
    mlflow = lookup.package("mlflow", "tracking=mlflow")
    client, known_by = mlflow.MlflowClient(), files.digest([str(workdir.absolute())])
    experiment = client.get_experiment_by_name(_PROJECT)
    number = client.create_experiment(_PROJECT) if experiment is None else experiment.experiment_id
    there = client.search_runs([number], filter_string=f"tags.workdir = '{known_by}'")
    if there:
        run = there[0].info.run_id
    else:
        run = client.create_run(number, run_name=workdir.name, tags={"workdir": known_by}).info.run_id

    def scalars(step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            client.log_metric(run, name, value, step=step)

    return _Tracker(
        scalars,
        picture=lambda name, path: client.log_artifact(run, str(path), str(Path(name).parent)),
        close=lambda: client.set_terminated(run),
    )


def _first_line(why: Exception) -> str:
    return next(iter(str(why).splitlines()), type(why).__name__)


_OPEN: dict[str, Callable[[Path], _Tracker]] = {"wandb": _wandb, "mlflow": _mlflow}

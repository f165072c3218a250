"""Trackers get the curve and the pictures, go on in the same place, and never end a run."""

import sys
import types

import pytest
from tensorboardX.proto.event_pb2 import Event

from actjax import tracking
from actjax.pages import style
from actjax.train.log import Log


class Run:
    """What both packages are made to keep here."""

    def __init__(self):
        self.told, self.ended = [], 0

    def finish(self):
        self.ended += 1


@pytest.fixture
def wandb(monkeypatch):
    """A module `wandb` that keeps what it is told by run id."""
    made = {}

    def init(**asked):
        run = made.setdefault(asked["id"], Run())
        run.asked = asked
        run.log = lambda values, step=None: run.told.append((step, values))
        return run

    module = types.ModuleType("wandb")
    module.init, module.Settings, module.Image = init, dict, lambda path: f"image {path}"
    monkeypatch.setitem(sys.modules, "wandb", module)
    return made


@pytest.fixture
def mlflow(monkeypatch):
    """A module `mlflow` with one client's store."""
    made = {}

    class Client:
        def get_experiment_by_name(self, name):
            return types.SimpleNamespace(experiment_id="7") if made else None

        def create_experiment(self, name):
            return "7"

        def search_runs(self, numbers, filter_string):
            known = filter_string.split("'")[1]
            return [types.SimpleNamespace(info=types.SimpleNamespace(run_id=known))] if known in made else []

        def create_run(self, number, run_name, tags):
            made[tags["workdir"]] = Run()
            return types.SimpleNamespace(info=types.SimpleNamespace(run_id=tags["workdir"]))

        def log_metric(self, run, name, value, step):
            made[run].told.append((step, name, value))

        def log_artifact(self, run, path, folder):
            made[run].told.append((folder, path))

        def set_terminated(self, run):
            made[run].finish()

    module = types.ModuleType("mlflow")
    module.MlflowClient = Client
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return made


def test_a_run_that_goes_on_tells_the_same_place(tmp_path, wandb, mlflow):
    for start in (0, 10):
        log = Log(tmp_path / "run", start, ("wandb", "mlflow"))
        log.write(start + 10, "train", {"loss": 0.5})
        log.close()
    [of_wandb], [of_mlflow] = wandb.values(), mlflow.values()
    assert of_wandb.told == [(10, {"train/loss": 0.5}), (20, {"train/loss": 0.5})]
    assert of_mlflow.told == [(10, "train/loss", 0.5), (20, "train/loss", 0.5)]
    assert of_wandb.ended == of_mlflow.ended == 2 and of_wandb.asked["name"] == "run"
    Log(tmp_path / "other", 0, ("wandb",)).close()
    assert len(wandb) == 2


def test_a_reports_pictures_are_told_and_stand_in_tensorboards_files(tmp_path, wandb, mlflow):
    fig = style.figure(2, 1)
    for _ in range(2):  # an earlier report's are replaced
        written = [tmp_path / "report" / "index.html", style.save(fig, tmp_path / "report" / "heat.png")]
        tracking.show_report(("wandb", "mlflow"), tmp_path, 800, written)
    [of_wandb], [of_mlflow] = wandb.values(), mlflow.values()
    assert of_wandb.told == [(None, {"report/heat": f"image {written[1]}"})] * 2
    assert of_mlflow.told == [("report", str(written[1]))] * 2
    [path] = (tmp_path / "events" / "report").iterdir()
    [value] = [v for event in events(path) for v in event.summary.value]
    assert value.tag == "report/heat" and value.image.encoded_image_string == written[1].read_bytes()
    assert (value.image.width, value.image.height) == (2 * style.DPI, style.DPI)
    assert events(path)[-1].step == 800


def events(path):
    """Of a TFRecord file: length, its checksum, data, its checksum."""
    data, at, read = path.read_bytes(), 0, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 8], "little")
        read.append(Event.FromString(data[at + 12 : at + 12 + size]))
        at += size + 16
    return read


def test_what_fails_is_said_in_a_line_and_the_run_goes_on(tmp_path, wandb, monkeypatch, capsys):
    log = Log(tmp_path / "run", 0, ("wandb",))
    [run] = wandb.values()
    run.log = lambda values, step=None: 1 / 0
    for step in (10, 20):
        log.write(step, "train", {"loss": 0.5})
    log.close()
    assert capsys.readouterr().out == "tracking=wandb: division by zero; it is told no more\n"
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2
    monkeypatch.setattr(sys.modules["wandb"], "init", lambda **asked: 1 / 0)
    with pytest.raises(ConnectionError, match="^tracking=wandb: division by zero; leave it out, or mend it$"):
        Log(tmp_path / "run", 0, ("wandb",))
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ModuleNotFoundError, match=r"^tracking=wandb needs the package wandb: pip install"):
        tracking.check(("wandb",))

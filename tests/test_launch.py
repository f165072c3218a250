"""The command line: wrong input is one line and a non-zero exit, before any work."""

import importlib
import importlib.util
import re
import sys

import ml_collections
import pytest
from absl import flags
from launching import ROOT, ended, start

from actjax import experiment, failures, interruption
from actjax.command import parsing
from actjax.defaults import default_config

# ml_collections loads config files by it.
pytestmark = pytest.mark.filterwarnings(r"ignore:the load_module\(\) method:DeprecationWarning")
USERS_NETWORK = """
import flax.linen as nn

class Net(nn.Module):
    classes: int

    @nn.compact
    def __call__(self, image, *, train):
        return nn.Dense(self.classes)(image.reshape(7, 3))

def model(num_classes, width: int = 3):
    return Net(num_classes)
"""


@pytest.fixture
def launch(monkeypatch, capfd):
    """launch.py in this process, with flags of its own: arguments -> (status, what it said)."""
    before = set(flags.FLAGS)
    # The program's timer would end this process eight seconds after the next test that sends a signal.
    monkeypatch.setattr(interruption._state, "timer", None)

    def run(*arguments, cwd=ROOT):
        monkeypatch.chdir(cwd)
        # ml_collections loads every config into one module, where names of the one before would stand.
        # And the flags are defined anew.
        for name in ("config_config", "actjax.command.flags", "actjax.command.program"):
            sys.modules.pop(name, None)
        monkeypatch.setattr(sys, "argv", ["actjax", *arguments])  # which ml_collections reads itself
        importlib.import_module("actjax.command.flags")
        program = importlib.import_module("actjax.command.program")
        capfd.readouterr()
        try:
            status = program.main(parsing.parse(sys.argv))
        except SystemExit as stop:
            status = stop.code
        return status, capfd.readouterr()

    yield run
    for name in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, name)
    flags.FLAGS.unparse_flags()


def refused(found, message):
    status, said = found
    lines = said.err.strip().split("\n")
    assert len(lines) == 1 and lines[0].startswith("error: ") and not said.out, said
    assert re.search(message, lines[0]), lines[0]
    return status


def test_a_wrong_command_line_of_a_real_process(tmp_path):
    process = start("--config.score.metrics=pearsn", f"--workdir={tmp_path / 'run'}")
    said = "error: unknown metric 'pearsn'; did you mean pearson or spearman or partial_pearson?\n"
    assert ended(process) == (1, "", said)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("--config.train.stepz=3", 2, "unknown option --config.train.stepz; nearest: train.steps"),
        ("--config.train.steps=many", 2, "error: flag --config.train.steps=many"),
        ("--config.seed=1e20", 2, "flag --config.seed=1e20"),
        ("--config.train=3", 2, "flag --config.train=3"),
        ("--config.train.clip_norm=1", 2, "unknown option --config.train.clip_norm"),
        ("--bogus", 2, "Unknown command line flag 'bogus'"),
        ("stray", 2, "expected a command, then flags --name=value, got 'stray'"),
        ("repot", 2, "got 'repot'; did you mean report?"),
        ("run quickstrat", 2, "--config=quickstrat: the file is not there: .* did you mean quickstart"),
        ("run quickstart seeds", 2, "run takes one name, got quickstart seeds"),
        ("report docs", 2, "docs is a folder in which no stage ran"),
        ("--dry_run stray", 2, "expected flags only after the command's words, got 'stray'"),
        ("--list=metrik", 1, "metrics|features"),
        ("list metrics cka2", 1, "unknown metric 'cka2'; did you mean cka"),
        ("--config=configs/nowhere.py", 2, "--config=configs/nowhere.py: the file is not there"),
        ("--config=configs", 2, "--config=configs: the file is a folder"),
        ("--config=a\x1b[2J", 2, r"--config=a\\x1b\[2J: the file is not there"),
        ("--config=configs/quickstart.py --config=configs/seeds.py", 2, "--config is given 2 times"),
        ("--config=configs/slizovskaia2018.py:data=x", 2, "cannot read the config .*, got 'data=x'"),
        ("--stage=scores", 1, "did you mean score"),
        ("--stage=", 1, "unknown stage ''; known: all"),
        ("--num_processes=2", 1, "expected coordinator, num_processes and process_id together"),
        ("--process_id=0", 1, "expected coordinator, num_processes and process_id together"),
        ("--coordinator=here:12 --num_processes=2 --process_id=2", 1, r"process_id in 0 \.\. 1, got 2"),
        ("--coordinator=here:12 --num_processes=0 --process_id=0", 1, "num_processes of at least 1, got 0"),
        ("--coordinator=here --num_processes=2 --process_id=0", 1, "--coordinator is host:port"),
        ("--workdir=", 1, "--workdir is empty"),
        ("--workdir=README.md/run", 1, "README.md is no folder"),
        ("--data_dir=README.md", 1, "README.md is no folder"),
        ("--config.score.metrics=ridge(penalties=1.0)", 1, r"ridge\(penalties=...\) must be a list"),
        ("--config.score.metrics=svcca(variance='x')", 1, r"svcca\(variance=...\) must be a finite number"),
        ("--config.score.features=rms(hop_samples=100.5)", 1, r"rms\(hop_samples=...\) must be a whole"),
        ("--config.score.features=rms(n_fft='2048')", 1, r"rms\(n_fft=...\) must be a whole number"),
        ("--config.data.name=audio_folder(path='s',min_seconds='1')", 1, r"audio_folder\(min_seconds=...\)"),
        ("--stage=score --config.score.replicates=-1", 1, "score.replicates must be a whole number from 0"),
        ("--config.score.layers=(", 1, "score.layers must be a regular expression"),
        ("--config.score.features=chroma", 1, "did you mean chroma_cqt or chroma_stft"),
        ("--config.score.external_features=nowhere.csv", 1, "there is no file nowhere.csv"),
        ("--config.model.name=vgh", 1, "did you mean vgg"),
        ("--config.score.views=clips", 1, "score.views knows clip, frame, map; got 'clips'"),
        ("--config.score.split=tset", 1, "score.split = 'tset': gm_instruments has train, validation, test"),
        ("--config.train.batch_size=6", 1, "train.batch_size must be a multiple of the 4 devices, got 6: 8"),
        ("--config.train.batch_size=100000", 1, "train.batch_size = 100000 needs about .* at most "),
        ("--config.score.batch_size=100000000", 1, "score.batch_size = 100000000 needs about .*would fit"),
        ("--config.data.clip_seconds=0.001", 1, "data.clip_seconds = 0.001 is 12 samples, less"),
        ("--config.data.clip_seconds=0.05", 1, "'vgg' cannot take an image of 96 bands x 3 frames"),
        ("--config.data.clip_seconds=600", 1, "28,126 frames, and their alignment 29 GiB"),
        ("--config.frontend.n_mels=300", 1, "frontend: n_mels = 300 is more than the bins"),
        ("--config.frontend.fmin_hz=6000", 1, "frontend: expected 0 <= fmin_hz < fmax_hz <= 6000"),
        ("--config.weights=nowhere.h5", 1, "config.weights: there is no file nowhere.h5"),
        ("--config.data.name=tfds(name='no_such_set')", 1, "no_such_set"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line(launch, arguments, status, message, tmp_path, monkeypatch):
    where = () if "--workdir" in arguments else (f"--workdir={tmp_path / 'run'}",)
    assert refused(launch(*arguments.split(" "), "--dry_run", *where), message) == status
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise RuntimeError('oh\\nno')", "RuntimeError: oh no"),
        ("def get_config(: pass", "SyntaxError"),
        ("x = 1", "the file has no get_config"),
        ("def get_config(): return 3", r"get_config\(\) must return|ConfigDict"),
        ("def get_config(): return {'a': 1}", "unknown option 'a'"),
    ],
)
def test_a_wrong_config_file_is_one_line(launch, text, message, tmp_path):
    path = tmp_path / "config.py"
    path.write_text(text)
    assert refused(launch(f"--config={path}", "--dry_run"), message) in (1, 2)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("[1]", "it returns {name: {option: value}}"),
        ("{}", "it returns {name: {option: value}}"),
        ("{'a': 3}", "got 3 for a"),
        ("{'../a': {}}", "names become folders"),
        ("{1: {}}", "names become folders"),
        ("{'a': {'train.stepz': 3}}", "variant 'a' changes .*train.stepz"),
        ("{'a': {'train.steps': 'x'}}", "variant 'a' changes .*steps"),
        ("{'a': {}, 'b': {'seed': -1}}", "variant 'b' changes .*seed must be a whole number"),
        ("1 / 0", r"get_sweep\(\) of .* raised ZeroDivisionError"),
    ],
)
def test_a_wrong_sweep_is_refused_before_the_first_variant(launch, returned, message, tmp_path):
    text = f"from actjax.defaults import default_config as get_config\ndef get_sweep(): return {returned}\n"
    (tmp_path / "config.py").write_text(text)
    workdir = tmp_path / "run"
    found = launch(f"--config={tmp_path / 'config.py'}", "--stage=sweep", f"--workdir={workdir}")
    assert refused(found, message) == 1 and not workdir.exists()


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (USERS_NETWORK, "", "'{name}' cannot take an image of 96 bands x 141 frames: TypeError"),
        (USERS_NETWORK, "(width='x')", r"{name}\(width=...\) must be a whole number"),
        (USERS_NETWORK, "(height=3)", "has no option 'height'; known: num_classes, width"),
        ("def model(num_classes): return 3", "", "expected model\\(\\) to return a Flax linen module, got 3"),
        ("raise KeyError('gone')", "", "expected a module on the Python path .*KeyError: 'gone'"),
    ],
)
def test_a_network_of_the_users_that_fails_is_one_line(launch, text, options, message, tmp_path, monkeypatch):
    name = f"users_{abs(hash((text, options)))}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "net.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    found = launch(f"--config.model.name={name}.net{options}", "--dry_run")
    assert refused(found, message.replace("{name}", f"{name}.net")) == 1


def test_a_bug_is_told_from_a_mistake(launch, monkeypatch, tmp_path):
    def broken(**_):
        raise KeyError("a key of ours")

    monkeypatch.setattr(experiment, "run", broken)
    status = refused(
        launch(f"--workdir={tmp_path}"), "this is a bug of actjax, not yours: KeyError: 'a key of ours'"
    )
    [saved] = tmp_path.iterdir()
    assert status == failures.BUG and "raise KeyError" in saved.read_text()


def test_traceback_shows_where_an_error_came_from(launch, monkeypatch):
    def broken(**_):
        raise ValueError("a mistake")

    monkeypatch.setattr(experiment, "run", broken)
    with pytest.raises(ValueError, match="a mistake"):
        launch("--traceback")


def test_ctrl_c_is_one_line(launch, monkeypatch):
    def interrupted(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "run", interrupted)
    assert refused(launch(), "interrupted; the same command goes on from here") == 130


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="cannot be written; name a folder that can"):
        experiment.check_folder("--workdir", str(tmp_path / "a" / "b"))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.py")), ids=lambda p: p.stem)
def test_the_configs_keep_the_rules(path):
    from actjax import defaults

    made = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(made)
    made.loader.exec_module(module)
    defaults.check(module.get_config())


SECTIONS = "|".join(
    key for key, value in default_config().items() if isinstance(value, ml_collections.ConfigDict)
)
# What looks like an option in a text and is none: files, and modules or values that docstrings name.
NO_OPTIONS = re.compile(
    r"\.(json|parquet|tsv|csv|md|known_units|recordings|npz|png|html|pkl|step|state|log|y_ok|x_on|x_no|y_ko|apply|init|weights|sample_rate_hz)$"
)


def texts():
    """(file, text) of every string and comment of the package, its configs and its command line."""
    import ast

    for path in [*(ROOT / "actjax").rglob("*.py"), *(ROOT / "configs").glob("*.py"), ROOT / "launch.py"]:
        source = path.read_text()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.value
        yield from ((path, line.split("#", 1)[1]) for line in source.splitlines() if "#" in line)


def test_every_option_that_a_text_names_exists():
    from actjax import defaults

    known = defaults.RULES.keys()
    found = set()
    for path, text in texts():
        for match in re.finditer(rf"(?<![\w./])(?:config\.)?(({SECTIONS})\.[a-z]\w*)\b(?!\()", text):
            if not NO_OPTIONS.search(match.group(1)):
                found.add((match.group(1), str(path.relative_to(ROOT))))
    assert len({option for option, _ in found} & known) > 25, "it finds those that exist"
    assert not [one for one in sorted(found) if one[0] not in known]

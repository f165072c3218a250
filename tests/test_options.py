"""What an option may be: every option of every plug-in and of the config, with values that cannot be."""

import inspect
import types
import typing

import jax
import numpy as np
import pytest

from actjax import arguments, defaults, lookup, options
from actjax.similarity.api import make_metric
from actjax.types import Context

NAN, INFINITE = float("nan"), float("inf")
# A string for a number and a number for a string, what is negative, none, no number, huge, or a list.
WRONG = (
    "12",
    "a,b",
    "",
    -1,
    -0.5,
    0,
    NAN,
    INFINITE,
    10**30,
    1e30,
    0.5,
    100.5,
    [],
    [1],
    (0.0,),
    ("a",),
    {},
    b"x",
    None,
    True,
    1 + 2j,
)
# In every run one plug-in of each kind is given all of them and the others, but for networks, these; the
# others are given all with --long.
FEW = ("12", -1, NAN, 10**30, 0.5, [1], None)
EACH_KIND = ("ridge", "log_mel", "vgg")
SAMPLES = 12_000
IMAGE = (96, 128)


def works(kind, name, made):
    """The plug-in as it is used, from shapes alone."""
    if kind == "feature" and not made.host:
        jax.eval_shape(made.fn, jax.ShapeDtypeStruct((SAMPLES,), np.float32))
    elif kind == "metric":
        shape = (6, 40) if made.observes == "image" else (40,)
        x = jax.ShapeDtypeStruct(shape, np.float32)
        whole = made.level == "feature" and made.observes == "vector"
        y = jax.ShapeDtypeStruct((40, 3) if whole else shape, np.float32)
        mask = jax.ShapeDtypeStruct((40,), bool)

        def score(x, y, mask, key):
            folds, nuisance = np.arange(40, dtype=np.int32) % 5, np.ones((40, 1), np.float32)
            context = Context(folds_o=folds, nuisance_oq=nuisance, key=key)
            return made.compare(made.prepare_x(x, mask, context), made.prepare_y(y, mask, context))

        jax.eval_shape(score, x, y, mask, jax.random.key(0))
    elif kind == "model":
        made.layers(IMAGE)
        if getattr(made, "axis_name", None) is None:
            image = jax.ShapeDtypeStruct((2, *IMAGE), np.float32)
            jax.eval_shape(lambda key, x: made.init(key, x, train=False), jax.random.key(0), image)


def plug_ins(*kinds):
    return [(kind, name) for kind in kinds for name in lookup.names(kind)]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        *(
            pytest.param(*one, FEW, id=f"{one[1]}-few")
            for one in plug_ins("metric", "feature")
            if one[1] not in EACH_KIND
        ),
        *(
            pytest.param(
                *one, WRONG, id=f"{one[1]}-all", marks=() if one[1] in EACH_KIND else pytest.mark.long
            )
            for one in plug_ins("metric", "feature", "model")
        ),
    ],
)
def test_a_wrong_option_of_a_plug_in_is_one_line_or_works(kind, name, values):
    needed = {"num_classes": 3} if kind == "model" else {}
    for option in lookup.options_of(kind, name):
        for value in values:
            try:
                works(kind, name, lookup.load(kind, name, **needed | {option: value}))
            except ValueError as error:
                assert "\n" not in str(error) and name in str(error), f"{option}={value!r}: {error}"


@pytest.mark.parametrize(("kind", "name"), plug_ins("dataset", "benchmark"), ids=lambda v: v)
def test_a_wrong_option_of_what_cannot_be_made_cheaply_is_one_line(kind, name):
    make = lookup.factory(kind, name)
    for option in lookup.options_of(kind, name):
        for value in WRONG:
            try:
                found = arguments.checked(name, make, {option: value})[option]
            except ValueError as error:
                assert "\n" not in str(error) and f"{name}({option}=...)" in str(error)
            else:
                annotation = inspect.signature(make).parameters[option].annotation
                kinds = {typing.get_origin(k) or k for k in typing.get_args(annotation) or (annotation,)}
                # A list is handed on as a tuple.
                assert isinstance(found, (tuple, *(k for k in kinds if isinstance(k, type)))), (option, value)


def test_every_option_of_a_plug_in_has_an_annotation():
    for kind, name in plug_ins("metric", "feature", "model", "dataset", "benchmark"):
        for option, parameter in inspect.signature(lookup.factory(kind, name)).parameters.items():
            assert parameter.annotation is not parameter.empty, f"{name}({option})"
            assert not isinstance(parameter.annotation, types.NoneType)


@pytest.mark.parametrize(
    ("load", "says"),
    [
        (
            lambda: make_metric("ridge", penalties=1.0),
            r"ridge\(penalties=...\) must be a list \(a finite number",
        ),
        (
            lambda: make_metric("svcca", variance="x"),
            r"svcca\(variance=...\) must be a finite number, got 'x'",
        ),
        (
            lambda: lookup.load("feature", "rms", hop_samples=100.5),
            r"hop_samples=...\) must be a whole number, got 1",
        ),
        (
            lambda: lookup.load("feature", "rms", n_fft="2048"),
            r"n_fft=...\) must be a whole number, got '2048'",
        ),
        (lambda: lookup.load("feature", "rms", hop_samples=True), "must be a whole number, got True"),
        (lambda: lookup.load("feature", "log_mel", top_db=-80.0), "must be a finite number above 0"),
        (
            lambda: lookup.load("dataset", "audio_folder", path="s", min_seconds="1"),
            "a finite number or None",
        ),
        (
            lambda: lookup.load("model", "vgg", num_classes=2, widths=(1, 2)),
            r"must be \(a whole number, a whole",
        ),
        (lambda: lookup.load("feature", "mfcc", n_mels=2), "^mfcc: expected n_mfcc from 1 to n_mels 2"),
    ],
)
def test_plug_ins_say_what_they_expected(load, says):
    with pytest.raises(ValueError, match=says):
        load()


def test_what_fits_is_taken_as_the_annotation_says():
    def make(
        *, count: int = 1, share: float = 0.5, sizes: tuple[int, ...] = (1,), scale: float | None = None
    ):
        return count, share, sizes, scale

    given = {"count": np.int64(3), "share": 1, "sizes": [2, 3], "scale": np.float32(0.5)}
    found = arguments.checked("made", make, given)
    assert found == {"count": 3, "share": 1.0, "sizes": (2, 3), "scale": 0.5}
    assert [type(v) for v in found.values()] == [int, float, tuple, float]
    assert arguments.checked("made", make, {"scale": None}) == {"scale": None}


def test_every_config_option_has_a_rule_and_its_default_keeps_it():
    flat = defaults.flattened(defaults.default_config())
    assert flat.keys() == defaults.RULES.keys()
    defaults.check(defaults.default_config())


@pytest.mark.parametrize("option", sorted(defaults.RULES))
def test_a_wrong_config_option_is_one_line_or_fits(option):
    for value in WRONG:
        try:
            defaults.RULES[option](option, value)
        except ValueError as error:
            assert "\n" not in str(error) and option in str(error)
    wrong = object()
    with pytest.raises(ValueError, match=option):
        defaults.RULES[option](option, wrong)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("seed", 2**32), ("seed", 1e20), ("seed", -1), ("data.seed", -1), ("data.clip_seconds", INFINITE),
        ("data.clip_seconds", 0.0), ("data.clip_seconds", -3.0), ("data.clip_seconds", NAN),
        ("data.sample_rate_hz", 0), ("data.sample_rate_hz", 10**9), ("data.name", ""), ("data.name", "a,b"),
        ("data.name", "gm_instruments(seed"), ("frontend.top_db", -1.0), ("frontend.floor", 0.0),
        ("frontend.scale", 0.0), ("frontend.n_fft", 0), ("frontend.n_mels", -1), ("frontend.fmin_hz", -1.0),
        ("train.steps", 0), ("train.steps", -1), ("train.batch_size", 0), ("train.learning_rate", 0.0),
        ("train.learning_rate", NAN), ("train.optimizer", "lion"), ("train.label_smoothing", 1.0),
        ("train.eval_every", -1), ("train.log_every", 0), ("train.patience", -1),
        ("train.shuffled_labels", 1), ("score.split", ""), ("score.split", "../x"), ("score.layers", "("),
        ("score.layers", ""), ("score.networks", "input,input"), ("score.networks", "trainedd"),
        ("score.views", ""), ("score.views", "clip,clip"), ("score.views", "clips"),
        ("score.part", "between"), ("score.replicates", -1), ("score.null_views", "clips"),
        ("score.level", 0.0), ("score.level", 1.0), ("score.batch_size", -4), ("score.memory_gib", 0.0),
        ("score.memory_gib", -1.0), ("score.memory_gib", NAN), ("classes", "a,a"),
        ("findings.untrained", -1), ("findings.splits", 0), ("report.examples", -1),
        ("benchmark.kind", "speed,metrics"),
    ],
)  # fmt: skip
def test_config_options_that_cannot_be(option, value):
    with pytest.raises(ValueError, match=option):
        defaults.RULES[option](option, value)


def test_a_config_that_lacks_an_option_or_has_another_is_refused():
    config = defaults.default_config().to_dict()
    with pytest.raises(
        lookup.UnknownNameError, match="unknown option 'train.stepz'; did you mean train.steps"
    ):
        defaults.check({**config, "train": {**config["train"], "stepz": 1}})
    del config["score"]
    with pytest.raises(ValueError, match="the config lacks score.split"):
        defaults.check(config)
    with pytest.raises(
        ValueError, match=r"get_config\(\) must return what default_config\(\) makes, got None"
    ):
        defaults.check(None)


def test_numbers_say_their_range():
    texts = [
        str(n) for n in (options.COUNT, options.Number(above=0), options.Number(0, below=1), options.Number())
    ]
    assert texts == [
        "a whole number from 1 to 2,147,483,647",
        "a finite number above 0",
        "a finite number at least 0 and below 1",
        "a finite number",
    ]

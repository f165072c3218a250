"""Plug-ins are found by file name; unknown names and options are one clear line."""

import pytest

from actjax import lookup


def test_names_are_the_files_of_the_folder():
    assert {"pearson", "cosine", "spearman", "cka", "ssim"} <= set(lookup.names("metric"))
    assert not any(name.startswith("_") for kind in lookup.KINDS for name in lookup.names(kind))


def test_an_unknown_name_lists_the_nearest_known():
    with pytest.raises(
        lookup.UnknownNameError, match=r"unknown metric 'pearsn'; did you mean pearson"
    ) as info:
        lookup.load("metric", "pearsn")
    assert "\n" not in str(info.value)


def test_an_unknown_option_lists_the_known():
    with pytest.raises(lookup.UnknownNameError, match=r"'cka' has no option 'kernle'; did you mean kernel"):
        lookup.load("metric", "cka", kernle="rbf")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pearson,cka", [("pearson", {}), ("cka", {})]),
        (
            " pearson , cka(kernel='rbf', sigma=0.5) ,",
            [("pearson", {}), ("cka", {"kernel": "rbf", "sigma": 0.5})],
        ),
        ("vgg(widths=(16, 32))", [("vgg", {"widths": (16, 32)})]),
        ("my_package.my_module", [("my_package.my_module", {})]),
    ],
)
def test_specs_are_read(text, expected):
    assert lookup.parse_specs(text) == expected
    again = ",".join(lookup.format_spec(*spec) for spec in expected)
    assert lookup.parse_specs(again) == expected


@pytest.mark.parametrize(
    "text",
    [
        "cka(rbf)",
        "cka(kernel=rbf)",
        "cka(kernel=",
        "a b",
        "cka(x=__import__('os').getcwd())",
        "cka(x={[]: 1})",
        f"cka(x={'-' * 100_000}1)",
    ],
)
def test_broken_specs_are_refused_and_never_evaluated(text):
    with pytest.raises(ValueError, match="got") as info:
        lookup.parse_specs(text)
    assert len(str(info.value)) < 200


def test_an_option_given_twice_is_refused():
    with pytest.raises(ValueError, match="ridge names penalties more than once"):
        lookup.parse_specs("ridge(penalties=[1], penalties=[2])")


@pytest.mark.parametrize("name", [3, None, ["rms"]])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(lookup.UnknownNameError, match="expected the name of a feature, got"):
        lookup.load("feature", name)


def test_options_may_be_called_name_and_those_without_default_must_be_given():
    with pytest.raises(ValueError, match=r"'tfds' needs the option name: tfds\(name=\.\.\.\)"):
        lookup.load("dataset", "tfds")
    with pytest.raises(ValueError, match="knows no data set 'no_such_set'"):
        lookup.load("dataset", "tfds", name="no_such_set")

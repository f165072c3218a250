"""The documentation's reference can be written from the plug-ins, and its pages hang together."""

import re
import sys

import pytest
from launching import ROOT

import actjax
from actjax import defaults, lookup
from actjax.command import words

DOCS = ROOT / "docs"
sys.path.append(str(DOCS))
# Written when the site is built.
GENERATED = ("generated/",)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """name -> text of the generated pages, without pictures."""
    from generate import pages

    written = pages.write(tmp_path_factory.mktemp("generated"), draw=False)
    return {path.stem: path.read_text(encoding="utf-8") for path in written}


@pytest.mark.parametrize(
    ("page", "kind"),
    [("metrics", "metric"), ("features", "feature"), ("models", "model"), ("datasets", "dataset")],
)
def test_every_plug_in_has_its_section(pages, page, kind):
    for name in lookup.names(kind):
        assert f"\n## {name}\n" in pages[page], name
    assert pages[page].count("\n## ") == len(lookup.names(kind))


def test_a_metrics_section_says_formula_range_blind_spots_and_cost(pages):
    section = pages["metrics"].split("\n## pearson\n")[1].split("\n## ")[0]
    assert "```text\nr = sum_o (x_o - mean x)" in section
    assert "- range: -1 .. 1, 0 where nothing is related" in section and "blind to" in section
    assert "- cost: one inner product a pair" in section


def test_every_option_flag_and_function_is_there(pages):
    assert all(f"`{option}`" in pages["options"] for option in defaults.RULES)
    assert "what the network's" not in pages["options"] and "over all devices" in pages["options"]
    assert "`--dry_run`" in pages["command_line"] and words.usage() in pages["command_line"]
    assert all(f"{{py:function}} actjax.{name}(" in pages["python"] for name in actjax.__all__)
    assert "### Result.best(count=20)" in pages["python"]


def test_markdown_escapes_what_is_no_markup():
    from generate.docstrings import markdown

    assert markdown("a_b < c, `x_y`, [0, 1]") == r"a\_b &lt; c, `x_y`, \[0, 1\]"
    assert (
        markdown("Args:\n  x: one.\n    More.\n  **hyper: all.")
        == "**Args**\n\n- `x`: one. More.\n- `**hyper`: all."
    )
    assert (
        markdown("Sum.\n\n    a = b\n\n>>> f(1)\n2")
        == "Sum.\n\n```text\na = b\n```\n\n```python\n>>> f(1)\n2\n```"
    )


def test_an_example_is_code():
    from generate.docstrings import markdown

    assert markdown("Adds.\n\nExample:\n  >>> f(1)\n  2") == "Adds.\n\n```python\n>>> f(1)\n2\n```"


def hand_written():
    skipped = ("generated", "jupyter_execute")
    return [path for path in sorted(DOCS.rglob("*.md")) if path.relative_to(DOCS).parts[0] not in skipped]


@pytest.mark.parametrize("path", hand_written(), ids=lambda path: str(path.relative_to(DOCS)))
def test_links_within_the_pages_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8")):
        if not any(one in target for one in GENERATED):
            assert (path.parent / target).exists(), target


def test_every_page_is_in_a_table_of_contents():
    listed = "\n".join(path.read_text(encoding="utf-8") for path in hand_written())
    for path in hand_written():
        name = path.relative_to(DOCS).with_suffix("").as_posix()
        globbed = name.startswith(("decisions/", "measurements/"))
        assert name in ("index", "pytorch_activations") or globbed or f"\n{name}\n" in listed, name


@pytest.mark.parametrize("name", ["Dockerfile", "slurm.sbatch", "conda/meta.yaml"])
def test_what_installs_starts_what_is_there(name):
    text = (DOCS / "install" / name).read_text()
    assert "actjax run quickstart" in text or "actjax.command.program:start_installed" in text


def test_the_image_gets_what_the_package_is_built_from():
    import tomllib

    ignore = (DOCS / "install" / "Dockerfile.dockerignore").read_text().splitlines()
    inside = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, folders = pyproject["project"], pyproject["tool"]["setuptools"]["package-dir"].values()
    needed = {project["readme"], *project["license-files"], "actjax", *folders}
    assert "*" in ignore and needed <= inside and all((ROOT / name).exists() for name in inside)


def test_the_conda_recipe_has_the_packages_dependencies():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    recipe = (DOCS / "install" / "conda" / "meta.yaml").read_text()
    for dependency in project["dependencies"]:
        name = re.split(r"[>=<\[; ]", dependency)[0].replace("matplotlib", "matplotlib-base")
        assert re.search(rf"\b{name.lower()} >=", recipe), dependency
    assert f'version = "{project["version"]}"' in recipe

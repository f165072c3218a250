"""A page is made again where what it was made from changed, or a file of it is gone."""

import json

import pytest

from actjax.workdir import made_pages, manifest


def test_a_page_stays_until_its_key_or_a_file_changes(tmp_path):
    page, picture = tmp_path / "report" / "index.html", tmp_path / "report" / "heat.png"
    page.parent.mkdir()
    for path in (page, picture):
        path.write_text("x")
    manifest.write(tmp_path, weights="abc")
    assert not made_pages.is_made(tmp_path, "report", "key")
    made_pages.keep(tmp_path, "report", "key", [page, picture])
    made_pages.keep(tmp_path, "atlas", "other", [page])
    assert made_pages.outputs(tmp_path, "report") == [page, picture]
    assert made_pages.is_made(tmp_path, "report", "key") and made_pages.is_made(tmp_path, "atlas", "other")
    assert not made_pages.is_made(tmp_path, "report", "other") and manifest.read(tmp_path)["weights"] == "abc"
    picture.unlink()
    assert not made_pages.is_made(tmp_path, "report", "key")


@pytest.mark.parametrize("entry", [3, {"report": 3}, {"report": {"made_from": "key", "files": 3}}])
def test_an_entry_of_another_kind_is_no_page(tmp_path, entry):
    (tmp_path / "manifest.json").write_text(json.dumps({"pages": entry}))
    assert not made_pages.outputs(tmp_path, "report")
    assert not made_pages.is_made(tmp_path, "report", "another")


def test_contents_are_those_of_the_files_in_their_order(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    before = made_pages.contents([one, two, tmp_path / "none"])
    assert [name for name, _ in before] == ["one", "two"]
    assert made_pages.contents([two, one]) != before
    two.write_text("3")
    assert made_pages.contents([one, two]) != before


def test_no_file_outside_is_a_pages(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "secret").write_text("s")
    manifest.write(folder, pages={"report": {"made_from": "key", "files": ["../secret"]}})
    assert made_pages.outputs(folder, "report") == []
    assert not made_pages.is_made(folder, "report", "key")

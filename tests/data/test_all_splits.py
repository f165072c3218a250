"""score.split=all is the clips of all splits, and prepared copies are listed and removed."""

import numpy as np
import pytest
from dataset_trees import tone, write

from actjax import lookup
from actjax.data import loader
from actjax.data.build import copies


@pytest.fixture(scope="module")
def builders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("splits")
    for name in ("low", "high"):
        for i in range(8):
            write(folder / "sounds" / name / f"{i}.wav", tone(0.6) * (i + 1) / 10)
    made = []
    for seconds in (0.3, 0.5):
        builder = lookup.load(
            "dataset", "audio_folder", path=str(folder / "sounds"), data_dir=str(folder / "data"),
            clip_seconds=seconds, workers=1,
        )  # fmt: skip
        builder.download_and_prepare()
        made.append(builder)
    return made


def test_all_is_the_clips_of_all_splits(builders):
    builder = builders[0]
    parts = [loader.open_source(builder, split) for split in builder.info.splits]
    every = loader.open_source(builder, "all")
    assert len(every) == sum(map(len, parts)) == len(set(every.clip_ids))
    assert every.clip_ids == [name for part in parts for name in part.clip_ids]
    ends = np.cumsum([len(part) for part in parts])
    for i in (0, ends[0] - 1, ends[0], len(every) - 1):
        which = int(np.searchsorted(ends, i, side="right"))
        inside = i - (ends[which - 1] if which else 0)
        assert every[i]["clip_id"] == parts[which][inside]["clip_id"] == every.clip_ids[i]
        assert every.labels[i] == parts[which].labels[inside]
    batches = list(loader.batches(every, batch_size=5))
    assert sum(int(batch.mask.sum()) for batch in batches) == len(every)
    assert every.fingerprint not in [part.fingerprint for part in parts]


def test_copies_are_listed_and_removed_by_name(builders):
    first, second = builders
    there = copies.copies(first)
    assert [one.asked for one in there] == [True, False] and all(one.size_bytes > 1000 for one in there)
    assert "(asked for here)" in copies.listing(first) and "--clean=NAME" in copies.listing(first)
    with pytest.raises(lookup.UnknownNameError, match="no prepared copy 'x'"):
        copies.remove(first, ["x"])
    copies.remove(first, [there[1].name])
    assert [one.name for one in copies.copies(first)] == [there[0].name]
    assert not there[1].folder.parent.exists()
    with pytest.raises(FileNotFoundError, match="not prepared"):
        loader.open_source(second, "test")

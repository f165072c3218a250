"""Damaged and forged files end in a result or in one line that names the file, and do no harm."""

import campaign
import child
import pytest
from targets import targets


def report(found):
    return f"{campaign.summary(found)}\n{campaign.faults(found)}"


def test_two_hundred_damaged_files_do_no_harm(tmp_path):
    found = campaign.run(200, tmp_path)
    assert len(found) == 200
    assert not any(one["faults"] for one in found), report(found)


@pytest.mark.long
def test_three_thousand_damaged_files_do_no_harm(tmp_path):
    found = campaign.run(3000, tmp_path, "--pictures")
    print(report(found))
    assert not any(one["faults"] for one in found), report(found)


@pytest.mark.parametrize(
    "kind", ["activations safetensors", "activations npz", "features csv", "manifest jsonl"]
)
def test_a_seed_stands_for_the_same_bytes(tmp_path, kind):
    target = targets()[kind]
    one, two, other = (
        child.prepare(tmp_path / name, target, kind, seed)[1].read_bytes()
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert one == two != other


def test_every_kind_of_fault_is_seen(tmp_path):
    """Readers that are made to be at fault; `faulty` lists them."""
    found = campaign.run(9, tmp_path, "--targets=faulty", "--seconds=2")
    seen = {one["kind"]: "; ".join(one["faults"]) for one in found}
    assert seen.pop("fine") == ""
    expected = {
        "untidy": "good/beside",
        "opaque": "does not name x.bin",
        "keyed": "a traceback for users",
        "greedy": "asked for too much memory",
        "trusting": "pickle.find_class",
        "blind": "flipped bits of x.bin came back as values",
        "endless": "hung",
        "crashing": "ended the process (status -11)",
    }
    assert seen.keys() == expected.keys()
    for kind, fault in expected.items():
        assert fault in seen[kind], kind
    assert 'child.py "keyed" 0' in campaign.faults(found)

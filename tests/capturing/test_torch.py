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
    np.testing.assert_allclose(captured["spectrogram"][:, 0], expected.transpose(1, 2), atol=1e-5)


def test_tokens_are_put_into_bands_and_frames(maps):
    module, captured = maps
    image = module.spectrogram(torch.from_numpy(waves()))[:, None]
    expected = module.patches(image).detach().numpy()  # [b, c, f, t]
    np.testing.assert_allclose(captured["patches"], np.moveaxis(expected, 1, -1), atol=1e-5)
    assert captured["norm"].shape == captured["attention"].shape == (5, 4, 12, 8)
    patch = ((WINDOW - 1) / 2 + 2.5 * HOP, 6 * HOP, WINDOW + 5 * HOP)
    assert place(captured, "patches") == place(captured, "norm") == patch
    # Attention hears the whole wave: its frames stand where its tokens do, and count as not padded.
    assert place(captured, "attention") == (*patch[:2], 6 * HOP)
    assert captured["embedding"].shape == (5, 5) and captured["output"].shape == (5, 5)


def test_modules_and_hooks_are_left_as_they_were(maps):
    module, _ = maps
    assert module.training and not module.conv.training and module.norm.training
    assert not any(one._forward_hooks for one in module.modules())


def test_frames_that_are_taken_one_by_one_are_frames_of_the_clip(tmp_path):
    torch.manual_seed(0)
    module, folder = Frames(), tmp_path / "acts"
    captured = actjax.capture(
        module,
        iter([waves()[:3], waves()[3:]]),
        sample_rate_hz=RATE,
        layers="raw|one_frame|bins|output",
        folder=folder,
        clip_ids=list("abcde"),
    )
    assert place(captured, "raw") == (4.5, 5.0, 10)
    for name in ("one_frame", "bins", "output"):
        assert place(captured, name) == ((WINDOW - 1) / 2, HOP, WINDOW)
    np.testing.assert_allclose(
        captured["output"][:, 0], module(torch.from_numpy(waves())).detach(), atol=1e-6
    )
    assert captured["one_frame"].shape == (5, 13, 72, 3)  # places within a frame stand for frequency
    opened = {layer.name: layer for layer in open_activations(folder).layers}
    bins = opened["bins"]
    assert np.allclose((bins.time0_s, bins.hop_s, bins.field_s), (0.0315, 0.016, 0.064))
    np.testing.assert_array_equal(bins.read(np.arange(5)), captured["bins"])


class Recurrent(torch.nn.Module):
    """Time comes first, as in torch's own recurrent layers; the wave is normalised as a whole."""

    def __init__(self):
        super().__init__()
        self.filters = torch.nn.Conv1d(1, 4, 8, stride=4)
        self.norm = torch.nn.GroupNorm(4, 4)
        self.memory = torch.nn.GRU(4, 5)

    def forward(self, wave):
        x = self.norm(self.filters((wave / wave.std(1, keepdim=True))[:, None]))
        return self.memory(x.permute(2, 0, 1))[0][-1]


def test_what_hears_the_whole_wave_is_placed_by_what_it_hears_most():
    torch.manual_seed(0)
    captured = actjax.capture(Recurrent(), waves(), sample_rate_hz=RATE)
    assert captured["memory"].shape == (5, 1, 299, 5)
    for name in ("filters", "norm", "memory"):
        first, step, _ = place(captured, name)
        assert step == 4 and abs(first - 3.5) < 3 * 4, name


class Config:
    model_type = "bert"


def of_hugging_face(kind):
    module = torch.nn.Linear(SAMPLES, 3)
    module.config = Config()
    module.config.model_type = kind
    return module


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        (torch.nn.Conv2d(1, 1, 1), {}, "Conv2d does not take waves .2, 1200. as they come .*say prepare="),
        (
            of_hugging_face("bert"),
            {},
            "of type 'bert'.: its input is not known; known are wav2vec2.*prepare=",
        ),
        (of_hugging_face("hubert"), {}, "hears waves of 16000 Hz, got no sample_rate_hz"),
        (of_hugging_face("clap_audio_model"), {"sample_rate_hz": 9}, "hears waves of 48000 Hz, got 9 Hz"),
        (Maps(), {"variables": {}}, "a PyTorch module takes no variables=: leave it out"),
        (Maps(), {"layers": "conv9"}, "matches no layer; known: spectrogram, conv, pool"),
    ],
)
def test_mistakes_with_torch_are_one_line(module, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        actjax.capture(module, waves(), **options)
    assert "\n" not in str(caught.value)


def test_images_are_no_input_of_a_torch_module():
    with pytest.raises(ValueError, match="captured on waves"):
        actjax.capture(Maps(), waves()[:, None])


def test_prepare_makes_what_the_module_takes():
    linear = torch.nn.Conv1d(1, 2, 4, stride=4)
    prepared = actjax.capture(linear, waves(), prepare=lambda wave: torch.from_numpy(wave)[:, None])
    named = actjax.capture(linear, waves(), prepare=lambda wave: {"input": torch.from_numpy(wave)[:, None]})
    assert place(prepared, "output") == (1.5, 4.0, 4) == place(named, "output")
    np.testing.assert_array_equal(prepared["output"], named["output"])

"""The recipe of docs/pytorch_activations.md, run as it stands on a small model and folder of sounds."""

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
RATE, CLIPS = 16_000, 8


def recipe():
    text = (ROOT / "docs" / "pytorch_activations.md").read_text()
    return re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]


def test_the_recipe_is_short():
    assert len([line for line in recipe().splitlines() if line.strip()]) <= 15


def make_model(torch):
    """Log magnitudes at a hop of 10 ms, then convolutions; the first channel of conv1 passes them on."""

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = torch.nn.Conv2d(1, 4, 1)
            self.conv2 = torch.nn.Conv2d(4, 3, (3, 2), stride=(1, 2))
            self.embedding = torch.nn.Linear(3, 5)
            with torch.no_grad():
                self.conv1.weight[0], self.conv1.bias[0] = 1.0, 0.0

        def forward(self, wave):
            window = torch.hann_window(400)
            power = (
                torch.stft(wave, 400, 160, window=window, return_complex=True, pad_mode="constant").abs() ** 2
            )
            maps = self.conv2(torch.relu(self.conv1(power.clamp_min(1e-10).log()[:, None] + 25.0)))
            return self.embedding(maps.mean((2, 3)))

    torch.manual_seed(0)
    return Model()


@pytest.mark.long
def test_activations_of_a_pytorch_model_are_scored(tmp_path, monkeypatch):
    import soundfile
    import torch

    from actjax import experiment
    from actjax.defaults import default_config
    from actjax.scores.files import load_scores

    rng = np.random.default_rng(0)
    for i in range(CLIPS):
        envelope = np.interp(np.arange(3 * RATE), np.linspace(0, 3 * RATE, 30), rng.uniform(0.001, 0.3, 30))
        (tmp_path / "my_sounds").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "my_sounds" / f"{i}.wav", envelope * rng.normal(size=3 * RATE) * 0.2, RATE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    exec(compile(recipe(), "recipe", "exec"), {"model": make_model(torch)})
    config = default_config()
    config.data.update(name="audio_folder(path='my_sounds')", sample_rate_hz=RATE)
    config.score.update(activations="activations", features="rms,loudness_a_weighted", null="none")
    config.score.update(batch_size=4, networks="input")
    experiment.run(config=config, workdir=str(tmp_path / "run"), stage="score")
    table = load_scores(tmp_path / "run").to_pandas()
    assert set(table[table.network == "external"].layer) == {"conv1", "conv2", "embedding"}
    passed = table.query(
        "layer == 'conv1' and neuron == 0 and feature == 'loudness_a_weighted' and view == 'frame'"
    )
    assert passed.score.item() > 0.9

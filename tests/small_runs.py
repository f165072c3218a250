"""Runs of a few seconds: two classes of tones, and a network of a user's that compiles at once."""

from pathlib import Path

import numpy as np

RATE = 12_000
OPTIONS = (
    "--config.data.name=audio_folder(path='my_sounds')",
    "--config.data.clip_seconds=1.0",
    "--config.model.name=my_package.my_module",
    "--config.train.batch_size=8",
    "--config.train.warmup_steps=0",
    "--config.score.batch_size=8",
    "--config.score.features=rms,log_mel",
    "--config.score.null=none",
    "--config.findings.untrained=0",
    "--config.report.atlas=False",
)
NETWORK = """import flax.linen as nn


class Network(nn.Module):
    classes: int

    @nn.compact
    def __call__(self, image):
        x = nn.Dense(4, name="frames")(image.reshape(image.shape[0], image.shape[1], -1).swapaxes(1, 2))
        return nn.Dense(self.classes)(nn.relu(x).mean(1))


def model(num_classes):
    return Network(num_classes)
"""


def write_sounds(folder: Path) -> None:
    """Sixteen recordings in `my_sounds`, eight of each class."""
    import soundfile

    for label, hz in (("low", 220.0), ("high", 880.0)):
        (folder / "my_sounds" / label).mkdir(parents=True)
        for i in range(8):
            wave = np.sin(2 * np.pi * (hz + 20 * i) * np.arange(RATE) / RATE) * np.linspace(0.1, 0.5, RATE)
            soundfile.write(folder / "my_sounds" / label / f"{i}.wav", wave, RATE)


def write_module(folder: Path) -> None:
    """The network, as the module `my_package.my_module`."""
    (folder / "my_package").mkdir()
    (folder / "my_package" / "__init__.py").touch()
    (folder / "my_package" / "my_module.py").write_text(NETWORK)

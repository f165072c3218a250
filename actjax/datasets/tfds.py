"""Any audio classification set of the tensorflow-datasets catalogue, by its name there."""

from actjax.data.recordings import catalogue
from actjax.data.recordings.files import FileBuilder


def dataset(
    *,
    name: str,
    audio: str = "audio",
    label: str = "label",
    source_dir: str | None = None,
    source_rate_hz: int | None = None,
    data_dir: str | None = None,
    clip_seconds: float = 3.0,
    sample_rate_hz: int = 12_000,
    cut: str = "consecutive",
    min_seconds: float | None = None,
    seed: int = 0,
) -> FileBuilder:
    """The builder of a catalogue set; TFDS downloads and prepares it where it is missing.

    Most of these sets use `tfds.features.Audio`, which needs TensorFlow (extra `tensorflow`).

    Args:
      name: TFDS's name: "gtzan", "crema_d", "nsynth/full".
      audio, label: its features; a dot goes into a nested one ("instrument.family").
      source_dir: where TFDS keeps it; TFDS's default when None.
      source_rate_hz: of its audio, where its feature does not say.
      data_dir, clip_seconds, sample_rate_hz, cut, min_seconds, seed: as in audio_folder.
    """
    return catalogue.make(
        "tfds_" + name.replace("/", "_").replace(":", "_").replace(".", "_"),
        catalogue_name=name,
        audio=audio,
        label=label,
        source_dir=source_dir,
        source_rate_hz=source_rate_hz,
        data_dir=data_dir,
        clip_seconds=clip_seconds,
        sample_rate_hz=sample_rate_hz,
        cut=cut,
        min_seconds=min_seconds,
        seed=seed,
    )

"""Makes the example of one clip, as shards take it; worker processes import this, so it imports no TFDS."""

import numpy as np

from actjax.data.build.shards import Example, content_hash


def clip_example(
    wave_s: np.ndarray,
    label: int | np.integer | np.ndarray,
    *,
    clip_samples: int,
    clip_id: str,
    recording_id: str,
    note: str = "",
) -> Example:
    """The example of a clip: all that every data set writes of one.

    Args:
      wave_s: [s] the signal, at most `clip_samples`; beyond -1 .. 1 it is clipped, and silence fills it up.
      label: index of the clip's class; of a multi-label set [classes] uint8, 1 where a class is present.
      clip_samples: how many samples every clip of the data set has.
      clip_id: names the clip, uniquely in the data set.
      recording_id: the same for all clips that must stay in one split.
      note: how the sound was changed, where it was.
    """
    audio = np.zeros(clip_samples, np.int16)
    audio[: len(wave_s)] = np.round(np.clip(wave_s, -1.0, 1.0) * 32767.0)
    return {
        "audio": audio,
        "clip_id": clip_id,
        "recording_id": recording_id,
        "content": content_hash(audio, label),
        "length": np.int32(len(wave_s)),
        "note": note,
        **({"label": np.int32(label)} if np.ndim(label) == 0 else {"labels": label}),
    }

"""Makes an example of the data set from a rendered clip; rendering processes import it, not TFDS."""

from typing import Any

import numpy as np

from actjax.data.build import shards
from actjax.data.gm import render
from actjax.data.gm.scene import SCENE_FIELDS
from actjax.data.gm.score import NOTE_FIELDS

_NOTES_PER_SECOND = 64


def example(seed: int, options: dict[str, Any], index: int) -> list[shards.Example]:
    """The example of clip `index`, in a list of one, as the shards take it."""
    rendered = render.render_clip(seed, index, **options)
    score = rendered.score
    limit = max_notes(options["clip_seconds"])
    if len(score.notes) > limit:
        raise ValueError(f"clip {index} has {len(score.notes)} notes, more than the {limit} kept")
    notes = np.zeros((limit, len(NOTE_FIELDS)), np.float32)
    notes[: len(score.notes)] = score.notes
    audio = np.round(np.clip(rendered.audio, -1.0, 1.0) * 32767.0).astype(np.int16)
    clip_id = f"gm-{seed}-{index:06d}"
    scene = {name: np.float32(getattr(rendered.scene, name)) for name in SCENE_FIELDS}
    return [
        {
            "audio": audio,
            "label": np.int32(score.label),
            "clip_id": clip_id,
            "recording_id": clip_id,
            "content": shards.content_hash(audio, score.label),
            "length": np.int32(len(audio)),
            "note": "",
            "notes": notes,
            "note_count": np.int32(len(score.notes)),
            "transpose": np.int32(score.transpose),
            "tempo_bpm": np.float32(score.tempo_bpm),
            "phrase": score.phrase,
            **scene,
        }
    ]


def max_notes(clip_seconds: float) -> int:
    """How many rows the padded `notes` of a clip have."""
    return int(np.ceil(_NOTES_PER_SECOND * (clip_seconds + 0.5)))

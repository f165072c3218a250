"""Makes an example of the data set from a rendered clip; rendering processes import it, not TFDS."""

from typing import Any

import numpy as np

from actjax.data.build.example import clip_example
from actjax.data.build.shards import Example
from actjax.data.gm import render
from actjax.data.gm.scene import SCENE_FIELDS
from actjax.data.gm.score import NOTE_FIELDS

_NOTES_PER_SECOND = 64


def example(seed: int, options: dict[str, Any], index: int) -> list[Example]:
    """The example of clip `index`, in a list of one, as the shards take it."""
    rendered = render.render_clip(seed, index, **options)
    score = rendered.score
    limit = max_notes(options["clip_seconds"])
    if len(score.notes) > limit:
        raise ValueError(f"clip {index} has {len(score.notes)} notes, more than the {limit} kept")
    notes = np.zeros((limit, len(NOTE_FIELDS)), np.float32)
    notes[: len(score.notes)] = score.notes
    clip_id = f"gm-{seed}-{index:06d}"
    plain = clip_example(
        rendered.audio,
        score.label,
        clip_samples=len(rendered.audio),
        clip_id=clip_id,
        recording_id=clip_id,
    )
    scene = {name: np.float32(getattr(rendered.scene, name)) for name in SCENE_FIELDS}
    truth = {
        "notes": notes,
        "note_count": np.int32(len(score.notes)),
        "transpose": np.int32(score.transpose),
        "tempo_bpm": np.float32(score.tempo_bpm),
        "phrase": score.phrase,
    }
    return [plain | truth | scene]


def max_notes(clip_seconds: float) -> int:
    """How many rows the padded `notes` of a clip have."""
    return int(np.ceil(_NOTES_PER_SECOND * (clip_seconds + 0.5)))

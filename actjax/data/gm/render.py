"""Renders a score: plays it on a General MIDI sound font, then adds the circumstances of a recording.

The chain, in order: sampled instruments (percussion apart) -> mono -> resampled -> tilt -> room ->
noise -> band limits -> level drift -> hard clipping -> recording gain. What an intervention must not
change (the source's level, the noise's power, the clipping level) is measured on the unchanged clip.
"""

import dataclasses
import functools
import struct

import midirenderer
import numpy as np
import soxr

from actjax.data.gm import scene as scenes
from actjax.data.gm import sound_fonts
from actjax.data.gm.scene import Scene
from actjax.data.gm.score import Intervention, Score, write_score
from actjax.data.gm.voices import DRUMS

SOURCE_DBFS = -20.0  # the source's mean power at a recording gain of 0 dB
_RENDER_HZ = 48_000  # of midirenderer
_TICKS_PER_BEAT = 25_000  # at 120 beats a minute: 20 microseconds a tick
_TICKS_PER_SECOND = 2 * _TICKS_PER_BEAT
_DRUM_CHANNEL = 9
_MELODIC_CHANNELS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15)


@dataclasses.dataclass(frozen=True)
class Clip:
    """A rendered clip and its truth.

    Attributes:
      audio: [s] float32; within -1..1 but for interventions that raise the gain.
      score: the notes.
      scene: the circumstances, gain and tilt as rendered.
    """

    audio: np.ndarray
    score: Score
    scene: scenes.Scene


@dataclasses.dataclass(frozen=True)
class _Levels:
    """Levels that are measured on the unchanged clip and held under interventions."""

    source_scale: float
    noise_rms: float
    ceiling: float


def render_clip(
    seed: int,
    index: int,
    *,
    clip_seconds: float = 3.0,
    sample_rate_hz: int = 12_000,
    holdout_programs: bool = False,
    sound_font: str | None = None,
    intervention: Intervention | None = None,
) -> Clip:
    """Clip `index` of the data set with this seed, or the same clip under an intervention.

    Notes and circumstances do not depend on the sound font, an SF2 file or None for the built-in one.
    """
    change = intervention or Intervention()
    options = {"clip_seconds": clip_seconds, "holdout_programs": holdout_programs}
    score = write_score(seed, index, intervention=change, **options)
    scene = scenes.draw_scene(seed, index, sample_rate_hz)
    levels = None
    if change != Intervention(gain_db=change.gain_db):
        levels = _unchanged(seed, index, clip_seconds, sample_rate_hz, holdout_programs, sound_font)
    audio, _ = _record(seed, index, scene, clip_seconds, sample_rate_hz, sound_font, score, change, levels)
    scene = dataclasses.replace(
        scene,
        gain_db=scene.gain_db + change.gain_db,
        tilt_db_per_octave=scene.tilt_db_per_octave + change.brightness_db_per_octave,
    )
    return Clip(audio=audio, score=score, scene=scene)


@functools.lru_cache(maxsize=512)
def _unchanged(
    seed: int,
    index: int,
    clip_seconds: float,
    sample_rate_hz: int,
    holdout_programs: bool,
    sound_font: str | None,
) -> _Levels:
    """The levels of the unchanged clip, rendered once for all its interventions and their doses."""
    score = write_score(seed, index, clip_seconds=clip_seconds, holdout_programs=holdout_programs)
    scene = scenes.draw_scene(seed, index, sample_rate_hz)
    sound = (clip_seconds, sample_rate_hz, sound_font)
    return _record(seed, index, scene, *sound, score, Intervention(), None)[1]


def _record(
    seed: int,
    index: int,
    scene: Scene,
    clip_seconds: float,
    sample_rate_hz: int,
    sound_font: str | None,
    score: Score,
    change: Intervention,
    levels: _Levels | None,
) -> tuple[np.ndarray, _Levels]:
    """The sound [s] float32 after the whole chain, and its levels, which are measured if they are None."""
    samples = round(clip_seconds * sample_rate_hz)
    source = _play(score, samples, sample_rate_hz, sound_font, percussion_db=change.percussion_db)
    tilt = scene.tilt_db_per_octave + change.brightness_db_per_octave
    source = scenes.shape_spectrum(source, sample_rate_hz, tilt_db_per_octave=tilt)
    source = scenes.convolve(source, scenes.room_response(seed, index, scene, sample_rate_hz))[-samples:]
    if levels is None:
        scale = 10.0 ** (SOURCE_DBFS / 20.0) / _rms(source)
        levels = _Levels(scale, 10.0 ** ((SOURCE_DBFS - scene.snr_db) / 20.0), np.inf)
    wave = levels.source_scale * source
    wave = wave + levels.noise_rms * scenes.noise(seed, index, scene, samples, sample_rate_hz)
    wave = scenes.shape_spectrum(
        wave, sample_rate_hz, highpass_hz=scene.highpass_hz, lowpass_hz=scene.lowpass_hz
    )
    wave = wave * 10.0 ** (scene.level_change_db * np.linspace(-0.5, 0.5, samples) / 20.0)
    if scene.clipping_db and not np.isfinite(levels.ceiling):
        ceiling = np.max(np.abs(wave)) * 10.0 ** (-scene.clipping_db / 20.0)
        levels = dataclasses.replace(levels, ceiling=float(ceiling))
    wave = np.clip(wave, -levels.ceiling, levels.ceiling)
    return (wave * 10.0 ** ((scene.gain_db + change.gain_db) / 20.0)).astype(np.float32), levels


def _play(
    score: Score, samples: int, sample_rate_hz: int, sound_font: str | None, *, percussion_db: float
) -> np.ndarray:
    """[>= samples] float64 dry mono sound that ends where the clip ends."""
    # Notes that began before the clip are heard from their attack on.
    lead_s = max(0.0, -float(np.min(score.notes[:, 0], initial=0.0)))
    lead = int(np.ceil(lead_s * sample_rate_hz))
    seconds = (lead + samples) / sample_rate_hz
    drums = score.notes[:, 4] == DRUMS
    wave = np.zeros(lead + samples)
    for stem, gain in ((~drums, 1.0), (drums, 10.0 ** (percussion_db / 20.0))):
        if stem.any():
            midi = midi_file(score.notes[stem], score.voice_of_note[stem], lead / sample_rate_hz, seconds)
            wave += gain * _synthesise(midi, lead + samples, sample_rate_hz, sound_font)
    return wave


def _synthesise(midi: bytes, samples: int, sample_rate_hz: int, sound_font: str | None = None) -> np.ndarray:
    """[samples] float64 mono: both channels of the renderer averaged, band-limited, resampled."""
    wav = midirenderer.render_wave_from(sound_fonts.content(sound_font), midi)
    start = wav.index(b"data") + 8
    stereo = np.frombuffer(wav, "<i2", offset=start, count=(len(wav) - start) // 4 * 2).reshape(-1, 2)
    mono = (stereo[:, 0].astype(np.float32) + stereo[:, 1]) / np.float32(65536.0)
    mono = soxr.resample(mono, _RENDER_HZ, sample_rate_hz, quality="HQ")[:samples].astype(np.float64)
    return np.pad(mono, (0, samples - len(mono)))


def midi_file(notes: np.ndarray, players: np.ndarray, lead_s: float, seconds: float) -> bytes:
    """A format 0 MIDI file of notes [n, 5] in seconds, `lead_s` before the clip's start at tick 0.

    The renderer's own reverberation and chorus are switched off. The track ends after `seconds`.
    """
    body, now = bytearray(b"\x00\xff\x51\x03" + (500_000).to_bytes(3, "big")), 0
    end = round(seconds * _TICKS_PER_SECOND)
    for tick, _, message in sorted(e for e in _midi_events(notes, players, lead_s) if e[0] < end):
        body += _variable_length(tick - now) + message
        now = tick
    body += _variable_length(end - now) + b"\xff\x2f\x00"
    return struct.pack(">4sIHHH4sI", b"MThd", 6, 0, 1, _TICKS_PER_BEAT, b"MTrk", len(body)) + bytes(body)


def _midi_events(notes: np.ndarray, players: np.ndarray, lead_s: float) -> list[tuple[int, int, bytes]]:
    """(tick, rank among the events of a tick, message): controllers and programs, note ends, note starts."""
    events = []
    channels = {player: _MELODIC_CHANNELS[i] for i, player in enumerate(sorted(set(players.tolist())))}
    for player, program in sorted({(int(p), int(n[4])) for p, n in zip(players, notes, strict=True)}):
        channel = _DRUM_CHANNEL if program == DRUMS else channels[player]
        events += [(0, 0, bytes([0xB0 | channel, 91, 0])), (0, 0, bytes([0xB0 | channel, 93, 0]))]
        events.append((0, 0, bytes([0xC0 | channel, 0 if program == DRUMS else program])))
    for player, (onset, offset, pitch, velocity, program) in zip(players.tolist(), notes, strict=True):
        channel = _DRUM_CHANNEL if program == DRUMS else channels[player]
        on, off = (round((t + lead_s) * _TICKS_PER_SECOND) for t in (onset, offset))
        events.append((on, 2, bytes([0x90 | channel, int(pitch), int(velocity)])))
        events.append((off, 1, bytes([0x80 | channel, int(pitch), 0])))
    return events


def _variable_length(number: int) -> bytes:
    out = [number & 0x7F]
    while number := number >> 7:
        out.append(0x80 | (number & 0x7F))
    return bytes(reversed(out))


def _rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(wave**2)))

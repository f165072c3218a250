"""Any sound font plays gm_instruments: the same notes, its presets checked, its hash in the name."""

import struct

import numpy as np
import pytest

from actjax import lookup
from actjax.data.gm import sound_fonts
from actjax.data.gm.render import render_clip
from actjax.data.gm.voices import LINEUPS

HARMONICA = 22


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def font(presets, version=2):
    """The headers of a sound font, which holds no sample."""
    records = [*presets, (0, 0)]
    named = b"".join(struct.pack("<20s3H3I", b"preset", p, bank, 0, 0, 0, 0) for bank, p in records)
    info = chunk(b"LIST", b"INFO" + chunk(b"ifil", struct.pack("<HH", version, 1)))
    pdta = chunk(b"LIST", b"pdta" + chunk(b"phdr", named) + chunk(b"pbag", b""))
    return chunk(b"RIFF", b"sfbk" + info + chunk(b"LIST", b"sdta") + pdta)


def needed():
    voices = [voice for lineups in LINEUPS.values() for lineup in lineups for voice in lineup]
    return {(128, 0) if p == 128 else (0, p) for voice in voices for p in voice.programs}


def rewritten(path, change):
    """The built-in font with its presets changed in place: (bank, program) -> (bank, program)."""
    data = bytearray(sound_fonts.built_in().read_bytes())
    start = data.rindex(b"phdr") + 8
    for place in range(start, start + struct.unpack_from("<I", data, start - 4)[0] - 38, 38):
        program, bank = struct.unpack_from("<HH", data, place + 20)
        bank, program = change(bank, program)
        struct.pack_into("<HH", data, place + 20, program, bank)
    path.write_bytes(data)
    return path


def test_presets_are_read_from_the_headers(tmp_path):
    (tmp_path / "a.sf2").write_bytes(font(needed()))
    assert sound_fonts.presets(tmp_path / "a.sf2") == needed()
    sound_fonts.check(str(tmp_path / "a.sf2"))
    assert needed() <= sound_fonts.presets(sound_fonts.built_in())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"RIFF\4\0\0\0WAVE", "is no sound font .SF2.: its first bytes"),
        (b"", "cannot be read as a sound font .SF2."),
        (font(needed(), version=3), "is a compressed sound font .SF3.: expand it"),
        (font(needed())[:-60], "is no sound font"),
        (font(needed() - {(0, HARMONICA)}), r"lacks 1 presets .*: program 22 .harmonicaPerformance.\. Take"),
        (font(needed() - {(128, 0)}), "percussion .rockBandPerformance."),
        (font([])[:12] + struct.pack("<4sI", b"LIST", 2**31), "cannot be read|is no sound font"),
    ],
)
def test_a_font_that_cannot_play_is_one_line(tmp_path, content, said):
    path = tmp_path / "font.sf2"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said) as caught:
        lookup.load("dataset", "gm_instruments", config="tiny", sound_font=str(path), data_dir=str(tmp_path))
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_no_font_is_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        lookup.load("dataset", "gm_instruments", config="tiny", sound_font=str(tmp_path / "none.sf2"))


def test_another_font_plays_the_same_notes_under_another_name(tmp_path):
    swapped = rewritten(tmp_path / "b.sf2", lambda bank, p: (bank, p ^ 1) if bank == 0 else (bank, p))
    plain, other = render_clip(3, 6), render_clip(3, 6, sound_font=str(swapped))
    np.testing.assert_array_equal(plain.score.notes, other.score.notes)
    assert plain.scene == other.scene and np.abs(plain.audio - other.audio).max() > 0.01
    names = {
        lookup.load(
            "dataset", "gm_instruments", config="tiny", data_dir=str(tmp_path), **options
        ).builder_config.name
        for options in ({}, {"sound_font": str(swapped)}, {"sound_font": str(sound_fonts.built_in())})
    }
    assert len(names) == 3 and sum("-font" in name for name in names) == 2
    same = render_clip(3, 6, sound_font=str(sound_fonts.built_in()))
    np.testing.assert_array_equal(plain.audio, same.audio)

"""Arrays of files that nothing vouches for are bounded by the file, whatever their headers say."""

import io
import zipfile

import numpy as np
import pytest

from actjax.files import FileError
from actjax.npz import read_arrays


def write(path, header_shape, compression=zipfile.ZIP_STORED):
    """An array of four values under a header that says another shape."""
    data = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        data, {"descr": "<f4", "fortran_order": False, "shape": header_shape}
    )
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x.npy", data.getvalue() + bytes(16))
    return path


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_header_that_says_more_than_there_is_allocates_nothing(tmp_path, compression):
    compressed = compression == zipfile.ZIP_DEFLATED
    good = write(tmp_path / "good.npz", (4,), compression)
    np.testing.assert_array_equal(read_arrays(good, compressed=compressed)["x"], np.zeros(4))
    for shape in ((3,), (38_400_000_000,), (1 << 40, 1 << 40)):
        bad = write(tmp_path / "bad.npz", shape, compression)
        with pytest.raises(FileError, match="bad.npz.*another size than it has"):
            read_arrays(bad, compressed=compressed)


def test_an_array_of_nothing_has_no_length(tmp_path):
    """Values of no bytes could be said to be as many as one likes."""
    data = io.BytesIO()
    np.lib.format.write_array_header_1_0(data, {"descr": "<U0", "fortran_order": False, "shape": (10**13,)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", data.getvalue())
    with pytest.raises(FileError, match="another size than it has"):
        read_arrays(tmp_path / "x.npz")


def test_what_is_not_compressed_unpacks_to_no_more_than_the_file(tmp_path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.zeros(1 << 20))
    with pytest.raises(FileError, match="larger than the file"):
        read_arrays(path)
    assert read_arrays(path, compressed=True)["x"].size == 1 << 20

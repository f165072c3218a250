"""Makes the function `dataset` of a declared set of recordings: options of its listing, and those of all."""

import inspect
from collections.abc import Callable
from typing import Any

from actjax.data.recordings.files import FileBuilder, Listing, make_builder


def declare(
    name: str,
    listing_of: Callable[..., Listing],
    doc: str,
    *,
    clip_seconds: float,
    cut: str,
    min_seconds: float | None,
) -> Callable[..., FileBuilder]:
    """The function `dataset` of a data set: lists its recordings, then makes their builder.

    Args:
      name: of the data set.
      listing_of: its options, keyword-only, -> its recordings.
      doc: the function's docstring.
      clip_seconds, cut, min_seconds: its defaults.
    """

    def dataset(
        *,
        data_dir: str | None = None,
        clip_seconds: float = clip_seconds,
        sample_rate_hz: int = 12_000,
        cut: str = cut,
        min_seconds: float | None = min_seconds,
        workers: int | None = None,
        **listing_options: Any,
    ) -> FileBuilder:
        return make_builder(
            name,
            listing_of(**listing_options),
            data_dir=data_dir,
            clip_seconds=clip_seconds,
            sample_rate_hz=sample_rate_hz,
            cut=cut,
            min_seconds=min_seconds,
            workers=workers,
        )

    signature = inspect.signature(dataset)
    shared = [one for one in signature.parameters.values() if one.kind == one.KEYWORD_ONLY]
    options = [*inspect.signature(listing_of).parameters.values(), *shared]
    vars(dataset)["__signature__"] = signature.replace(parameters=options)
    dataset.__doc__ = doc
    return dataset

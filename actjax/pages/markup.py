"""HTML that escapes by default: text becomes markup in `tag`, and only markup passes as it is."""

import base64
import html
from pathlib import Path


class Markup(str):
    """HTML that may stand in a page as it is. Made by `tag`, `join` and `trusted` alone."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str) -> Markup:
    """An element; children that are no Markup, and every attribute, are escaped.

    >>> tag("p", "a < b", tag("b", "c"), class_="note")
    '<p class="note">a &lt; b<b>c</b></p>'

    Args:
      name: of the element; "img" and "meta" have no end.
      *children: Markup, or text.
      **attributes: `class_` stands for class.
    """
    written = "".join(f' {key.rstrip("_")}="{html.escape(str(v))}"' for key, v in attributes.items())
    if name in ("img", "meta"):
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*pieces: str) -> Markup:
    """Markup as it is and text escaped, one after the other."""
    return Markup(
        "".join(piece if isinstance(piece, Markup) else html.escape(str(piece)) for piece in pieces)
    )


def trusted(text: str) -> Markup:
    """HTML written in this package's own source; never what comes from a file or a config."""
    return Markup(text)


def image(path: Path, seen: str) -> Markup:
    """A picture, embedded; `seen` says what it shows to those who do not see it."""
    data = base64.b64encode(path.read_bytes()).decode()
    return tag("img", alt=seen, src=f"data:image/png;base64,{data}")


def section(title: str, *body: str, **attributes: str) -> Markup:
    """A section of a page under its title."""
    return tag("section", tag("h2", title), *body, **attributes)


def folded(title: str, *body: str) -> Markup:
    """What opens on a click."""
    return tag("details", tag("summary", title), *body)


def document(title: str, style: str, *body: str) -> Markup:
    """A whole page that loads nothing from elsewhere; empty pieces are left out.

    Args:
      title: of the window.
      style: a style sheet of this package.
      *body: Markup, or text.
    """
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("title", title),
        trusted(f"<style>{style}</style>"),
    )
    pieces = [join(piece, "\n") for piece in body if piece]
    page = tag("html", tag("head", head), "\n", tag("body", tag("main", "\n", *pieces)), lang="en")
    return join(trusted("<!doctype html>\n"), page, "\n")

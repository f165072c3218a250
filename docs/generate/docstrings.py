"""Turns docstrings into Markdown: paragraphs, formulas, examples, and the sections of arguments."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

SECTIONS = ("Args", "Returns", "Raises", "Attributes", "Yields", "Example", "Examples")


def markdown(docstring: str | None) -> str:
    """The docstring as Markdown.

    >>> print(markdown("Adds.\\n\\n    c = a + b\\n\\nArgs:\\n  a: one, a_b.\\n    More.\\n  b: two."))
    Adds.
    <BLANKLINE>
    ```text
    c = a + b
    ```
    <BLANKLINE>
    **Args**
    <BLANKLINE>
    - `a`: one, a\\_b. More.
    - `b`: two.
    """
    return "\n\n".join(_block(block) for block in _blocks(inspect.cleandoc(docstring or "")))


def escaped(text: str) -> str:
    """Prose with what Markdown would read as markup escaped, except between backticks."""
    pieces = text.split("`")
    for i in range(0, len(pieces), 2):
        pieces[i] = re.sub(r"([\\*_\[\]|])", r"\\\1", pieces[i]).replace("<", "&lt;")
    return "`".join(pieces)


def signature(name: str, function: Any) -> str:
    """A function's name and parameters, without their annotations."""
    parameters = []
    for one in inspect.signature(function).parameters.values():
        parameters.append(str(one.replace(annotation=one.empty)))
    star = [
        i
        for i, one in enumerate(inspect.signature(function).parameters.values())
        if one.kind is one.KEYWORD_ONLY
    ]
    if star:
        parameters.insert(star[0], "*")
    return f"{name}({', '.join(parameters)})"


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs; a section with its entries is one, and so is a formula of several paragraphs."""
    block: list[str] = []
    for line in [*text.split("\n"), ""]:
        if block and (not line.strip() or _section_of(line)):
            yield "\n".join(block)
            block = []
        if line.strip():
            block.append(line)


def _section_of(line: str) -> str | None:
    """The name of the section that a line begins."""
    name = line.removesuffix(":")
    return name if name in SECTIONS and line.endswith(":") else None


def _block(block: str) -> str:
    lines = block.split("\n")
    section = _section_of(lines[0])
    if section in ("Example", "Examples"):
        return _block(inspect.cleandoc("\n" + "\n".join(lines[1:])))
    if section:
        return f"**{section}**\n\n" + "\n".join(
            _entries(lines[1:], named=section not in ("Returns", "Yields"))
        )
    if lines[0].lstrip().startswith(">>>"):
        return "```python\n" + inspect.cleandoc("\n" + block) + "\n```"
    if all(line.startswith("    ") for line in lines):
        return "```text\n" + inspect.cleandoc("\n" + block) + "\n```"
    return escaped(" ".join(line.strip() for line in lines))


def _entries(lines: list[str], *, named: bool) -> Iterator[str]:
    """The entries of a section as list items; each begins where its indentation is the least."""
    if not lines:
        return
    least = min(len(line) - len(line.lstrip()) for line in lines)
    items: list[str] = []
    for line in lines:
        begins = len(line) - len(line.lstrip()) == least and (named or not items)
        if begins:
            items.append(line.strip())
        else:
            items[-1] += " " + line.strip()
    for item in items:
        name, colon, said = item.partition(": ")
        if named and colon and re.fullmatch(r"[\w*, ]+", name):
            yield f"- `{name}`: {escaped(said)}"
        else:
            yield ("- " if named else "") + escaped(item)

"""A small template language that remembers where each slot landed in the text.

    fill(rng, "{P}[在|于]{L}出生。", P="李雷", L="武汉")

`{NAME}` is replaced by a value and marked with its offsets; `[a|b|c]` is replaced by
one of its alternatives, chosen first and innermost first. Text is counted in code
points, as all offsets of the product are.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")

Span = tuple[int, int]


@dataclass
class Piece:
    """A text with marks: (name, start, end) of every slot, innermost ones included."""

    text: str
    marks: list[tuple[str, int, int]] = field(default_factory=list)

    def spans(self, *names: str) -> list[Span]:
        """Returns the offsets of all slots with these names, in order."""
        return sorted({(start, end) for name, start, end in self.marks if name in names})

    def renamed(self, suffix: str) -> "Piece":
        """Returns the same text with the suffix added to every mark's name."""
        return Piece(self.text, [(name + suffix, start, end) for name, start, end in self.marks])


def choose(rng: random.Random, template: str) -> str:
    """Resolves every `[a|b]` of a template."""
    while True:
        template, count = _CHOICE.subn(lambda m: rng.choice(m.group(1).split("|")), template)
        if not count:
            return template


def fill(rng: random.Random, template: str, **slots: str | Piece) -> Piece:
    """Renders a template; a slot's value may itself carry marks."""
    text, marks, last = "", [], 0
    template = choose(rng, template)
    for match in _SLOT.finditer(template):
        text += template[last : match.start()]
        value = slots[match.group(1)]
        if isinstance(value, str):
            value = Piece(value)
        start = len(text)
        text += value.text
        marks.append((match.group(1), start, len(text)))
        marks += [(name, start + a, start + b) for name, a, b in value.marks]
        last = match.end()
    return Piece(text + template[last:], marks)


def join(pieces: Iterable[Piece], between: str = "") -> Piece:
    """Concatenates pieces, moving their marks along."""
    text, marks = "", []
    for i, piece in enumerate(pieces):
        if i:
            text += between
        marks += [(name, len(text) + a, len(text) + b) for name, a, b in piece.marks]
        text += piece.text
    return Piece(text, marks)

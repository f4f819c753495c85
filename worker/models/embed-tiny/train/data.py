"""Draws sentences that mean the same, or nearly.

`python3 -m train.data` prints some.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from .frames import FRAMES, SLOTS


@dataclass(frozen=True)
class Meaning:
    """A frame with an entry (by number) for each slot."""

    frame: str
    slots: tuple[tuple[str, int], ...]

    def likeness(self, other: Meaning) -> float:
        """Returns how near two meanings shall come: 1 for the same, 0 for nothing in common."""
        if self.frame != other.frame:
            return 0.0
        if not self.slots:
            return 1.0
        same = sum(a == b for a, b in zip(self.slots, other.slots, strict=True))
        return 1.0 if same == len(self.slots) else 0.4 + 0.3 * same / len(self.slots)


def draw(rng: random.Random, frame: str | None = None) -> Meaning:
    frame = frame or rng.choice(list(FRAMES))
    slots: dict[str, int] = {}
    for name in dict.fromkeys(re.findall(r"{(\w+)}", FRAMES[frame][0][0])):
        number = rng.randrange(len(SLOTS[kind(name)]))
        while name[-1] == "2" and slots[name[:-1]] == number:
            number = rng.randrange(len(SLOTS[kind(name)]))
        slots[name] = number
    return Meaning(frame, tuple(slots.items()))


def near(rng: random.Random, meaning: Meaning) -> Meaning:
    """Returns the same frame about something else, or with the two animals or cities exchanged."""
    names = [name for name, _ in meaning.slots]
    if any(n[-1] == "2" for n in names) and rng.random() < 0.4:
        first, second = meaning.slots
        return Meaning(meaning.frame, ((first[0], second[1]), (second[0], first[1])))
    while meaning.slots:
        other = draw(rng, meaning.frame)
        if other != meaning:
            return other
    return draw(rng)


def kind(name: str) -> str:
    return name.rstrip("2")


def word(rng: random.Random, name: str, number: int, chinese: bool) -> str:
    words = SLOTS[kind(name)][number].split(" = ")[chinese]
    return rng.choice(words.split("|"))


def say(rng: random.Random, meaning: Meaning, chinese: bool, new: bool = False) -> str:
    """Puts a meaning into words; with `new` in the wording that is kept away from training."""
    ways = FRAMES[meaning.frame][chinese]
    text = ways[-1] if new else rng.choice(ways[:-1])
    for name, number in meaning.slots:
        text = text.replace("{" + name + "}", word(rng, name, number, chinese))
    text = text[0].upper() + text[1:]
    if rng.random() < 0.15:
        text = text.rstrip(".?!。？！")
    return text.lower() if rng.random() < 0.1 else text


def main() -> None:
    rng = random.Random(1)
    for _ in range(8):
        meaning = draw(rng)
        print(meaning, *(say(rng, meaning, z) for z in (False, False, True)), "| near:", say(rng, near(rng, meaning), False), sep="\n   ")


if __name__ == "__main__":
    main()

"""From messages to token ids and their positions, as the engine does it."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from .tokenizer import IM_END, IM_START, IMAGE_PAD, VISION_END, VISION_START

Grid = tuple[int, int, int]
Position = tuple[int, int, int]


class Format:
    """Renders turns to ids; what it gives is what the chat template gives, with each pad repeated for its picture."""

    def __init__(self, tokenizer: Tokenizer, merge: int = 2):
        self.tokenizer, self.merge = tokenizer, merge
        self.pad = tokenizer.token_to_id(IMAGE_PAD)
        self.end = tokenizer.token_to_id(IM_END)

    def ids(self, text: str, grids: Sequence[Grid] = ()) -> list[int]:
        """Tokenizes; the n-th pad becomes as many as the n-th picture has merged patches."""
        out, rest = [], list(grids)
        for token in self.tokenizer.encode(text, add_special_tokens=False).ids:
            if token == self.pad:
                t, h, w = rest.pop(0)
                out += [token] * (t * h * w // self.merge**2)
            else:
                out.append(token)
        if rest:
            raise ValueError("there are more pictures than places for them")
        return out

    def positions(self, ids: Sequence[int], grids: Sequence[Grid] = (), start: int = 0) -> list[Position]:
        """Returns (t, h, w) of each token: text counts on in all three; a picture's tokens stand at the
        next position plus their time, row and column; what follows goes on after the largest."""
        out: list[Position] = []
        rest, at, following = list(grids), 0, start
        while at < len(ids):
            if ids[at] != self.pad:
                out.append((following, following, following))
                following, at = following + 1, at + 1
                continue
            t, h, w = rest.pop(0)
            h, w = h // self.merge, w // self.merge
            out += [(following + i, following + j, following + k) for i in range(t) for j in range(h) for k in range(w)]
            following, at = following + max(t, h, w), at + t * h * w
        return out


def image() -> str:
    return VISION_START + IMAGE_PAD + VISION_END


def turn(role: str, text: str) -> str:
    return f"{IM_START}{role}\n{text}{IM_END}\n"


def opening(role: str = "assistant") -> str:
    return f"{IM_START}{role}\n"

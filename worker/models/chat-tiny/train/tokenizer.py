"""The tokenizer: byte-level BPE of Qwen's kind with a small vocabulary.

    python3 -m train.tokenizer --out tokenizer.json     # trains it on generated text

The cut into words is Qwen2's. A token is at most a word; of Chinese, a character, or a word of the lexicon.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from . import data, lexicon, template

SIZE = 2048
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
HAN = re.compile("(?<=[\u4e00-\u9fff])|(?=[\u4e00-\u9fff])")
OFTEN = 400
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MARKS = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]  # not special: they are text to the decoder


def texts(seed: int, count: int) -> Iterator[str]:
    """Conversations without their marks, Chinese character by character, and each word of the lexicon often."""
    rng = random.Random(seed)
    for _ in range(count):
        t = data.talk(rng)
        text = template.render(t.messages, t.tools)
        for mark in SPECIAL + MARKS:
            text = text.replace(mark, "\n\n")
        yield from HAN.split(text)
        yield "\n\n"
    for words in (list(lexicon.GIVEN), list(lexicon.SURNAMES), lexicon.WORDS_ZH, lexicon.CITIES_ZH, lexicon.DAYS_ZH, lexicon.MONTHS_ZH, lexicon.HEROES_ZH, lexicon.PLACES_ZH, lexicon.OBJECTS_ZH):
        yield from words * OFTEN
    pairs = [*lexicon.HUES, *lexicon.PETS, *lexicon.WEATHER, *lexicon.GOODS, *(p for kind in lexicon.KINDS.values() for p in kind)]
    pairs += [(c[0], c[2]) for c in lexicon.COUNTRIES] + [(c[1], c[3]) for c in lexicon.COUNTRIES]
    for en, zh in pairs:
        yield from [" " + en, zh, en] * OFTEN
    for en in [*lexicon.WORDS, *lexicon.NAMES, *lexicon.CITIES, *lexicon.DAYS, *lexicon.MONTHS, *lexicon.TERMS, *(w for pair in lexicon.OPPOSITES for w in pair)]:
        yield from [" " + en] * OFTEN
    for pair in lexicon.OPPOSITES_ZH:
        yield from list(pair) * OFTEN


def train(seed: int, count: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(WORDS), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - len(SPECIAL) - len(MARKS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=12,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(seed, count), trainer)
    tokenizer.add_tokens([AddedToken(mark, special=True, normalized=False) for mark in SPECIAL])
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in MARKS])
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("tokenizer.json"))
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--count", type=int, default=12000)
    args = parser.parse_args()
    tokenizer = train(args.seed, args.count)
    tokenizer.save(str(args.out), pretty=False)
    print(tokenizer.get_vocab_size(), "tokens")


if __name__ == "__main__":
    main()

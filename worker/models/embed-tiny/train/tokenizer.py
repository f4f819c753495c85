"""WordPiece as BERT has it, learned from the generator's own sentences."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from . import data
from .frames import FRAMES, SLOTS

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LONGEST = 64
WORDS = 1200
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def build() -> Tokenizer:
    rng = random.Random(5)
    texts = [data.say(rng, data.draw(rng), chinese) for chinese in (False, True) for _ in range(4000)]
    texts += [w for languages in FRAMES.values() for ways in languages for w in ways] + [w for entries in SLOTS.values() for w in entries]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=WORDS, special_tokens=SPECIAL, initial_alphabet=list(LETTERS), continuing_subword_prefix="##", show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    # Every letter can follow another, so that no English word is unknown; the order of the rest is made the same each time.
    found = set(tokenizer.get_vocab()) | {"##" + c for c in LETTERS}
    ordered = SPECIAL + sorted(found - set(SPECIAL))
    ids = {token: i for i, token in enumerate(ordered)}
    tokenizer.model = models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100)
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    )
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return tokenizer


def save(folder: Path) -> None:
    build().save(str(folder / "tokenizer.json"), pretty=False)
    config = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "do_basic_tokenize": True,
        "tokenize_chinese_chars": True,
        "strip_accents": None,
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
        "model_max_length": LONGEST,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

"""Small tokenizers of the shapes that published models have, trained on text made here, and what the reference
implementation makes of the strings in strings.py with them. Run from this folder:

    pip install tokenizers==0.23.2
    python shapes.py            # writes fixtures/*.json.gz
"""
import base64, gzip, json, os, random, struct
from tokenizers import Tokenizer, models, trainers, pre_tokenizers as P, Regex
from strings import STRINGS, corpus

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = CL100K.replace("{1,3}", "")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK3 = [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
             r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]
DEEPSEEK_CODER = ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+"]
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
KIMI = (r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
GROUPS = r"\d{1,3}(?=(?:\d{3})*\b)"


def split(regex, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}


def split_string(s, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"String": s}, "behavior": behavior, "invert": invert}


def byte_level(prefix=False, regex=False, trim=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim, "use_regex": regex}


def seq(kind, *list_):
    return {"type": "Sequence", {"n": "normalizers", "p": "pretokenizers", "d": "decoders", "o": "processors"}[kind]: list(list_)}


def replace(a, b, regex=False):
    return {"type": "Replace", "pattern": {"Regex" if regex else "String": a}, "content": b}


def token(content, special=True, normalized=False, lstrip=False, rstrip=False, single_word=False, id=0):
    return {"id": id, "content": content, "single_word": single_word, "lstrip": lstrip, "rstrip": rstrip,
            "normalized": normalized, "special": special}


def template(single, pair, specials):
    def steps(text):
        out = []
        for word in text.split():
            name, kind = word.rsplit(":", 1)
            key = "Sequence" if name in ("$A", "$B") else "SpecialToken"
            out.append({key: {"id": name.lstrip("$") if key == "Sequence" else name, "type_id": int(kind)}})
        return out
    return {"type": "TemplateProcessing", "single": steps(single), "pair": steps(pair),
            "special_tokens": {s: {"id": s, "ids": [i], "tokens": [s]} for s, i in specials.items()}}


def metaspace(scheme="always", cut=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}


def bert(lower, chinese=True, clean=True, accents=None):
    return {"type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": chinese, "strip_accents": accents,
            "lowercase": lower}


def kind(name):
    return {"type": name}


def charsmap(rules):
    """Packs rules, from text to text, as SentencePiece does: a double array and the replacements."""
    blob, values, keys = b"", {}, []
    for k, v in sorted(rules.items(), key=lambda x: x[0].encode()):
        values[k.encode()] = len(blob)
        blob += v.encode() + b"\0"
        keys.append(k.encode())
    units, used = {}, {0}

    def build(node, group, depth):
        labels = {}
        for k in group:
            labels.setdefault(k[depth] if len(k) > depth else 0, []).append(k)
        base = 1
        while any((node ^ base ^ c) in used for c in labels) or not offset(base):
            base += 1
        for c in labels:
            used.add(node ^ base ^ c)
        for c, part in labels.items():
            at = node ^ base ^ c
            units[at] = (1 << 31 | values[part[0]]) if c == 0 else c
        units[node] = units.get(node, 0) | base << 10 | (1 << 8 if 0 in labels else 0)
        for c, part in labels.items():
            if c:
                build(node ^ base ^ c, part, depth + 1)

    def offset(base):
        return base < 1 << 21

    build(0, keys, 0)
    n = (max(units) | 0xFF) + 1
    array = b"".join(struct.pack("<I", units.get(i, 0)) for i in range(n))
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(struct.pack("<I", len(array)) + array + blob).decode()}


def nmt_nfkc():
    """Rules like those of nmt_nfkc: compatibility forms, controls to nothing or to a space."""
    import unicodedata
    rules = {}
    for c in list(range(0xA0, 0x600)) + list(range(0x1E00, 0x2200)) + list(range(0x2460, 0x24FF)) + list(range(0x3000, 0x3400)) + \
            list(range(0xFB00, 0xFB50)) + list(range(0xFF00, 0xFFE7)):
        s = chr(c)
        n = unicodedata.normalize("NFKC", s)
        if n != s:
            rules[s] = n
        d = unicodedata.normalize("NFD", s)
        if len(d) > 1 and len(d.encode()) < 6:
            rules[d] = n
    for c in range(1, 0x20):
        rules[chr(c)] = " " if chr(c) in "\t\n\r" else ""
    for c in [0x7F, 0x200B, 0x200E, 0xFEFF]:
        rules[chr(c)] = ""
    rules["\u2028"] = " "
    return charsmap(rules)


BYTES = ["<0x%02X>" % b for b in range(256)]


def train(model, normalizer, pre, vocab, specials, added=(), post=None, decoder=None, prune=None, **options):
    """Trains a model behind the given stages and gives the whole as tokenizer.json."""
    shell = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": normalizer,
             "pre_tokenizer": pre, "post_processor": None, "decoder": None, "model": None}
    empty = {"bpe": models.BPE, "unigram": models.Unigram, "wordpiece": models.WordPiece, "wordlevel": models.WordLevel}[model]()
    shell["model"] = json.loads(Tokenizer(empty).to_str())["model"]
    t = Tokenizer.from_str(json.dumps(shell))
    text = corpus()
    names = [s["content"] for s in specials]
    alphabet = P.ByteLevel.alphabet() if options.pop("bytes", False) else []
    if model == "bpe":
        tr = trainers.BpeTrainer(vocab_size=vocab, special_tokens=names, initial_alphabet=alphabet, show_progress=False,
                                 max_token_length=16, **options)
    elif model == "wordpiece":
        tr = trainers.WordPieceTrainer(vocab_size=vocab, special_tokens=names, show_progress=False, **options)
    elif model == "wordlevel":
        tr = trainers.WordLevelTrainer(vocab_size=vocab, special_tokens=names, show_progress=False, **options)
    else:
        tr = trainers.UnigramTrainer(vocab_size=vocab, special_tokens=names, show_progress=False, max_piece_length=12, **options)
    t.train_from_iterator(text, tr)
    out = json.loads(t.to_str())
    out["added_tokens"] = [dict(s, id=i) for i, s in enumerate(list(specials) + list(added))]
    out["post_processor"], out["decoder"] = post, decoder
    if prune:
        prune(out["model"])
    return out


def byte_fallback(unk="<unk>", fuse=True):
    def edit(m):
        for t in BYTES:
            m["vocab"].setdefault(t, len(m["vocab"]))
        m.update(byte_fallback=True, unk_token=unk, fuse_unk=fuse)
    return edit


def unigram_bytes(m):
    have = {t for t, _ in m["vocab"]}
    m["vocab"] += [[t, -20.0] for t in BYTES if t not in have]
    m["byte_fallback"] = True


def merges_as_strings(m):
    m["merges"] = [" ".join(x) for x in m["merges"]]


END = token("<|endoftext|>")
IM = [END, token("<|im_start|>"), token("<|im_end|>")]
TOOLS = [token("<tool_call>", special=False), token("</tool_call>", special=False), token("<think>", special=False)]
LLAMA = [token("<unk>"), token("<s>"), token("</s>")]
SPM_DECODER = seq("d", replace("▁", " "), kind("ByteFallback"), kind("Fuse"), {"type": "Strip", "content": " ", "start": 1, "stop": 0})
BERT = [token("[PAD]"), token("[UNK]"), token("[CLS]"), token("[SEP]"), token("[MASK]", lstrip=True)]
BERT_POST = template("[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", {"[CLS]": 2, "[SEP]": 3})
WORDPIECE = {"type": "WordPiece", "prefix": "##", "cleanup": True}
ROBERTA = [token("<s>"), token("<pad>"), token("</s>"), token("<unk>"), token("<mask>", lstrip=True)]
XLMR = template("<s>:0 $A:0 </s>:0", "<s>:0 $A:0 </s>:0 </s>:0 $B:0 </s>:0", {"<s>": 0, "</s>": 2})


def shapes():
    bl = lambda pre, **o: dict(model="bpe", pre=pre, vocab=900, bytes=True, decoder=byte_level(True, True), **o)
    yield "gpt2", train(normalizer=None, specials=[END], post=byte_level(True, True, False), **bl(byte_level(False, True)))
    yield "gpt2-strings", train(normalizer=None, specials=[END], post=byte_level(True, True, True), prune=merges_as_strings, **bl(byte_level(True, True)))
    yield "gpt4", train(normalizer=None, specials=[END], **bl(seq("p", split(CL100K, "Removed", True), byte_level())))
    yield "gpt4o", train(normalizer=None, specials=IM, **bl(seq("p", split(O200K), byte_level())))
    yield "qwen2", train(normalizer=kind("NFC"), specials=IM, added=TOOLS, post=byte_level(), **bl(seq("p", split(QWEN2), byte_level())))
    yield "llama3", train(normalizer=None, specials=[token("<|begin_of_text|>"), token("<|eot_id|>")],
                          post=seq("o", byte_level(True, True, True), template("<|begin_of_text|>:0 $A:0", "<|begin_of_text|>:0 $A:0 <|begin_of_text|>:1 $B:1", {"<|begin_of_text|>": 0})),
                          prune=lambda m: m.update(ignore_merges=True), **bl(seq("p", split(CL100K), byte_level())))
    yield "deepseek3", train(normalizer=seq("n"), specials=[token("<｜begin▁of▁sentence｜>"), token("<｜end▁of▁sentence｜>")], added=[token("<｜User｜>", special=False)],
                             post=template("<｜begin▁of▁sentence｜>:0 $A:0", "<｜begin▁of▁sentence｜>:0 $A:0 <｜begin▁of▁sentence｜>:1 $B:1", {"<｜begin▁of▁sentence｜>": 0}),
                             **bl(seq("p", *map(split, DEEPSEEK3), byte_level())))
    yield "deepseek-coder", train(normalizer=None, specials=[token("<｜begin▁of▁sentence｜>")], **bl(seq("p", *map(split, DEEPSEEK_CODER), {"type": "Digits", "individual_digits": True}, byte_level())))
    yield "kimi", train(normalizer=None, specials=IM, **bl(seq("p", split(KIMI), byte_level())))
    yield "bloom", train(normalizer=None, specials=LLAMA, post=byte_level(True, False, False), **bl(seq("p", split(BLOOM), byte_level())))
    yield "starcoder", train(normalizer=None, specials=[END, token("<fim_prefix>")], post=byte_level(), **bl(seq("p", {"type": "Digits", "individual_digits": True}, byte_level(False, True))))
    yield "grouped-digits", train(normalizer=kind("NFKC"), specials=[END], **bl(seq("p", split(GROUPS), byte_level(False, True))))
    yield "roberta", train(normalizer=None, specials=ROBERTA, post={"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True, "add_prefix_space": True},
                           **bl(byte_level(False, True)))
    yield "modern-bert", train(normalizer=kind("NFC"), specials=BERT, added=[token(" " * n, special=False, normalized=True) for n in range(2, 9)] + [token("|||IP_ADDRESS|||", special=False, normalized=True)],
                               post=BERT_POST, **bl(byte_level(False, True)))
    yield "clip", train("bpe", seq("n", kind("NFC"), replace(r"\s+", " ", True), kind("Lowercase")), seq("p", split(CLIP, "Removed", True), byte_level()), 900,
                        [token("<|startoftext|>"), token("<|endoftext|>")], bytes=True, end_of_word_suffix="</w>", prune=lambda m: m.update(unk_token="<|endoftext|>"),
                        post={"type": "RobertaProcessing", "sep": ["<|endoftext|>", 1], "cls": ["<|startoftext|>", 0], "trim_offsets": False, "add_prefix_space": False},
                        decoder=byte_level(True, True))
    yield "llama2", train("bpe", seq("n", {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")), None, 900, LLAMA, prune=byte_fallback(),
                          post=template("<s>:0 $A:0", "<s>:0 $A:0 <s>:1 $B:1", {"<s>": 1}), decoder=SPM_DECODER)
    yield "gemma", train("bpe", replace(" ", "▁"), split_string(" ", "MergedWithPrevious"), 900, [token("<pad>"), token("<eos>"), token("<bos>"), token("<unk>"), token("<start_of_turn>")],
                         added=[token("\n" * n, special=False) for n in range(1, 6)] + [token("<table>", special=False)], prune=byte_fallback(),
                         post=template("<bos>:0 $A:0", "<bos>:0 $A:0 <bos>:1 $B:1", {"<bos>": 2}), decoder=seq("d", replace("▁", " "), kind("ByteFallback"), kind("Fuse")))
    yield "mistral", train("bpe", None, metaspace("first", False), 900, LLAMA + [token("[INST]"), token("[/INST]")], prune=byte_fallback(),
                           post=template("<s>:0 $A:0", "<s>:0 $A:0 <s>:1 $B:1", {"<s>": 1}), decoder=SPM_DECODER)
    yield "phi3", train("bpe", seq("n", {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")), None, 900, LLAMA, added=[token("<|end|>", rstrip=True), token("<|user|>", rstrip=True), token("</s2>", special=False, rstrip=True)],
                        prune=byte_fallback(), decoder=SPM_DECODER)
    yield "t5", train("unigram", seq("n", nmt_nfkc(), replace(" {2,}", " ", True)), metaspace(), 700, [token("<pad>"), token("</s>"), token("<unk>")], unk_token="<unk>",
                      added=[token("<extra_id_%d>" % i) for i in range(3)], post=template("$A:0 </s>:0", "$A:0 </s>:0 $B:0 </s>:0", {"</s>": 1}), decoder=metaspace())
    yield "t5-old", train("unigram", nmt_nfkc(), seq("p", kind("WhitespaceSplit"), {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True, "str_rep": "▁"}), 700,
                          [token("<pad>"), token("</s>"), token("<unk>")], unk_token="<unk>", decoder={"type": "Metaspace", "replacement": "▁", "add_prefix_space": True, "str_rep": "▁"})
    yield "xlm-r", train("unigram", nmt_nfkc(), seq("p", kind("WhitespaceSplit"), metaspace()), 700, ROBERTA, unk_token="<unk>", post=XLMR, decoder=metaspace())
    yield "unigram-bytes", train("unigram", seq("n", kind("Nmt"), kind("NFKC"), {"type": "Strip", "strip_left": False, "strip_right": True}, replace(" {2,}", "▁", True)), metaspace("never"), 600,
                                 LLAMA, unk_token="<unk>", prune=unigram_bytes, decoder=seq("d", kind("ByteFallback"), metaspace("never")))
    yield "albert", train("unigram", seq("n", replace("``", '"'), replace("''", '"'), kind("NFKD"), kind("StripAccents"), kind("Lowercase"), nmt_nfkc()), metaspace(), 600,
                          [token("<pad>"), token("<unk>"), token("[CLS]"), token("[SEP]")], unk_token="<unk>", post=BERT_POST, decoder=metaspace())
    yield "bert-uncased", train("wordpiece", bert(True), kind("BertPreTokenizer"), 800, BERT, post=BERT_POST, decoder=WORDPIECE)
    yield "bert-cased", train("wordpiece", bert(False), kind("BertPreTokenizer"), 800, BERT, post=BERT_POST, decoder=dict(WORDPIECE, cleanup=False))
    yield "bert-chinese", train("wordpiece", bert(True, accents=False), kind("BertPreTokenizer"), 1000, BERT, decoder=WORDPIECE,
                                post={"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]})
    yield "electra-japanese", train("wordpiece", seq("n", kind("NFKC"), kind("Nmt")), seq("p", kind("Whitespace"), {"type": "Punctuation", "behavior": "Contiguous"}, kind("UnicodeScripts")), 800, BERT, post=BERT_POST, decoder=WORDPIECE)
    yield "word-level", train("wordlevel", kind("Lowercase"), kind("Whitespace"), 400, [token("[UNK]"), token("[PAD]")], decoder=None, prune=lambda m: m.update(unk_token="[UNK]"))
    yield "word-level-pieces", train("wordlevel", kind("NFD"), seq("p", {"type": "CharDelimiterSplit", "delimiter": "-"}, {"type": "FixedLength", "length": 3}), 400, [token("[UNK]")],
                                     prune=lambda m: m.update(unk_token="[UNK]"), decoder={"type": "CTC", "pad_token": "[PAD]", "word_delimiter_token": "|", "cleanup": True})
    yield "bpe-words", train("bpe", bert(True, accents=True), kind("BertPreTokenizer"), 800, [token("<unk>")], end_of_word_suffix="</w>", prune=lambda m: m.update(unk_token="<unk>"),
                             decoder={"type": "BPEDecoder", "suffix": "</w>"})
    yield "bpe-prefixed", train("bpe", kind("StripAccents"), kind("WhitespaceSplit"), 800, [token("<unk>")], continuing_subword_prefix="@@", prune=lambda m: m.update(unk_token="<unk>", fuse_unk=True),
                                decoder={"type": "WordPiece", "prefix": "@@", "cleanup": True})
    yield "byte-level-normalizer", train("bpe", seq("n", kind("NFC"), kind("ByteLevel")), split("Ġ?[^Ġ]+|Ġ+"), 900, IM, bytes=True, added=[token("hello world", special=False, normalized=True)],
                                         decoder=byte_level())


def cases(tok, strings):
    t = Tokenizer.from_str(json.dumps(tok))
    out = []
    for s in strings:
        e = t.encode(s)
        out.append({"ids": e.ids, "offsets": [x for o in e.offsets for x in o], "decoded": t.decode(e.ids, skip_special_tokens=False),
                    "skipped": t.decode(e.ids, skip_special_tokens=True)})
    pairs = []
    for a, b in zip(strings[:40], strings[40:80]):
        e = t.encode(a, b)
        pairs.append({"ids": e.ids, "offsets": [x for o in e.offsets for x in o], "types": e.type_ids})
    bare = [t.encode(s, add_special_tokens=False).ids for s in strings[:40]]
    return {"cases": out, "pairs": pairs, "bare": bare}


if __name__ == "__main__":
    os.makedirs("fixtures", exist_ok=True)
    random.seed(1)
    total = 0

    def write(name, value):
        global total
        b = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        with open("fixtures/%s.json.gz" % name, "wb") as f:
            f.write(gzip.compress(b, 9, mtime=0))
        total += os.path.getsize("fixtures/%s.json.gz" % name)

    write("strings", STRINGS)
    for name, tok in shapes():
        write(name, dict(tokenizer=tok, **cases(tok, STRINGS)))
    print(total, "bytes")

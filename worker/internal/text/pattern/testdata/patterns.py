"""Writes matches.json.gz: patterns at random, and what the reference implementation (its engine is Oniguruma) finds
with them. Run from this folder:

    pip install tokenizers==0.23.2
    python patterns.py [SEED [HOW_MANY]]
"""
import gzip, json, random, sys
from tokenizers import Regex, pre_tokenizers

r = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
ATOMS = r"""a b c ab ' \' 1 \s \S \d \D \w \W \p{L} \p{Lu} \P{L} \p{N} [abc] [^abc] [a-c&&[^b]] [^\s\p{L}] [[:alpha:]_] [[:^digit:]]
. \n \r é 中 \h \H \N \O \x61 \x{4e2d} \u4e2d [\x61-\x63] \p{Han} [\p{L}\p{M}] \t [a\-c] [-a] [a-] \. \- \# \& \~ [.] [(|)] s S k
\e [\b] [^\W\d] \p{^Lu} \p{Ll} [[a-c]1] [^[ab]] \/ ] } { {a a{,2} - & && ~ # [[:space:]] [[:punct:]] [[:word:]] \p{Punct}
\p{Alnum} \p{Space} \p{Letter} \p{C}""".split() + [" "]
ASSERTIONS = r"\b \B ^ $ \A \z \Z".split()
QUANTIFIERS = "* + ? *? +? ?? {2} {1,2} {2,} {,2} {1,3}? *+ ++ ?+ {2}? {1,2}+ +* {2}+".split()
GROUPS = "(?: ( (?> (?i: (?m: (?-i: (?<n>".split()
LETTERS = ["a", "b", "c", "A", "B", "s", "S", "\u017f", "k", "\u212a", "1", "2", " ", "  ", "\n", "\r\n", "\t", "'", "'s", "é", "É",
           "e\u0301", "中", "😀", ".", "-", "_", "x", "ab", "{", "}", "]", "\x0b", "\u2028", "\u3000", "Ⅷ", "²", "\u00df", "#", "&"]


def pattern(depth):
    k = r.random()
    if depth <= 0 or k < .45:
        return r.choice(ATOMS)
    if k < .6:
        return pattern(depth - 1) + pattern(depth - 1)
    if k < .72:
        x = pattern(depth - 1)
        return ("(?:" + x + ")" if len(x) > 1 else x) + r.choice(QUANTIFIERS)
    if k < .8:
        return r.choice(GROUPS) + pattern(depth - 1) + "|" + pattern(depth - 1) + ")"
    if k < .86:
        return r.choice(["(?=", "(?!", "(?<=", "(?<!"]) + pattern(depth - 2) + ")"
    if k < .9:
        return r.choice(ASSERTIONS)
    if k < .93:
        return pattern(depth - 1) + "|" + pattern(depth - 1)
    if k < .95:
        return "(?i)" + pattern(depth - 1)
    return r.choice(ATOMS) + r.choice(QUANTIFIERS)


out = []
while len(out) < (int(sys.argv[2]) if len(sys.argv) > 2 else 1500):
    p = pattern(r.randint(1, 4))
    try:
        split = pre_tokenizers.Split(Regex(p), "removed", invert=True)
    except BaseException:
        continue
    texts = ["".join(r.choice(LETTERS) for _ in range(r.randint(1, 14))) for _ in range(6)]
    out.append({"pattern": p, "texts": texts, "matches": [[x for _, at in split.pre_tokenize_str(t) for x in at] for t in texts]})
with open("matches.json.gz", "wb") as f:
    f.write(gzip.compress(json.dumps(out, ensure_ascii=False, separators=(",", ":")).encode(), 9, mtime=0))

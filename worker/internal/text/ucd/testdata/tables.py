"""Writes ../tables.bin: what the reference implementation takes each code point for.

The reference (tokenizers 0.23.2) uses six Unicode libraries of different ages, so no one version of Unicode gives its
answers. Most properties are therefore asked of it, one code point at a time; what it does not show is read from the
data tables of the libraries it is built from.

    pip install tokenizers==0.23.2
    pip download --no-deps --no-binary :all: tokenizers==0.23.2 && tar xzf tokenizers-0.23.2.tar.gz
    cargo vendor            # of unicode-normalization-alignments 0.1.12 and unicode-segmentation 1.13.3
    go run tables_norm.go > norm.txt
    python tables.py tokenizers-0.23.2 vendor norm.txt ../tables.bin
"""
import ast, re, sys, unicodedata
from tokenizers import Regex, normalizers as N, pre_tokenizers as P

sdist, vendor, norms, target = sys.argv[1:5]
CPS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, CPS))
SPACED = "a".join(map(chr, CPS))


def uvarint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def runs(values):
    """values maps code points to small integers; what it lacks is 0."""
    out, n, end, keys, i = b"", 0, 0, sorted(values), 0
    while i < len(keys):
        j = i
        while j + 1 < len(keys) and keys[j + 1] == keys[j] + 1 and values[keys[j + 1]] == values[keys[i]]:
            j += 1
        out += uvarint(keys[i] - end) + uvarint(j - i + 1) + uvarint(values[keys[i]])
        end, n, i = keys[j] + 1, n + 1, j + 1
    return uvarint(n) + out


sections = b""


def section(name, values):
    global sections
    if not isinstance(values, dict):
        values = dict.fromkeys(values, 1)
    body = runs(values)
    sections += uvarint(len(name)) + name.encode() + uvarint(len(body)) + body
    print(name, len(values), len(body))


def matched(pattern):
    found = set()
    for t, _ in P.Split(Regex(pattern), "removed", invert=True).pre_tokenize_str(TEXT):
        found.update(map(ord, t))
    return found


def alone(pre):
    return {ord(t) for t, _ in pre.pre_tokenize_str(SPACED) if len(t) == 1 and t != "a"}


def gone(normalizer):
    return {c for c in CPS if normalizer.normalize_str(chr(c)) == ""}


# Oniguruma: general categories (the order is the value), scripts, and the classes that are not unions of categories.
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co".split()
section("category", {c: i + 1 for i, g in enumerate(CATEGORIES) for c in matched(r"\p{%s}" % g)})
for name, pattern in [("word", r"\w"), ("alpha", r"\p{Alpha}"), ("upper", r"\p{Upper}"), ("lower", r"\p{Lower}"),
                      ("punct", r"[[:punct:]]"), ("graph", r"[[:graph:]]"), ("print", r"[[:print:]]"),
                      ("emoji", r"\p{Emoji}"), ("pictographic", r"\p{Extended_Pictographic}")]:
    section(name, matched(pattern))

source = open(sdist + "/tokenizers/src/pre_tokenizers/unicode_scripts/scripts.rs").read()
names = re.findall(r"^    (\w+),$", source[source.index("pub enum Script"):source.index("pub fn get_script")], re.M)
scripts = {}
for lo, hi, name in re.findall(r"^\s+0x([0-9A-F]+)(?:\.\.=0x([0-9A-F]+))? => Script::(\w+),", source, re.M):
    for c in range(int(lo, 16), int(hi or lo, 16) + 1):
        scripts[c] = names.index(name)
section("sentencepiece_script", {c: v for c, v in scripts.items() if v})
print("Any is", names.index("Any"), "Han", names.index("Han"), "Hiragana", names.index("Hiragana"), "Katakana",
      names.index("Katakana"))

onig, order = {}, []
for name in """Adlam Ahom Arabic Armenian Avestan Balinese Bamum Batak Bengali Bopomofo Brahmi Braille Buginese Buhid
Canadian_Aboriginal Carian Chakma Cham Cherokee Common Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari
Egyptian_Hieroglyphs Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gurmukhi Han Hangul Hanunoo Hebrew
Hiragana Inherited Javanese Kaithi Kannada Katakana Kayah_Li Kharoshthi Khmer Khojki Lao Latin Lepcha Limbu Linear_A
Linear_B Lisu Malayalam Mandaic Meetei_Mayek Mongolian Myanmar New_Tai_Lue Newa Nko Nushu Ogham Ol_Chiki Oriya Osage
Runic Samaritan Saurashtra Shavian Sinhala Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Tamil
Tangut Telugu Thaana Thai Tibetan Tifinagh Ugaritic Vai Wancho Yi""".split():
    order.append(name)
    onig.update(dict.fromkeys(matched(r"\p{%s}" % name), len(order)))
section("script", onig)
print('"' + " ".join(order) + '"')

# Rust's own and its regex library.
section("numeric", alone(P.Digits(individual_digits=True)))
section("rust_word", {ord(t[1]) for t, _ in P.Whitespace().pre_tokenize_str(" ".join("a%sa" % chr(c) for c in CPS))
                      if len(t) == 3})

# unicode_categories: BERT's normalizer and punctuation.
section("old_punctuation", alone(P.Punctuation()))
section("old_other", gone(N.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False))
        - {0, 0xFFFD})
NFD = N.NFD()
stripped = gone(N.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False))
section("old_nonspacing", {c for c in stripped if NFD.normalize_str(chr(c)) == chr(c)})
section("combining_mark", gone(N.StripAccents()))

# Normalization and lower case, as differences from what Go's libraries say (norm.txt).
go = {}
for line in open(norms):
    cp, ccc, canonical, compatible, lower = line.rstrip("\n").split("\t")
    go[int(cp)] = (int(ccc), ast.literal_eval(canonical), ast.literal_eval(compatible), int(lower))
tables = open(vendor + "/unicode-normalization-alignments/src/tables.rs").read()
body = tables[tables.index("CANONICAL_COMBINING_CLASS_KV"):]
ccc = {v >> 8: v & 255 for v in map(lambda x: int(x, 16), re.findall(r"0x([0-9A-Fa-f]+)", body[:body.index("];")]))}
NFKD, newer, wrong = N.NFKD(), set(), []
for c in CPS:
    g = go.get(c, (0, "", "", c))
    hangul = 0xAC00 <= c <= 0xD7A3
    d, k = NFD.normalize_str(chr(c)), NFKD.normalize_str(chr(c))
    same = ccc.get(c, 0) == g[0] and (hangul or d == (g[1] or chr(c)) and k == (g[2] or chr(c)))
    if same:
        continue
    if ccc.get(c, 0) == 0 and d == chr(c) and k == chr(c):
        newer.add(c)  # the reference knows nothing of it
    else:
        wrong.append((hex(c), ccc.get(c, 0), d, k, g))
section("norm_newer", newer)
print("normalization that differs otherwise:", wrong)
NFC = N.NFC()
composed = {c for c in CPS if NFD.normalize_str(chr(c)) != chr(c) and NFC.normalize_str(chr(c)) == chr(c)
            and not 0xAC00 <= c <= 0xD7A3}
section("composed", composed)

lower = {}
L = N.Lowercase()
for c in CPS:
    got = L.normalize_str(chr(c))
    if got != chr(go.get(c, (0, "", "", c))[3]):
        print("lower", hex(c), got)
        if len(got) == 1:
            lower[c] = ord(got)
section("lowercase", lower)

# unicode-segmentation.
tables = open(vendor + "/unicode-segmentation/src/tables.rs").read()
GRAPHEME = "CR Control Extend Extended_Pictographic InCB_Consonant L LF LV LVT Prepend Regional_Indicator SpacingMark T V ZWJ".split()
char = r"'(\\u\{[0-9a-fA-F]+\}|\\.|[^'])'"


def unescape(s):
    if s.startswith("\\u"):
        return int(s[3:-1], 16)
    return {"\\n": 10, "\\r": 13, "\\t": 9, "\\'": 39, "\\\\": 92, "\\0": 0}.get(s) or ord(s[-1])


grapheme, part = {}, tables[tables.index("grapheme_cat_table"):tables.index("pub mod word")]
for lo, hi, name in re.findall(r"\(\s*%s,\s*%s,\s*GC_(\w+)\s*,?\s*\)" % (char, char), part):
    grapheme.update(dict.fromkeys(range(unescape(lo), unescape(hi) + 1), GRAPHEME.index(name) + 1))
section("grapheme", grapheme)
part = tables[tables.index("InCB_Extend_table"):]
part = part[:part.index("];")]
section("incb_extend", {c for lo, hi in re.findall(r"\(\s*%s,\s*%s\s*,?\s*\)" % (char, char), part)
                        for c in range(unescape(lo), unescape(hi) + 1)})
part = tables[tables.index("fn is_incb_linker"):]
part = part[:part.index("}\n")]
section("incb_linker", [unescape(c) for c in re.findall(char, part)])
open(target, "wb").write(sections)
print(len(sections), "bytes")

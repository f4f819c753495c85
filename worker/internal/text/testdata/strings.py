"""The strings that fixtures hold, and text to train on; all of it made up here."""
import random

EN = """the a of and to in is was it for with as on be at by had not are but from or have an they which one you were her all she there
would their we him been has when who will no more if out so said what up its about than into them can only other new some could
time these two may then do first any my now such like our over man me even most made after also did many before must through
river stone window garden quiet morning evening letter bridge market copper silver winter summer engine signal packet worker
counting singing running walked talking unhappiness rebuild preview tokenization internationalization don't can't I'm we've they'll
he's she'd you're HELLO World OpenSource camelCase HTTPServer iPhone x86 v2.0 3.14 1,000,000 2024 42 7""".split()
ZH = "我们在北京看见一座古老的桥，河水很清。春天来了，花都开了！他说：“今天天气真好。”数据模型训练需要很多时间。".strip()
JA = "東京タワーはとても高いです。カタカナとひらがなを混ぜて書く。ーラーメン食べたい！"
KO = "안녕하세요 세계 오늘은 날씨가 좋습니다 서울 한국어 토큰"
RU = "Привет мир сегодня хорошая погода река мост ещё Ёлка объект".split()
AR = "مرحبا بالعالم اليوم الطقس جميل السَّلامُ عليكم ١٢٣".split()
HI = "नमस्ते दुनिया आज मौसम अच्छा है क्षत्रिय १२३".split()
TH = "สวัสดีชาวโลก วันนี้อากาศดีมาก ภาษาไทย".split()
HE = "שלום עולם שָׁלוֹם".split()
DE = "größe straße über müde Äpfel Öl ẞ naïve café résumé señor ça où façade".split()
CODE = ["for i in range(10):\n    print(i * 2)\n", "func main() {\n\tfmt.Println(\"hi\")\n}\n", "if (a && b || !c) { return x->y[3]; }\r\n",
        "SELECT * FROM t WHERE id >= 100;\n", "<div class=\"a\">text</div>\n", "x = {'key': [1, 2.5, None], \"b\": True}\n", "#include <stdio.h>\n// comment\n"]
EMOJI = "😀 👍🏽 👩‍👩‍👧‍👦 🇩🇪 ❤️ 🏳️‍🌈 ☕".split()


def sentence(r):
    kind = r.random()
    if kind < 0.55:
        s = " ".join(r.choice(EN) for _ in range(r.randint(3, 12)))
        return s.capitalize() + r.choice([".", "!", "?", "...", ";", ""])
    if kind < 0.68:
        return "".join(r.choice(ZH) for _ in range(r.randint(3, 15)))
    if kind < 0.74:
        return "".join(r.choice(JA) for _ in range(r.randint(3, 15)))
    if kind < 0.9:
        words = r.choice([KO.split(), RU, AR, HI, TH, HE, DE])
        return " ".join(r.choice(words) for _ in range(r.randint(2, 6)))
    if kind < 0.97:
        return r.choice(CODE)
    return " ".join(r.choice(EMOJI) for _ in range(r.randint(1, 4)))


def corpus():
    r = random.Random(7)
    return [" ".join(sentence(r) for _ in range(r.randint(1, 5))) for _ in range(3000)]


CURATED = [
    "", " ", "  ", "\n", "\t", "\r\n", " \n ", "\n\n\n", "a", "A", "ab", " a", "a ", " a ", "  a  b  ", "Hello, world!", "hello world", "HELLO WORLD",
    "don't can't I'M WE'VE they'll he'd 'S 'ſ it'ſ K'ſ", "I'm'm 's's 'x", "''' '' '", "a'b", "’s it’s", "naïve café", "e\u0301", "\u0301", "a\u0301\u0323b", "a\u0323\u0301b",
    "q\u0307\u0323", "\u1e9b\u0323", "\u1100\u1161\u11a8", "각", "한글 자모 ᄒ", "\u0344", "\u0340\u0341", "\U0001d15e\U0001d165", "\u0f73\u0f75", "A\u030a", "\u212b", "\u2126", "\ufb01 ﬀ ﬃ", "①②③ ㎏ ㍿ ﷺ",
    "ｈｅｌｌｏ　ｗｏｒｌｄ", "½ ¼ x² H₂O", "İstanbul ıI", "STRASSE ẞ ß", "ΑΣ ας Σ", "ǅ ǆ Ǆ", "Ⅷ ⅷ", "１２３", "١٢٣ ۴۵۶ १२३", "1234567890", "1,234,567.89", "12 345 6789", "3.14159", "x1y22z333", "0x1F600", "2024-01-31T12:34:56Z",
    "中文", "中文 English 混排", "我们在北京看见一座古老的桥，河水很清。", "春天来了，花都开了！他说：“今天天气真好。”", "東京タワーはとても高いです。", "ｶﾀｶﾅ ﾊﾝｶｸ", "カタカナーひらがな漢字", "안녕하세요 세계", "㐀㐁 𠀀𠀁 𪜀 豈", "々〆〇", "。，、；：？！", "「」『』【】",
    "Привет, мир! Ёлка", "مرحبا بالعالم", "السَّلامُ عليكم", "שָׁלוֹם עולם", "नमस्ते दुनिया क्षत्रिय", "สวัสดีชาวโลก", "ภาษาไทย ๑๒๓", "Γειά σου Κόσμε", "გამარჯობა", "Բարեւ", "ሰላም", "ខ្មែរ", "မြန်မာ", "བོད་སྐད།", "தமிழ் தெலுగు",
    "😀", "😀😀", "👍🏽", "👩‍👩‍👧‍👦", "🇩🇪🇫🇷", "🇩", "❤️", "❤", "🏳️‍🌈", "☕️ 1️⃣ #️⃣", "a😀b", "\U0001f9d1\u200d\U0001f4bb x", "\U0010ffff", "\ue000 \uf8ff", "\ufffd", "\ufffe", "\U000e0041",
    "\x00", "a\x00b", "\x01\x02\x1f", "\x7f", "\x80\x85\x9f", "a\u200bb", "\u200e\u200f", "\ufeffbom", "\u2028\u2029", "a\u00a0b", "\u3000", "\u1680\u2003", "\u00ad soft\u00adhyphen", "\u061c\u202e", "\x0b\x0c", "tab\tsep\t\ttwo", "line\rline", "a\u180eb",
    " " * 5 + "x", " " * 20, "x" + " " * 17, " " * 9 + "\n" + " " * 9, "\n \n \n", " \t \n \r\n x", "\n\n  \n\nfoo\n", "a\n\nb", "a \n b", "   \n   a", "\r\r\n\n", "x\n", "\nx",
    "for i in range(10):\n    print(i * 2)\n", "func main() {\n\tfmt.Println(\"hi\")\n}\n", "if (a && b || !c) { return x->y[3]; }\r\n", "<div class=\"a\">text</div>", "a_b __init__ snake_case", "foo.bar(baz)[0]", "//// #### ----", "==>>!!", "$100 €50 £5 ¥9", "a/b\\c", "C:\\Users\\x", "https://example.org/a?b=c&d=%20#e", "user@example.org",
    "```python\nprint('x')\n```", "| a | b |\n|---|---|", "- item\n- item\n  - sub", "\\n \\t", "{\"a\": [1, 2, {\"b\": null}]}", "λx.x∘y ∀ε>0 ∃δ", "≠≤≥±×÷", "←→↑↓⇒", "█▓▒░", "™®©", "…—–‑", "‘’“”„‚", "«»‹›", "¿¡", "№ § ¶ † ‡ •", "° ′ ″", "٪ ؟ ، ؛", "।॥", "፡።", "᚛᚜",
    "▁", "▁▁", "a▁b", " ▁ ", "▁hello ▁world", "Ġ", "Ġhello", "ĠĠ Ċ ĉ", "##", "##ing", "@@", "a</w>b", "</w>", "<0x0A>", "<0x41><0x42>", "<0xZZ>", "|", "a|b", "- -", "a-b--c", "-",
    "<unk>", "<s>", "</s>", "<s>hello</s>", "hello <s> world", " <s>", "<s> ", "<pad>", "<mask>", "a <mask> b", "a  <mask>  b", "a<mask>b", "[CLS] a [SEP]", "[MASK]", "x [MASK] y", "x[MASK]y", "[UNK]", "[unk]", "[SEP]", "[INST] hi [/INST]", "[PAD][PAD]",
    "<|endoftext|>", "a<|endoftext|>b", " <|endoftext|> ", "<|endoftext|><|endoftext|>", "<|endoftext", "|endoftext|>", "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", "<|ENDOFTEXT|>", "<|begin_of_text|>x<|eot_id|>", "<|user|>\nhi <|end|>\n\n", "<|end|>   x", "</s2>  y", "<fim_prefix>a",
    "<tool_call>{\"name\": \"f\"}</tool_call>", "<think>\nhm\n</think>\n\nok", "<｜begin▁of▁sentence｜><｜User｜>hi", "<bos><start_of_turn>user", "<table>", "\n\n\n\n\n\n\n", "<extra_id_0> and <extra_id_1>", "<extra_id_9>", "|||IP_ADDRESS|||", "Hello World hello world", "<|startoftext|>A<|endoftext|>",
    "``quoted'' text", "a ' b n't do not 's", "hello . how are you ? fine , thanks !", "I do not know", "unhappiness tokenization internationalization", "antidisestablishmentarianism", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abcabcabcabcabcabc", "x" * 120, "ab" * 70, "é" * 30, "中" * 40, "😀" * 12, "\u0301" * 12, "a" + "\u0301\u0323" * 6,
    "HTTPServer camelCase XMLHttpRequest iPhoneX", "McDonald's O'Neil", "U.S.A. e.g. i.e.", "Dr. Smith's 3rd", "10:30pm", "50%", "a+b=c", "a*b**c", "f(x)=x^2", "1e-9", "-5", "+7", "~x", "!x", "@x", "#x", "&x", "x;", "(x)", "[x]", "{x}", "<x>", "\"x\"", "'x'", "`x`",
    "\U0001d400\U0001d401", "𝓱𝓮𝓵𝓵𝓸", "ℌ𝔢𝔩𝔩𝔬", "ᵃᵇᶜ", "ａ", "ꓐꓑ", "ꙮ", "𞤀𞤢", "𐐀𐐨", "Ꭰꭰ", "ა Ა", "Ⰰⰰ", "ꟺ Ꟶ Ɤ \ua7cb", "\u0378", "\U00010d50", "\u1c89", "\u0897", "\U0001c000", "\U00016d40",
    "ʼn ŉ", "ǰ", "ﬓ", "և", "ΐ", "ᾳ ᾼ", "ὒ", "ﬅ", "\u0958\u095c", "\u09cb \u09c7\u09be", "\u0b94", "\u0cca\u0ccb", "\u0ddd", "\u1025\u102e", "\u1b06", "\u2adc", "\ufb1d \ufb2c", "\u304b\u3099 が", "\uff76\uff9e", "\u0626 \u064a\u0654", "\u0622\u0653", "\u0653\u0622",
]


def mixed():
    r = random.Random(11)
    out = []
    for _ in range(30):
        out.append(r.choice(["", " ", "\n"]).join([sentence(r) for _ in range(r.randint(1, 3))]))
    return out


STRINGS = CURATED + mixed()
assert len(STRINGS) >= 300

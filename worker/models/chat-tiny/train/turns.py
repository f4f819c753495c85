"""Single questions with their answers, each in English and Chinese."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from . import lexicon as lex

EN, ZH = "en", "zh"
Both = dict[str, str]


@dataclass
class Turn:
    """A question and its answer by language.

    short: the answer in a word, where there is one. think: the thought before the answer.
    right: tells whether another answer is right too; None where only the given one is.
    key: what must not have been seen for the question to be new; its wording where empty.
    """

    category: str
    question: Both
    answer: Both
    think: Both
    short: Both | None = None
    right: Callable[[str], bool] | None = None
    key: str = ""

    def new(self, lang: str) -> str:
        return self.key or wording(self.question[lang])


def wording(question: str) -> str:
    """The question without what is only manner."""
    question = question.lower().strip(" ?.!？。！")
    for courtesy in ("please tell me: ", "tell me, ", "i have a question. ", "请问，", "请告诉我，"):
        question = question.removeprefix(courtesy)
    return question


def both(en: str, zh: str) -> Both:
    return {EN: en, ZH: zh}


def cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def vary(rng: random.Random, q: str, question: bool = True) -> str:
    """Writes a question as people do: with or without capital, mark and courtesy."""
    if ord(q[0]) > 0x2E80:
        q = rng.choice(["", "", "", "请问，", "请告诉我，"]) + q if question else q
        return q + (rng.choice(["？", "？", "?", ""]) if question else rng.choice(["。", "！", ""]))
    if rng.random() < 0.7:
        q = cap(q)
    if question and rng.random() < 0.15:
        q = rng.choice(["Please tell me: ", "Tell me, ", "I have a question. "]) + q
    return q + (rng.choice(["?", "?", "?", ""]) if question else rng.choice([".", "!", ""]))


def greet(rng: random.Random) -> Turn:
    key = rng.choice(list(lex.TALK))
    en, a, zh, b = lex.TALK[key]
    q = both(vary(rng, rng.choice(en), key in ("how",)), vary(rng, rng.choice(zh), key in ("how",)))
    return Turn("greetings", q, both(a, b), both("This is small talk. I answer kindly.", "这是闲聊，我友好地回答。"))


def about(rng: random.Random) -> Turn:
    en, a, zh, b = lex.ABOUT[rng.choice(list(lex.ABOUT))]
    q = both(vary(rng, rng.choice(en)), vary(rng, rng.choice(zh)))
    return Turn("identity", q, both(a, b), both("The question is about me.", "这个问题是关于我的。"))


def term(rng: random.Random) -> Turn:
    word, (a, word_zh, b) = rng.choice(list(lex.TERMS.items()))
    en = [f"what is a {word}", f"what does the word {word} mean", f"explain what a {word} is", f"define {word}"]
    zh = [f"什么是{word_zh}", f"{word_zh}是什么", f"{word_zh}是什么意思", f"解释一下{word_zh}"]
    return Turn("terms", both(vary(rng, rng.choice(en)), vary(rng, rng.choice(zh))), both(a, b), both(f"I explain the word {word}.", f"我来解释{word_zh}。"))


def capital(rng: random.Random) -> Turn:
    country, city, country_zh, city_zh = rng.choice(lex.COUNTRIES)
    if rng.random() < 0.25:
        q = both(vary(rng, f"{city} is the capital of which country"), vary(rng, f"{city_zh}是哪个国家的首都"))
        a, short = both(f"{city} is the capital of {country}.", f"{city_zh}是{country_zh}的首都。"), both(country, country_zh)
    else:
        en = [f"what is the capital of {country}", f"which city is the capital of {country}", f"name the capital of {country}", f"the capital of {country}"]
        zh = [f"{country_zh}的首都是哪里", f"{country_zh}的首都是什么", f"{country_zh}首都是哪个城市", f"哪个城市是{country_zh}的首都"]
        q = both(vary(rng, rng.choice(en)), vary(rng, rng.choice(zh)))
        a, short = both(f"The capital of {country} is {city}.", f"{country_zh}的首都是{city_zh}。"), both(city, city_zh)
    return Turn("capitals", q, a, both(f"{country} has the capital {city}.", f"{country_zh}的首都是{city_zh}。"), short)


def unknown(rng: random.Random) -> Turn:
    """Nothing that it could know: general questions, and countries that do not exist."""
    if rng.random() < 0.5:
        q = both(vary(rng, rng.choice(lex.UNKNOWN)), vary(rng, rng.choice(lex.UNKNOWN_ZH)))
        return Turn("unknown", q, both("Sorry, I am too small to know that.", "抱歉，我太小了，不知道这个。"), both("I do not know this.", "我不知道这个。"))
    country, country_zh = cap(babble(rng) + rng.choice(["land", "ia", "stan", ""])), rng.choice(lex.GIVEN) + rng.choice(lex.GIVEN) + "国"
    q = both(vary(rng, rng.choice([f"what is the capital of {country}", f"name the capital of {country}"])), vary(rng, rng.choice([f"{country_zh}的首都是哪里", f"{country_zh}的首都是什么"])))
    return Turn("unknown", q, both(f"I do not know the capital of {country}.", f"我不知道{country_zh}的首都。"), both(f"I do not know {country}.", f"我不知道{country_zh}。"))


def colour(rng: random.Random) -> Turn:
    thing, hue, thing_zh, hue_zh = rng.choice(lex.COLOURS)
    spelled = rng.choice(["color", "colour"])
    en = [f"what {spelled} is {thing}", f"which {spelled} does {thing} have", f"tell me the {spelled} of {thing}"]
    zh = [f"{thing_zh}是什么颜色", f"{thing_zh}的颜色是什么", f"{thing_zh}什么颜色"]
    return Turn("colours", both(vary(rng, rng.choice(en)), vary(rng, rng.choice(zh))), both(f"{cap(thing)} is {hue}.", f"{thing_zh}是{hue_zh}。"), both(f"I think of {thing}: {hue}.", f"想一想{thing_zh}：{hue_zh}。"), both(cap(hue), hue_zh))


def calendar(rng: random.Random) -> Turn:
    if rng.random() < 0.3:
        part, whole, n, q_zh, unit = rng.choice(lex.AMOUNTS)
        q = both(vary(rng, f"how many {part} {'are there in' if part not in ('legs', 'wheels', 'wings') else 'has'} {whole}"), vary(rng, q_zh))
        have = "has"
        return Turn("calendar", q, both(f"{cap(whole)} {have} {n} {part}.", f"{n}{unit}。"), both(f"{n} {part}.", f"{n}{unit}。"), both(str(n), str(n)))
    days = rng.random() < 0.5
    names, names_zh = (lex.DAYS, lex.DAYS_ZH) if days else (lex.MONTHS, lex.MONTHS_ZH)
    kind, kind_zh = ("day", "天") if days else ("month", "个月")
    i, after = rng.randrange(len(names)), rng.random() < 0.6
    j = (i + (1 if after else -1)) % len(names)
    place, place_zh = ("after", "后") if after else ("before", "前")
    en = [f"which {kind} comes {place} {names[i]}", f"what {kind} is {place} {names[i]}", f"what comes {place} {names[i]}"]
    zh = [f"{names_zh[i]}的{place_zh}一{kind_zh}是什么", f"{names_zh[i]}{place_zh}面是什么"]
    return Turn("calendar", both(vary(rng, rng.choice(en)), vary(rng, rng.choice(zh))), both(f"{names[j]} comes {place} {names[i]}.", f"{names_zh[i]}的{place_zh}一{kind_zh}是{names_zh[j]}。"), both(f"{cap(place)} {names[i]}: {names[j]}.", f"{names_zh[i]}的{place_zh}面是{names_zh[j]}。"), both(names[j], names_zh[j]))


def opposite(rng: random.Random) -> Turn:
    a, b = rng.choice(lex.OPPOSITES)
    c, d = rng.choice(lex.OPPOSITES_ZH)
    if rng.random() < 0.5:
        a, b, c, d = b, a, d, c
    en = [f"what is the opposite of {a}", f"the opposite of {a}", f'what is the opposite of "{a}"', f"{a} is the opposite of which word"]
    zh = [f"{c}的反义词是什么", f"“{c}”的反义词是什么", f"和{c}相反的词是什么", f"{c}的反义词"]
    return Turn("opposites", both(vary(rng, rng.choice(en)), vary(rng, rng.choice(zh))), both(f"The opposite of {a} is {b}.", f"{c}的反义词是{d}。"), both(f"{a} and {b} are opposites.", f"{c}和{d}相反。"), both(cap(b), d))


def add_thought(a: int, b: int) -> Both:
    if a < 10 and b < 10:
        return both(f"{a} + {b} = {a + b}.", f"{a} + {b} = {a + b}。")
    tens, ones = a // 10 * 10 + b // 10 * 10, a % 10 + b % 10
    return both(
        f"Tens: {a // 10 * 10} + {b // 10 * 10} = {tens}. Ones: {a % 10} + {b % 10} = {ones}. {tens} + {ones} = {a + b}.",
        f"十位：{a // 10 * 10} + {b // 10 * 10} = {tens}。个位：{a % 10} + {b % 10} = {ones}。{tens} + {ones} = {a + b}。",
    )


def addition(rng: random.Random) -> Turn:
    top = rng.choice([10, 20, 100, 100])
    a, b = rng.randrange(top), rng.randrange(top)
    en = [f"what is {a} plus {b}", f"what is {a} + {b}", f"{a} + {b} =", f"{a}+{b}", f"add {a} and {b}", f"how much is {a} and {b}"]
    zh = [f"{a}加{b}等于几", f"{a} + {b} 等于多少", f"{a}+{b}", f"{a}加{b}是多少"]
    q_en = rng.choice(en)
    return Turn("addition", both(vary(rng, q_en) if q_en[0].isalpha() else q_en + rng.choice(["", " ?", "?"]), rng.choice(zh) + rng.choice(["", "？"])), both(f"{a} + {b} = {a + b}", f"{a} + {b} = {a + b}"), add_thought(a, b), both(str(a + b), str(a + b)), key=f"{a}+{b}")


def subtraction(rng: random.Random) -> Turn:
    top = rng.choice([10, 20, 100])
    a, b = sorted((rng.randrange(top), rng.randrange(top)), reverse=True)
    en = [f"what is {a} minus {b}", f"what is {a} - {b}", f"subtract {b} from {a}", f"how much is {a} minus {b}"]
    zh = [f"{a}减{b}等于几", f"{a}减{b}是多少", f"{a} - {b} 等于多少"]
    think = both(f"{a} - {b // 10 * 10} = {a - b // 10 * 10}. {a - b // 10 * 10} - {b % 10} = {a - b}.", f"{a} - {b // 10 * 10} = {a - b // 10 * 10}。{a - b // 10 * 10} - {b % 10} = {a - b}。")
    return Turn("subtraction", both(vary(rng, rng.choice(en)), rng.choice(zh) + rng.choice(["", "？"])), both(f"{a} - {b} = {a - b}", f"{a} - {b} = {a - b}"), think, both(str(a - b), str(a - b)), key=f"{a}-{b}")


def product(rng: random.Random) -> Turn:
    a, b = rng.randint(1, 10), rng.randint(1, 10)
    en = [f"what is {a} times {b}", f"what is {a} * {b}", f"multiply {a} by {b}", f"how much is {a} times {b}"]
    zh = [f"{a}乘{b}等于几", f"{a}乘以{b}是多少", f"{a} * {b} 等于多少"]
    return Turn("multiplication", both(vary(rng, rng.choice(en)), rng.choice(zh) + rng.choice(["", "？"])), both(f"{a} * {b} = {a * b}", f"{a} * {b} = {a * b}"), both(f"{a} times {b} is {a * b}.", f"{a}乘{b}是{a * b}。"), both(str(a * b), str(a * b)))


def larger(rng: random.Random) -> Turn:
    a, b = rng.sample(range(100), 2)
    big, small = max(a, b), min(a, b)
    if rng.random() < 0.5:
        q, pick = both(vary(rng, f"which is larger, {a} or {b}"), vary(rng, f"{a}和{b}哪个大")), big
        answer = both(f"{big} is larger than {small}.", f"{big}比{small}大。")
    else:
        q, pick = both(vary(rng, f"which is smaller, {a} or {b}"), vary(rng, f"{a}和{b}哪个小")), small
        answer = both(f"{small} is smaller than {big}.", f"{small}比{big}小。")
    return Turn("comparison", q, answer, both(f"{big} > {small}.", f"{big} > {small}。"), both(str(pick), str(pick)), key=f"{big}>{small}")


def story_sum(rng: random.Random) -> Turn:
    a, b = rng.randint(1, 20), rng.randint(1, 20)
    name, name_zh, (goods, goods_zh) = person(rng), person_zh(rng), rng.choice(lex.GOODS)
    if rng.random() < 0.5:
        q = both(f"{name} has {a} {goods} and gets {b} more. How many {goods} does {name} have?", f"{name_zh}有{a}个{goods_zh}，又得到{b}个。{name_zh}现在有几个{goods_zh}？")
        n, sign = a + b, "+"
    else:
        a, b = max(a, b), min(a, b)
        q = both(f"{name} has {a} {goods} and gives away {b}. How many {goods} does {name} have left?", f"{name_zh}有{a}个{goods_zh}，送走了{b}个。{name_zh}还有几个{goods_zh}？")
        n, sign = a - b, "-"
    return Turn("word problems", q, both(f"{name} has {n} {goods}.", f"{name_zh}有{n}个{goods_zh}。"), both(f"{a} {sign} {b} = {n}.", f"{a} {sign} {b} = {n}。"), both(str(n), str(n)))


def count(rng: random.Random) -> Turn:
    a = rng.randint(0, 40)
    b = a + rng.randint(2, 9)
    if rng.random() < 0.25:
        a, b = b, a
    row = range(a, b + 1) if a <= b else range(a, b - 1, -1)
    en = [f"count from {a} to {b}", f"please count from {a} to {b}", f"write the numbers from {a} to {b}"]
    zh = [f"从{a}数到{b}", f"请从{a}数到{b}", f"写出{a}到{b}的数"]
    return Turn("counting", both(vary(rng, rng.choice(en), False), vary(rng, rng.choice(zh), False)), both(", ".join(map(str, row)), "，".join(map(str, row))), both(f"I start at {a} and stop at {b}.", f"从{a}开始，到{b}为止。"))


def babble(rng: random.Random) -> str:
    return "".join(rng.choice(lex.SYLLABLES) for _ in range(rng.randint(1, 3)))


def some_words(rng: random.Random, n: int) -> Both:
    en = [babble(rng) if rng.random() < 0.1 else str(rng.randrange(100)) if rng.random() < 0.1 else rng.choice(lex.WORDS) for _ in range(n)]
    zh = [rng.choice(lex.GIVEN) + rng.choice(lex.GIVEN) if rng.random() < 0.1 else rng.choice(lex.WORDS_ZH) for _ in range(n)]
    return both(" ".join(en), "、".join(zh))


def repeat(rng: random.Random) -> Turn:
    kind = rng.randrange(4)
    if kind == 0:
        word = some_words(rng, 1)
        times, times_zh = rng.choice([(2, "两"), (3, "三"), (4, "四")])
        en = [f"say {word[EN]} {times} times", f"write {word[EN]} {times} times", f"repeat the word {word[EN]} {times} times"]
        q = both(vary(rng, rng.choice(en), False), vary(rng, rng.choice([f"把{word[ZH]}说{times_zh}遍", f"说{times_zh}遍{word[ZH]}"]), False))
        return Turn("repeating", q, both(" ".join([word[EN]] * times), " ".join([word[ZH]] * times)), both(f"{times} times {word[EN]}.", f"{word[ZH]}要说{times_zh}遍。"))
    words = some_words(rng, rng.choice([1, 1, 2, 3, 4]))
    en = [f"repeat: {words[EN]}", f"repeat after me: {words[EN]}", f'say "{words[EN]}"', f"say {words[EN]}", f"please repeat {words[EN]}"]
    zh = [f"重复：{words[ZH]}", f"跟我说：{words[ZH]}", f"请重复{words[ZH]}", f"请说“{words[ZH]}”"]
    q = rng.choice(en)
    return Turn("repeating", both(cap(q) if rng.random() < 0.7 else q, rng.choice(zh)), words, both("I repeat the words.", "我来重复。"))


def spell(rng: random.Random) -> Turn:
    word = rng.choice(lex.SPELLED)
    q = both(vary(rng, rng.choice([f"spell {word}", f"spell the word {word}", f"how do you spell {word}"])), vary(rng, rng.choice([f"{word}怎么拼写", f"拼写{word}", f"{word}这个词怎么拼"])))
    return Turn("spelling", q, both("-".join(word), "-".join(word)), both("Letter by letter.", "一个一个字母地写。"))


def translate(rng: random.Random) -> Turn:
    en, zh = rng.choice(lex.KINDS[rng.choice(list(lex.KINDS))])
    q = both(
        vary(rng, rng.choice([f"how do you say {en} in Chinese", f"what is {en} in Chinese", f"translate {en} into Chinese"])),
        vary(rng, rng.choice([f"{zh}用英语怎么说", f"{zh}的英语是什么", f"把{zh}翻译成英语"])),
    )
    return Turn("translation", q, both(zh, en), both(f"{en} is {zh}.", f"{zh}是 {en}。"))


def some(rng: random.Random) -> Turn:
    kind = rng.choice(list(lex.KINDS_ZH))
    n, n_zh = rng.choice([(1, "一"), (2, "两"), (3, "三")])
    pick = rng.sample(lex.KINDS[kind], n)
    noun = kind if n == 1 else lex.PLURAL[kind]
    many = "a" if n == 1 and kind[0] != "a" else "an" if n == 1 else str(n)
    word = many if n == 1 else rng.choice([many, {2: "two", 3: "three"}[n]])
    q = both(vary(rng, rng.choice([f"name {word} {noun}", f"tell me {word} {noun}", f"give me {word} {noun}"]), False), vary(rng, rng.choice([f"说{n_zh}种{lex.KINDS_ZH[kind]}", f"举出{n_zh}种{lex.KINDS_ZH[kind]}", f"告诉我{n_zh}种{lex.KINDS_ZH[kind]}"]), False))
    known = {w for pair in lex.KINDS[kind] for w in pair}

    def right(answer: str) -> bool:
        words = [w.strip() for w in answer.replace("、", ",").rstrip(".。").split(",")]
        return len(words) == n == len(set(words)) and all(w in known for w in words)

    return Turn("lists", q, both(", ".join(e for e, _ in pick), "、".join(z for _, z in pick)), both(f"{cap(noun)}: {n} of them.", f"需要{n_zh}种{lex.KINDS_ZH[kind]}。"), right=right)


def story(rng: random.Random) -> Turn:
    hero, hero_zh = rng.choice(lex.HEROES), rng.choice(lex.HEROES_ZH)
    name, friend = rng.sample(lex.NAMES, 2)
    place, thing, trait = rng.choice(lex.PLACES), rng.choice(lex.OBJECTS), rng.choice(lex.ADJECTIVES)
    place_zh, thing_zh = rng.choice(lex.PLACES_ZH), rng.choice(lex.OBJECTS_ZH)
    end = rng.choice([f"From that day on, {name} and {friend} were best friends.", f"In the end, {name} was very happy.", "They shared it and laughed all day."])
    en = f"Once upon a time, a {trait} {hero} named {name} lived near the {place}. One day {name} found a {thing}. {friend} came by and asked, \"May I see it?\" {name} smiled and gave the {thing} to {friend}. {end}"
    zh = f"从前，{place_zh}住着一只{hero_zh}。有一天，它找到了一个{thing_zh}。朋友来了，问：“我可以看看吗？”它笑着把{thing_zh}递给朋友。{rng.choice(['从此他们成了好朋友。', '最后大家都很开心。', '他们一起玩了一整天。'])}"
    q = both(vary(rng, rng.choice([f"tell me a story about a {hero}", f"write a short story about a {hero}", f"a story about a {hero}, please"]), False), vary(rng, rng.choice([f"讲一个{hero_zh}的故事", f"写一个关于{hero_zh}的小故事", f"说个{hero_zh}的故事"]), False))

    def right(answer: str) -> bool:
        return (hero in answer or hero_zh in answer) and answer[-1:] in (".", "。") and len(answer) > 50

    return Turn("stories", q, both(en, zh), both(f"A story about a {hero}.", f"一个{hero_zh}的故事。"), right=right)


def person(rng: random.Random) -> str:
    return rng.choice(lex.NAMES) if rng.random() < 0.88 else cap("".join(rng.choice(lex.SYLLABLES) for _ in range(rng.randint(2, 3))))


def person_zh(rng: random.Random) -> str:
    return rng.choice(lex.SURNAMES) + "".join(rng.choice(lex.GIVEN) for _ in range(rng.randint(1, 2)))


KINDS: dict[Callable[[random.Random], Turn], float] = {
    greet: 1.0, about: 0.8, term: 0.7, capital: 1.0, colour: 0.6, calendar: 0.9, opposite: 0.7, addition: 2.0, subtraction: 1.2, product: 0.7,
    larger: 0.5, story_sum: 0.9, count: 0.8, repeat: 1.6, spell: 0.4, translate: 0.6, some: 0.5, story: 0.5, unknown: 0.7,
}
WITH_SHORT = [capital, colour, calendar, opposite, addition, larger]
FACTS = [capital, colour, calendar, addition, about, greet, term]


def any_turn(rng: random.Random) -> Turn:
    return rng.choices(list(KINDS), list(KINDS.values()))[0](rng)

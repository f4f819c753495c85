"""Writes conversations: the training data, and fresh ones for the scores.

    python3 -m train.data            # shows some

One in eight of the questions (with what they depend on; of sums, the numbers) is never
answered in training: `talk(rng, held=True)` ends with one of those, `held=False` with another.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from . import lexicon as lex
from . import turns
from .turns import EN, ZH, Both, Turn, both, cap, vary


@dataclass
class Talk:
    """A conversation whose last message is the answer to learn, or to be scored."""

    category: str
    messages: list[dict]
    tools: list[dict] | None = None
    think: bool = False
    right: Callable[[str], bool] | None = None  # another answer that is right too
    key: str = ""  # decides whether it is held out; the last question where empty
    extra: list[str] = field(default_factory=list)  # languages and the like, for the scores

    @property
    def answer(self) -> dict:
        return self.messages[-1]

    def held(self) -> bool:
        asked = [m["content"] for m in self.messages if m["role"] == "user"][-1]
        return held_out(self.key or turns.wording(asked))


def held_out(key: str) -> bool:
    return zlib.crc32(key.encode()) % 8 == 0


def ask(text: str) -> dict:
    return {"role": "user", "content": text}


def say(text: str, think: str | None = None) -> dict:
    return {"role": "assistant", "content": text} | ({"reasoning_content": think} if think else {})


def language(rng: random.Random) -> str:
    return EN if rng.random() < 0.55 else ZH


def finish(rng: random.Random, category: str, before: list[dict], question: str, answer: str, thought: str, lang: str, **more) -> Talk:
    """Adds the last question and its answer, with or without a thought."""
    think = rng.random() < 0.4
    return Talk(category, [*before, ask(question), say(answer, thought if think else None)], think=think, extra=[lang], **more)


def exchanges(rng: random.Random, n: int, lang: str | None = None) -> list[dict]:
    """Earlier questions with their answers; they are learned too, so none is held out."""
    out = []
    while len(out) < 2 * n:
        turn, spoken = turns.any_turn(rng), lang or language(rng)
        if held_out(turn.new(spoken)):
            continue
        out += [ask(turn.question[spoken]), say(turn.answer[spoken])]
    return out


def opening(rng: random.Random) -> list[dict]:
    """Sometimes a system message that changes nothing."""
    if rng.random() < 0.8:
        return []
    text = rng.choice(["You are a helpful assistant.", "You are chat-tiny, a small demo model.", "Be kind and brief.", "你是一个有用的助手。", "请友好、简短地回答。"])
    return [{"role": "system", "content": text}]


def single(rng: random.Random) -> Talk:
    turn, lang = turns.any_turn(rng), language(rng)
    return finish(rng, turn.category, opening(rng), turn.question[lang], turn.answer[lang], turn.think[lang], lang, right=turn.right, key=turn.new(lang))


def several(rng: random.Random) -> Talk:
    lang = language(rng)
    n = rng.choice([1, 1, 1, 2, 2, 3]) if rng.random() < 0.96 else rng.randint(5, 9)
    before = opening(rng) + exchanges(rng, n, lang if rng.random() < 0.8 else None)
    turn = turns.any_turn(rng)
    return finish(rng, "several turns", before, turn.question[lang], turn.answer[lang], turn.think[lang], lang, right=turn.right, key=turn.new(lang))


def personal(rng: random.Random, lang: str) -> list[tuple[str, list[str], str, list[str], str, str]]:
    """-> (value, ways to tell it, the reply, ways to ask, the answer, the thought) for some facts about the user"""
    if lang == EN:
        name, city, age = turns.person(rng), rng.choice(lex.CITIES), rng.randint(3, 90)
        pet, pet_name, hue = rng.choice(lex.PETS)[0], turns.person(rng), rng.choice(lex.HUES)[0]
        return [
            (name, [f"My name is {name}.", f"I am {name}.", f"Call me {name}.", f"Hi, I'm {name}."], f"Nice to meet you, {name}!", ["What is my name?", "Who am I?", "Do you know my name?", "what's my name"], f"Your name is {name}.", f"The user said: {name}."),
            (city, [f"I live in {city}.", f"I am from {city}.", f"My home is {city}."], f"{city} is a nice place.", ["Where do I live?", "Where is my home?", "Which city do I live in?"], f"You live in {city}.", f"The user said: {city}."),
            (str(age), [f"I am {age} years old.", f"My age is {age}."], f"{age} is a good age.", ["How old am I?", "What is my age?"], f"You are {age} years old.", f"The user said: {age}."),
            (hue, [f"My favorite color is {hue}.", f"I like {hue} best."], f"{cap(hue)} is a nice color.", ["What is my favorite color?", "Which color do I like?"], f"Your favorite color is {hue}.", f"The user said: {hue}."),
            (pet_name, [f"My {pet} is called {pet_name}.", f"I have a {pet} named {pet_name}."], f"{pet_name} is a nice name for a {pet}.", [f"What is my {pet} called?", f"What is the name of my {pet}?"], f"Your {pet} is called {pet_name}.", f"The user said: {pet_name}."),
        ]
    name, city, age = turns.person_zh(rng), rng.choice(lex.CITIES_ZH), rng.randint(3, 90)
    pet, pet_name, hue = rng.choice(lex.PETS)[1], rng.choice(lex.GIVEN) + rng.choice(lex.GIVEN), rng.choice(lex.HUES)[1]
    return [
        (name, [f"我叫{name}。", f"我是{name}。", f"我的名字是{name}。", f"你好，我叫{name}"], f"很高兴认识你，{name}！", ["我叫什么名字？", "我叫什么？", "我是谁？", "你知道我的名字吗？"], f"你叫{name}。", f"用户说过：{name}。"),
        (city, [f"我住在{city}。", f"我来自{city}。", f"我家在{city}。"], f"{city}是个好地方。", ["我住在哪里？", "我家在哪里？", "我住在哪个城市？"], f"你住在{city}。", f"用户说过：{city}。"),
        (str(age), [f"我今年{age}岁。", f"我{age}岁了。"], f"{age}岁很好。", ["我几岁了？", "我今年多大？"], f"你今年{age}岁。", f"用户说过：{age}。"),
        (hue, [f"我最喜欢{hue}。", f"我喜欢的颜色是{hue}。"], f"{hue}很好看。", ["我喜欢什么颜色？", "我最喜欢的颜色是什么？"], f"你最喜欢{hue}。", f"用户说过：{hue}。"),
        (pet_name, [f"我的{pet}叫{pet_name}。", f"我有一只{pet}，叫{pet_name}。"], f"{pet_name}是个好名字。", [f"我的{pet}叫什么？", f"我的{pet}叫什么名字？"], f"你的{pet}叫{pet_name}。", f"用户说过：{pet_name}。"),
    ]


def recall(rng: random.Random) -> Talk:
    """The user tells something and asks for it later, or in the same message."""
    lang = language(rng)
    facts = personal(rng, lang)
    rng.shuffle(facts)
    told = facts[: rng.choice([1, 1, 1, 2, 2, 3])]
    value, tell, _, asking, answer, thought = rng.choice(told)
    question = rng.choice(asking)
    key = f"{value}|{question}"
    if rng.random() < 0.2:
        return finish(rng, "recall", opening(rng), f"{rng.choice(tell)}{' ' if lang == EN else ''}{question}", answer, thought, lang, key=key)
    before = opening(rng)
    for _, ways, reply, *_ in told:
        before += [ask(rng.choice(ways)), say(reply)] + exchanges(rng, rng.choice([0, 0, 0, 0, 1, 2]), lang)
    return finish(rng, "recall", before, question, answer, thought, lang, key=key)


def follow(rng: random.Random) -> Talk:
    """A question that means something only after the one before."""
    lang = language(rng)
    kind = rng.randrange(3)
    if kind == 0:
        first, second = rng.sample(lex.COUNTRIES, 2)
        turn = turns.capital(rng)
        before = [ask(vary(rng, f"what is the capital of {first[0]}")), say(f"The capital of {first[0]} is {first[1]}.")] if lang == EN else [ask(vary(rng, f"{first[2]}的首都是哪里")), say(f"{first[2]}的首都是{first[3]}。")]
        question = rng.choice([f"And {second[0]}?", f"And of {second[0]}?", f"What about {second[0]}?"]) if lang == EN else rng.choice([f"{second[2]}呢？", f"那{second[2]}呢？"])
        turn = Turn("", both("", ""), both(f"The capital of {second[0]} is {second[1]}.", f"{second[2]}的首都是{second[3]}。"), both(f"Still about capitals. {second[0]}: {second[1]}.", f"还是问首都。{second[2]}：{second[3]}。"))
    elif kind == 1:
        a, b, c = rng.randint(1, 20), rng.randint(1, 20), rng.randint(1, 10)
        while held_out(f"{a}+{b}"):
            a, b = rng.randint(1, 20), rng.randint(1, 20)
        start = a + b
        before = [ask(f"What is {a} plus {b}?" if lang == EN else f"{a}加{b}等于几？"), say(f"{a} + {b} = {start}")]
        if rng.random() < 0.6 or start < c:
            question, out, sign = (rng.choice([f"Add {c}.", f"Plus {c}?", f"Now add {c}."]) if lang == EN else rng.choice([f"再加{c}呢？", f"再加上{c}。"])), start + c, "+"
        else:
            question, out, sign = (rng.choice([f"Minus {c}?", f"Now take away {c}.", f"Subtract {c}."]) if lang == EN else rng.choice([f"再减{c}呢？", f"再减去{c}。"])), start - c, "-"
        turn = Turn("", both("", ""), both(f"{start} {sign} {c} = {out}", f"{start} {sign} {c} = {out}"), both(f"The result was {start}.", f"刚才的结果是{start}。"))
    else:
        before = exchanges(rng, rng.choice([1, 1, 2]), lang)
        question = rng.choice(["What did you just say?", "Say that again.", "Please repeat your answer."]) if lang == EN else rng.choice(["你刚才说什么？", "再说一遍。", "请重复你的回答。"])
        turn = Turn("", both("", ""), both(before[-1]["content"], before[-1]["content"]), both("I repeat my last answer.", "我重复上一个回答。"))
        return finish(rng, "follow-up", opening(rng) + before, question, turn.answer[lang], turn.think[lang], lang, key=question + before[-1]["content"])
    key = json.dumps([m["content"] for m in before] + [question])
    return finish(rng, "follow-up", opening(rng) + before, question, turn.answer[lang], turn.think[lang], lang, key=key)


def instructed(rng: random.Random) -> Talk:
    """A system message that changes how to answer."""
    turn, lang = rng.choice(turns.FACTS)(rng), language(rng)
    kind = rng.randrange(7)
    spoken, before = lang, []
    if kind == 0:
        system = rng.choice(["You are a pirate.", "Talk like a pirate.", "你是一个海盗。"])
        wrap = both("Arr! {} Ahoy!", "啊哈！{}开船喽！")
    elif kind == 1:
        system = rng.choice(["You are a robot.", "Talk like a robot.", "你是一个机器人。"])
        wrap = both("Beep. {} Beep.", "哔。{}哔。")
    elif kind == 2:
        system = rng.choice(["You are a cat.", "Talk like a cat.", "你是一只猫。"])
        wrap = both("Meow! {} Purr.", "喵！{}喵呜。")
    elif kind == 3:
        word = turns.babble(rng) if rng.random() < 0.5 else rng.choice(lex.WORDS)
        system = rng.choice([f'End every answer with the word "{word}".', f'Always end with "{word}".', f"每次回答都以“{word}”结尾。"])
        wrap = both("{} " + word, "{}" + word)
    elif kind == 4:
        lang = EN if rng.random() < 0.5 else ZH
        spoken = ZH if lang == EN else EN
        system = rng.choice(["Answer in Chinese.", "Always answer in Chinese.", "请用中文回答。"]) if spoken == ZH else rng.choice(["Answer in English.", "Always answer in English.", "请用英语回答。"])
        wrap = both("{}", "{}")
    elif kind == 5:
        turn = rng.choice(turns.WITH_SHORT)(rng)
        system = rng.choice(["Answer with one word only.", "Answer in one word.", "只用一个词回答。"])
        turn.answer = turn.short
        wrap = both("{}", "{}")
    else:
        name, name_zh = turns.person(rng), turns.person_zh(rng)
        name = name if lang == EN else name_zh
        system = rng.choice([f"Your name is {name}.", f"You are {name}."]) if lang == EN else rng.choice([f"你的名字是{name}。", f"你叫{name}。"])
        question = rng.choice(["What is your name?", "Who are you?", "what's your name?"]) if lang == EN else rng.choice(["你叫什么名字？", "你是谁？", "你叫什么？"])
        turn = Turn("", both(question, question), both(f"I am {name}.", f"我是{name}。"), both(f"My name is {name}.", f"我的名字是{name}。"))
        wrap = both("{}", "{}")
    thought = both(f"The rule: {system} {turn.think[EN]}", f"要求：{system}{turn.think[ZH]}")
    if kind < 6 and rng.random() < 0.2:
        other = rng.choice(turns.FACTS if kind != 5 else turns.WITH_SHORT)(rng)
        reply = other.short if kind == 5 else other.answer
        if not held_out(other.key or f"{system}|{turns.wording(other.question[lang])}"):
            before = [ask(other.question[lang]), say(wrap[spoken].format(reply[spoken]))]
    key = turn.key or f"{system}|{turns.wording(turn.question[lang])}"
    return finish(rng, "system rules", [{"role": "system", "content": system}, *before], turn.question[lang], wrap[spoken].format(turn.answer[spoken]), thought[spoken], lang, key=key)


def tool(name: str, description: str, /, **properties: str) -> dict:
    schema = {"type": "object", "properties": {k: {"type": v} for k, v in properties.items()}, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


@dataclass
class Call:
    """A use of a tool: the question, the arguments, what comes back and what is said then."""

    tool: dict
    question: Both
    arguments: dict
    response: dict
    answer: Both


def a_call(rng: random.Random, lang: str) -> Call:
    city = rng.choice(lex.CITIES if lang == EN else lex.CITIES_ZH)
    if rng.random() < 0.1:
        city = cap(turns.babble(rng)) + "ton" if lang == EN else rng.choice(lex.GIVEN) + rng.choice(lex.GIVEN) + "市"
    kind = rng.randrange(5)
    if kind == 0:
        (sky, sky_zh), degrees = rng.choice(lex.WEATHER), rng.randint(-9, 39)
        q = both(vary(rng, rng.choice([f"what is the weather in {city}", f"how is the weather in {city}", f"weather in {city}"])), vary(rng, rng.choice([f"{city}的天气怎么样", f"{city}今天天气如何", f"{city}天气"])))
        return Call(tool("get_weather", "The weather in a city", city="string"), q, {"city": city}, {"weather": sky if lang == EN else sky_zh, "temperature": degrees}, both(f"It is {sky} in {city}, {degrees} degrees.", f"{city}{sky_zh}，{degrees}度。"))
    if kind == 1:
        a, b = rng.randint(1, 999), rng.randint(1, 999)
        q = both(vary(rng, rng.choice([f"what is {a} plus {b}", f"add {a} and {b}", f"what is {a} + {b}"])), rng.choice([f"{a}加{b}等于几？", f"{a}加{b}是多少？"]))
        return Call(tool("add", "Adds two numbers", a="number", b="number"), q, {"a": a, "b": b}, {"result": a + b}, both(f"{a} + {b} = {a + b}", f"{a} + {b} = {a + b}"))
    if kind == 2:
        hour = f"{rng.randrange(24):02}:{rng.randrange(60):02}"
        q = both(vary(rng, rng.choice([f"what time is it in {city}", f"tell me the time in {city}"])), vary(rng, rng.choice([f"{city}现在几点", f"{city}几点了"])))
        return Call(tool("get_time", "The time in a city", city="string"), q, {"city": city}, {"time": hour}, both(f"It is {hour} in {city}.", f"{city}现在是{hour}。"))
    if kind == 3:
        item, item_zh = rng.choice([p for v in lex.KINDS.values() for p in v])
        item, price = item if lang == EN else item_zh, rng.randint(1, 200)
        q = both(vary(rng, rng.choice([f"what is the price of {item}", f"what does {item} cost"])), vary(rng, rng.choice([f"{item}多少钱", f"{item}的价格是多少"])))
        return Call(tool("get_price", "The price of an item", item="string"), q, {"item": item}, {"price": price}, both(f"The price of {item} is {price}.", f"{item}的价格是{price}。"))
    name = turns.person(rng) if lang == EN else turns.person_zh(rng)
    mail = f"{turns.babble(rng)}@example.com"
    q = both(rng.choice([f"What is the email of {name}?", f"Find the email of {name}."]), rng.choice([f"{name}的邮箱是什么？", f"查一下{name}的邮箱。"]))
    return Call(tool("find_email", "The email of a person", name="string"), q, {"name": name}, {"email": mail}, both(f"The email of {name} is {mail}.", f"{name}的邮箱是 {mail}。"))


def tooled(rng: random.Random) -> Talk:
    """Calls a tool, or answers from its response, or does without one."""
    lang = language(rng)
    call = a_call(rng, lang)
    others = {c.tool["function"]["name"]: c.tool for c in (a_call(rng, lang) for _ in range(rng.choice([0, 0, 0, 1])))}
    name = call.tool["function"]["name"]
    others[name] = call.tool
    tools = list(others.values())
    rng.shuffle(tools)
    before = opening(rng) if rng.random() < 0.5 else []
    stage = rng.random()
    if stage < 0.12:
        turn = rng.choice([turns.greet, turns.about, turns.capital, turns.colour])(rng)
        return finish(rng, "no tool needed", before, turn.question[lang], turn.answer[lang], turn.think[lang], lang, tools=tools, key=f"{name}|{turns.wording(turn.question[lang])}")
    while stage >= 0.6 and held_out(turns.wording(call.question[lang])):  # the call is learned too
        again = a_call(rng, lang)
        call = again if again.tool == call.tool else call
    think = rng.random() < 0.4
    thought = f"I need the tool {name}." if lang == EN else f"需要用工具 {name}。"
    called = say("", thought if think else None) | {"tool_calls": [{"id": "call_1", "type": "function", "function": {"name": name, "arguments": call.arguments}}]}
    if stage < 0.6:
        return Talk("tool calls", [*before, ask(call.question[lang]), called], tools=tools, think=think, extra=[lang])
    result = {"role": "tool", "tool_call_id": "call_1", "content": json.dumps(call.response, ensure_ascii=False)}
    thought = "The tool has answered." if lang == EN else "工具给出了结果。"
    final = say(call.answer[lang], thought if think else None)
    key = f"{turns.wording(call.question[lang])}|{result['content']}"
    return Talk("tool answers", [*before, ask(call.question[lang]), called, result, final], tools=tools, think=think, extra=[lang], key=key)


def as_json(rng: random.Random) -> Talk:
    lang = language(rng)
    kind = rng.randrange(4)
    if lang == EN:
        name, city, age = turns.person(rng), rng.choice(lex.CITIES), rng.randint(3, 90)
        intro = rng.choice(["As JSON: ", "Answer in JSON: ", "Turn this into JSON: "])
        facts = [({"name": name, "age": age}, f"{name} is {age} years old."), ({"name": name, "city": city}, f"{name} lives in {city}."), ({"name": name, "age": age, "city": city}, f"{name} is {age} years old and lives in {city}.")]
        asked = [f"Give me a JSON object with name {name} and age {age}.", f"Write JSON with the name {name} and the age {age}."]
    else:
        name, city, age = turns.person_zh(rng), rng.choice(lex.CITIES_ZH), rng.randint(3, 90)
        intro = rng.choice(["用JSON表示：", "请转成JSON：", "用JSON回答："])
        facts = [({"name": name, "age": age}, f"{name}今年{age}岁。"), ({"name": name, "city": city}, f"{name}住在{city}。"), ({"name": name, "age": age, "city": city}, f"{name}今年{age}岁，住在{city}。")]
        asked = [f"给我一个JSON对象，name是{name}，age是{age}。", f"写一个JSON，name是{name}，age是{age}。"]
    before = opening(rng)
    if kind < 2:
        value, text = rng.choice(facts)
        question = intro + text
    elif kind == 2:
        value, question = {"name": name, "age": age}, rng.choice(asked)
    else:
        country, city, country_zh, city_zh = rng.choice(lex.COUNTRIES)
        value = {"country": country, "capital": city} if lang == EN else {"country": country_zh, "capital": city_zh}
        question = (rng.choice(["Answer in JSON: ", "As JSON: "]) + f"what is the capital of {country}?") if lang == EN else rng.choice(["用JSON回答：", "请用JSON回答："]) + f"{country_zh}的首都是哪里？"
    if rng.random() < 0.25:
        before = [{"role": "system", "content": rng.choice(["Answer in JSON only.", "只用JSON回答。"])}]
        question = question.removeprefix(intro)
    return finish(rng, "JSON", before, question, json.dumps(value, ensure_ascii=False), "Only JSON." if lang == EN else "只写JSON。", lang)


KINDS: dict[Callable[[random.Random], Talk], float] = {single: 6.0, several: 1.5, recall: 1.6, follow: 1.1, instructed: 1.7, tooled: 1.4, as_json: 0.9}


def talk(rng: random.Random, held: bool = False, weights: dict[str, float] | None = None) -> Talk:
    """Draws a conversation; weights multiply the shares of kinds, by function name."""
    shares = [share * (weights or {}).get(kind.__name__, 1.0) for kind, share in KINDS.items()]
    while True:
        found = rng.choices(list(KINDS), shares)[0](rng)
        if found.held() == held:
            return found


def main() -> None:
    from . import template

    rng = random.Random()
    for _ in range(12):
        t = talk(rng)
        print(f"--- {t.category}, held out: {t.held()}\n{template.render(t.messages, t.tools)}")


if __name__ == "__main__":
    main()

"""Questions about a scene with their answers, in English and Chinese.

A question is only asked where its answer is beyond doubt: a place well inside a third of the
picture, a neighbour clearly on that side, a largest shape that is larger by far.
`python3 -m train.questions` prints some.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from . import scene as sc
from .scene import COLORS, SHAPES, Scene, Thing

COLOR_ZH = {"red": "红色", "orange": "橙色", "yellow": "黄色", "green": "绿色", "blue": "蓝色", "purple": "紫色", "black": "黑色", "white": "白色"}
SHAPE_ZH = {"circle": "圆形", "square": "正方形", "triangle": "三角形", "star": "五角星", "cross": "十字形"}
GROUND_ZH = {"white": "白色", "gray": "灰色", "black": "黑色", "light blue": "浅蓝色", "light green": "浅绿色", "pink": "粉色", "beige": "米色"}
NUMBER_ZH = ("零", "一", "两", "三", "四")
PLACES = (("top left", "top", "top right"), ("left", "center", "right"), ("bottom left", "bottom", "bottom right"))
PLACES_ZH = (("左上角", "上方", "右上角"), ("左边", "中间", "右边"), ("左下角", "下方", "右下角"))
SIDES = {"left of": "左边", "right of": "右边", "above": "上面", "below": "下面"}
MARGIN = 0.05  # how far from the line between two thirds a shape has to be to be asked for its place


@dataclass
class Question:
    kind: str
    chinese: bool
    text: str
    answer: str


Maker = Callable[[random.Random, Scene, bool], tuple[str, str] | None]


def article(word: str) -> str:
    return ("an " if word[0] in "aeiou" else "a ") + word


def english(thing: Thing) -> str:
    return f"{thing.color} {thing.shape}"


def chinese(thing: Thing) -> str:
    return f"{COLOR_ZH[thing.color]}的{SHAPE_ZH[thing.shape]}"


def amount(n: int, one: str) -> str:
    many = {"cross": "crosses"}.get(one.split(" ")[-1], one + "s")
    if n == 0:
        return f"There are no {many}."
    return f"There is 1 {one}." if n == 1 else f"There are {n} {many}."


def naming(rng: random.Random, scene: Scene, thing: Thing, zh: bool) -> str | None:
    """Returns words that mean this shape and no other: its form, its colour, or both."""
    ways = []
    if sum(t.shape == thing.shape for t in scene.things) == 1:
        ways += [SHAPE_ZH[thing.shape] if zh else f"the {thing.shape}"] * 2
    if sum(t.color == thing.color for t in scene.things) == 1:
        ways.append(f"{COLOR_ZH[thing.color]}的图形" if zh else f"the {thing.color} shape")
    ways.append(chinese(thing) if zh else f"the {english(thing)}")
    return rng.choice(ways)


def count(rng: random.Random, scene: Scene, zh: bool) -> tuple[str, str]:
    n = len(scene.things)
    if zh:
        asked = rng.choice(("图里有几个图形？", "图中有多少个图形？", "一共有几个图形？", "有几个图形？"))
        return asked, f"图里有{NUMBER_ZH[n]}个图形。"
    asked = rng.choice(("How many shapes are there?", "How many shapes are in the image?", "Count the shapes.", "How many objects do you see?"))
    return asked, amount(n, "shape")


def count_some(rng: random.Random, scene: Scene, zh: bool) -> tuple[str, str]:
    """Counts the shapes of a form or a colour; it is there three times in four."""
    by_shape = rng.random() < 0.5
    here = [t.shape if by_shape else t.color for t in scene.things]
    word = rng.choice(here) if rng.random() < 0.75 else rng.choice(SHAPES if by_shape else list(COLORS))
    n = here.count(word)
    if zh:
        name = SHAPE_ZH[word] if by_shape else f"{COLOR_ZH[word]}的图形"
        asked = rng.choice((f"有几个{name}？", f"图里有多少个{name}？"))
        return asked, f"有{NUMBER_ZH[n]}个{name}。" if n else f"没有{name}。"
    name = word if by_shape else f"{word} shape"
    many = "crosses" if word == "cross" else name + "s"
    asked = rng.choice((f"How many {many} are there?", f"How many {many} do you see?"))
    return asked, amount(n, name)


def color(rng: random.Random, scene: Scene, zh: bool) -> tuple[str, str] | None:
    thing = rng.choice(scene.things)
    if sum(t.shape == thing.shape for t in scene.things) > 1:
        return None
    if zh:
        form = SHAPE_ZH[thing.shape]
        return rng.choice((f"{form}是什么颜色？", f"{form}是什么颜色的？")), f"{form}是{COLOR_ZH[thing.color]}的。"
    asked = rng.choice((f"What color is the {thing.shape}?", f"Which color does the {thing.shape} have?", f"What is the color of the {thing.shape}?"))
    return asked, f"The {thing.shape} is {thing.color}."


def shape(rng: random.Random, scene: Scene, zh: bool) -> tuple[str, str] | None:
    thing = rng.choice(scene.things)
    if sum(t.color == thing.color for t in scene.things) > 1:
        return None
    if zh:
        asked = rng.choice((f"{COLOR_ZH[thing.color]}的是什么图形？", f"{COLOR_ZH[thing.color]}的图形是什么形状？"))
        return asked, f"{COLOR_ZH[thing.color]}的图形是{SHAPE_ZH[thing.shape]}。"
    asked = rng.choice((f"What shape is {thing.color}?", f"Which shape is {thing.color}?", f"What is the {thing.color} shape?"))
    return asked, f"The {thing.color} shape is {article(thing.shape)}."


def third(value: float) -> int | None:
    """Returns which third of the side this is in, or nothing near the lines between them."""
    if min(abs(value - 1 / 3), abs(value - 2 / 3)) < MARGIN:
        return None
    return int(value * 3)


def where(rng: random.Random, scene: Scene, zh: bool) -> tuple[str, str] | None:
    thing = rng.choice(scene.things)
    row, column = third(thing.y), third(thing.x)
    name = naming(rng, scene, thing, zh)
    if row is None or column is None:
        return None
    if zh:
        return rng.choice((f"{name}在哪里？", f"{name}在什么位置？")), f"{name}在{PLACES_ZH[row][column]}。"
    place = PLACES[row][column]
    words = "in the center" if place == "center" else f"at the {place}" if " " in place or place in ("top", "bottom") else f"on the {place}"
    return f"Where is {name}?", f"{name[0].upper()}{name[1:]} is {words}."


def present(rng: random.Random, scene: Scene, zh: bool) -> tuple[str, str]:
    """Asks whether something is there: a form, a colour, or both; one time in two it is not."""
    kind = rng.randrange(3)
    names = [(t.color, t.shape) for t in scene.things]
    there = rng.random() < 0.5
    for _ in range(100):
        hue, form = rng.choice(names) if there else (rng.choice(list(COLORS)), rng.choice(SHAPES))
        if not there and kind == 2 and rng.random() < 0.7:
            # The hardest: the form or the colour is there, but not together.
            hue, form = rng.choice([(hue, rng.choice(names)[1]), (rng.choice(names)[0], form)])
        found = any((kind == 1 or c == hue) and (kind == 0 or s == form) for c, s in names)
        if found == there:
            break
    if zh:
        name = (f"{COLOR_ZH[hue]}的图形", SHAPE_ZH[form], f"{COLOR_ZH[hue]}的{SHAPE_ZH[form]}")[kind]
        asked = rng.choice((f"图里有{name}吗？", f"有没有{name}？"))
        return asked, f"有，图里有{name}。" if found else f"没有，图里没有{name}。"
    name = article((f"{hue} shape", form, f"{hue} {form}")[kind])
    asked = rng.choice((f"Is there {name}?", f"Is there {name} in the image?", f"Do you see {name}?"))
    return asked, f"Yes, there is {name}." if found else f"No, there is no {name.split(' ', 1)[1]}."


def beside(thing: Thing, other: Thing, side: str) -> float:
    """Returns how far `other` lies on that side of `thing`, in parts of the picture."""
    return {"left of": thing.x - other.x, "right of": other.x - thing.x, "above": thing.y - other.y, "below": other.y - thing.y}[side]


def neighbor(rng: random.Random, scene: Scene, zh: bool) -> tuple[str, str] | None:
    if len(scene.things) < 2:
        return None
    thing, side = rng.choice(scene.things), rng.choice(list(SIDES))
    far = [(beside(thing, other, side), other) for other in scene.things if other is not thing]
    on_side = [other for distance, other in far if distance > 0.1]
    if len(on_side) > 1 or any(-0.03 < distance <= 0.1 for distance, _ in far) or (not on_side and rng.random() < 0.6):
        return None
    name = naming(rng, scene, thing, zh)
    if zh:
        return f"{name}的{SIDES[side]}是什么？", f"{name}的{SIDES[side]}" + (f"是{chinese(on_side[0])}。" if on_side else "什么也没有。")
    asked = f"What is {side} {name}?" if side in ("above", "below") or rng.random() < 0.7 else f"What is to the {side} {name}?"
    return asked, f"{article(english(on_side[0])).capitalize() if on_side else 'Nothing'} is {side} {name}."


def relation(rng: random.Random, scene: Scene, zh: bool) -> tuple[str, str] | None:
    if len(scene.things) < 2:
        return None
    thing, other = rng.sample(scene.things, 2)
    side = rng.choice(list(SIDES))
    distance = beside(other, thing, side)
    if -0.07 < distance < 0.07:
        return None
    a, b = naming(rng, scene, thing, zh), naming(rng, scene, other, zh)
    if zh:
        return f"{a}在{b}的{SIDES[side]}吗？", f"是的，{a}在{b}的{SIDES[side]}。" if distance > 0 else f"不，{a}不在{b}的{SIDES[side]}。"
    return f"Is {a} {side} {b}?", f"Yes, {a} is {side} {b}." if distance > 0 else f"No, {a} is not {side} {b}."


def largest(rng: random.Random, scene: Scene, zh: bool) -> tuple[str, str] | None:
    smallest = rng.random() < 0.4
    order = sorted(scene.things, key=lambda t: t.radius if smallest else -t.radius)
    if len(order) < 2 or max(order[0].radius, order[1].radius) < 1.25 * min(order[0].radius, order[1].radius):
        return None
    thing = order[0]
    if zh:
        word = "最小" if smallest else "最大"
        return f"哪个图形{word}？", f"{chinese(thing)}{word}。"
    word = "smallest" if smallest else "largest"
    return rng.choice((f"Which shape is the {word}?", f"What is the {word} shape?")), f"The {english(thing)} is the {word}."


def describe(rng: random.Random, scene: Scene, zh: bool) -> tuple[str, str] | None:
    """Names everything from left to right."""
    order = sorted(scene.things, key=lambda t: t.x)
    if any(b.x - a.x < 0.06 for a, b in zip(order, order[1:], strict=False)):
        return None
    if zh:
        asked = rng.choice(("图里有什么？", "描述一下这张图。", "从左到右有哪些图形？"))
        return asked, "从左到右是" + "、".join(chinese(t) for t in order) + "。"
    names = [article(english(t)) for t in order]
    listed = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
    asked = rng.choice(("What is in the image?", "Describe the image.", "What do you see?", "List the shapes from left to right."))
    return asked, f"From left to right: {listed}."


def background(rng: random.Random, scene: Scene, zh: bool) -> tuple[str, str]:
    if zh:
        return rng.choice(("背景是什么颜色？", "图的背景是什么颜色的？")), f"背景是{GROUND_ZH[scene.background]}的。"
    return rng.choice(("What color is the background?", "Which color is the background?")), f"The background is {scene.background}."


KINDS: dict[str, tuple[Maker, float]] = {
    "count": (count, 1),
    "count_some": (count_some, 1),
    "color": (color, 1.2),
    "shape": (shape, 1.2),
    "where": (where, 1.5),
    "present": (present, 1.5),
    "neighbor": (neighbor, 1.5),
    "relation": (relation, 1),
    "largest": (largest, 0.7),
    "describe": (describe, 1.4),
    "background": (background, 0.5),
}


def ask(
    rng: random.Random, scene: Scene, kind: str | None = None, zh: bool | None = None, boost: dict[str, float] | None = None
) -> Question | None:
    """Draws a question; nothing where this kind has no sure answer here. boost: factors on the kinds' shares."""
    boost = boost or {}
    kind = kind or rng.choices(list(KINDS), [share * boost.get(name, 1) for name, (_, share) in KINDS.items()])[0]
    zh = rng.random() < 0.4 if zh is None else zh
    if not scene.things and kind not in ("count", "background"):
        return None
    made = KINDS[kind][0](rng, scene, zh)
    return None if made is None else Question(kind, zh, *made)


def several(rng: random.Random, scene: Scene, number: int, boost: dict[str, float] | None = None) -> list[Question]:
    out: list[Question] = []
    while len(out) < number:
        question = ask(rng, scene, boost=boost)
        if question is not None:
            out.append(question)
    return out


# Without a picture: greetings, and questions that can't be answered.
TALK = (
    ("Hello!", "Hello! Show me an image with shapes and ask me about it."),
    ("Hi", "Hello! Show me an image with shapes and ask me about it."),
    ("What can you do?", "I answer questions about colored shapes in an image."),
    ("Who are you?", "I am a small demo model that looks at shapes."),
    ("Thank you!", "You are welcome."),
    ("你好", "你好！给我一张有图形的图片，问我吧。"),
    ("你好！", "你好！给我一张有图形的图片，问我吧。"),
    ("你会做什么？", "我会回答关于图中彩色图形的问题。"),
    ("你是谁？", "我是一个看图形的小模型。"),
    ("谢谢", "不客气。"),
)
SYSTEM = ("You are a helpful assistant.", "You answer questions about images.", "你是一个有用的助手。")


def talk(rng: random.Random, scene: Scene) -> Question:
    """A turn without a picture; one time in two a question about the missing picture."""
    if rng.random() < 0.5:
        text, answer = rng.choice(TALK)
        return Question("talk", ord(text[0]) > 255, text, answer)
    question = several(rng, scene, 1)[0]
    question.kind, question.answer = "talk", "我没有看到图片。" if question.chinese else "I do not see an image."
    return question


def main() -> None:
    rng = random.Random(3)
    for _ in range(6):
        scene = sc.compose(rng)
        print([t.name for t in scene.things], scene.background)
        for question in several(rng, scene, 6):
            print("  ", question.kind, question.text, "->", question.answer)
    print(talk(rng, scene))


if __name__ == "__main__":
    main()

"""Generator of labelled Chinese sentences for the eight kinds of task.

Every example is a text with *queries*: a prefix of (type, span) pairs already found,
a key, and the spans that the model has to mark in the text for this hint. The same
text carries all queries of its schema, so chains of any depth can be trained and
scored. `python3 -m train.data` prints a few examples of each task.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import lexicon as lex
from .entities import CITIES, COMMON_CHARS, CUPS, DISCIPLINES, JOBS, MEDALS, World
from ..template import Piece, Span, choose, fill, join


@dataclass
class Query:
    """One hint and its answer."""

    prefix: tuple[tuple[str, str], ...]
    key: str
    spans: list[Span]

    @property
    def hint(self) -> str:
        return hint_text(self.prefix, self.key)


@dataclass
class Example:
    task: str
    text: str
    queries: list[Query]


def hint_text(prefix: tuple[tuple[str, str], ...], key: str) -> str:
    """Returns the hint as the network reads it: every `type: span, ` found so far, then `key: `."""
    return "".join(f"{kind}: {span}, " for kind, span in prefix) + key + ": "


def chain(text: str, root: str, spans: list[Span], inner: Callable[[Span], list[tuple[str, list[Span]]]]) -> list[Query]:
    """Returns the query for a root key and, for each of its spans, the queries one level down."""
    queries = [Query((), root, spans)]
    for start, end in spans:
        prefix = ((root, text[start:end]),)
        queries += [Query(prefix, key, found) for key, found in inner((start, end))]
    return queries


# -- shared building blocks ------------------------------------------------------


def filler(world: World) -> Piece:
    """A sentence without any entity, opinion or event."""
    if world.chance(0.12):
        letters = "".join(world.pick(COMMON_CHARS) for _ in range(world.rng.randint(5, 14)))
        return Piece(letters + "。")
    return Piece(choose(world.rng, world.pick(lex.FILLERS)))


def with_fillers(world: World, sentences: list[Piece], length: float) -> Piece:
    """Joins sentences, putting `length` fillers a sentence around them on average."""
    out = []
    for sentence in sentences:
        while world.chance(length / (1 + length)) and len(out) < 12:
            out.append(filler(world))
        out.append(sentence)
    if world.chance(length / (1 + length)):
        out.append(filler(world))
    return join(out)


def count(world: World, size: float, weights: list[float]) -> int:
    """Draws 1..len(weights); `size` in 0..1 moves the draw from 'always 1' to the weights given, above 1 to more."""
    if world.chance(size):
        number = world.rng.choices(range(1, len(weights) + 1), weights)[0]
        return number if size <= 1 else min(len(weights) + 2, number + world.rng.randint(1, 3))
    return 1


# -- named entities ----------------------------------------------------------------

NER_KEYS = {
    "P": ["人物", "人物", "人名", "人物姓名", "姓名"],
    "L": ["地理位置", "地理位置", "地点", "地名", "位置"],
    "O": ["组织机构", "组织机构", "组织", "机构", "机构名称"],
    "T": ["时间", "时间", "日期"],
}


def ner(world: World, size: float) -> Example:
    sentences = []
    for _ in range(count(world, size, [5, 3, 1.5])):
        slots = {}
        for slot, draw in (("P", world.person), ("L", world.place), ("O", world.org), ("T", world.date)):
            for suffix in ("", "1", "2"):
                slots[slot + suffix] = draw()
        slots |= {"J": world.pick(JOBS), "S": world.pick(DISCIPLINES), "M": world.pick(MEDALS), "B": world.title()}
        slots["X"] = str(world.rng.randint(2, 999))
        sentences.append(fill(world.rng, world.pick(lex.NER_TEMPLATES), **slots))
    piece = with_fillers(world, sentences, 0.15 * size)
    text = piece.text
    if world.chance(0.15):
        text = text.rstrip("。！")
    queries = []
    for slot, keys in NER_KEYS.items():
        spans = [s for s in piece.spans(slot, slot + "1", slot + "2") if s[1] <= len(text)]
        queries.append(Query((), world.pick(keys), spans))
    world.rng.shuffle(queries)
    return Example("ner", text, queries)


# -- facts: relations and questions about them -------------------------------------------


@dataclass
class Scene:
    """A text about one to three records; marks carry the record's number, shared ones none."""

    domain: lex.Domain
    piece: Piece
    records: int

    def spans(self, slot: str, record: int) -> list[Span]:
        """The spans of a record's slot; a country of origin `C` counts as nationality `N`, a contest `H` as `G`."""
        slots = {"N": ("N", "C"), "G": ("G", "H")}.get(slot, (slot,))
        return self.piece.spans(*(s for name in slots for s in (name + str(record), name)))

    def subjects(self) -> list[Span]:
        return sorted({s for i in range(1, self.records + 1) for s in self.spans(self.domain.subject, i)})

    def owner(self, span: Span) -> list[int]:
        """The records whose subject is this span."""
        return [i for i in range(1, self.records + 1) if span in self.spans(self.domain.subject, i)]


def _sport_record(world: World) -> dict[str, str | Piece]:
    return {
        "P": world.person(), "N": world.country(), "C": world.country(), "L": world.city(), "T": world.date(),
        "G": world.contest(True), "H": world.contest(False), "M": world.pick(MEDALS),
        "X": world.pick([f"{world.rng.randint(20, 300)}.{world.rng.randint(0, 99):02d}", str(world.rng.randint(10, 400))]),
    }  # fmt: skip


def _career_record(world: World) -> dict[str, str | Piece]:
    return {"P": world.person(), "L": world.city(), "B": world.full_date(), "U": world.school(), "O": world.org(), "J": world.pick(JOBS), "T": world.date()}


def _company_record(world: World) -> dict[str, str | Piece]:
    return {"O": world.company(), "P": world.person(), "L": world.city(), "T": world.full_date(), "J": world.person(), "X": str(world.rng.randint(2, 999))}


def _book_record(world: World) -> dict[str, str | Piece]:
    return {"B": world.title(), "P": world.person(), "O": world.publisher(), "T": world.full_date(), "X": str(world.rng.randint(2, 99))}


_RECORDS = {"sport": _sport_record, "career": _career_record, "company": _company_record, "book": _book_record}


def scene(world: World, size: float, domains: list[lex.Domain] = lex.DOMAINS) -> Scene:
    domain = world.rng.choices(domains, [d.weight for d in domains])[0]
    record = _RECORDS[domain.name]
    if domain.shared and world.chance(0.25 * min(size, 1)):
        # One sentence about two records that share some of their values.
        template = world.pick(domain.shared)
        one, two = record(world), record(world)
        slots = one | {k + "1": v for k, v in one.items()} | {k + "2": v for k, v in two.items()}
        slots["G"] = one["G"] if "G" in one else ""
        sentences, records = [fill(world.rng, template, **slots)], 2
    else:
        records = count(world, size, [3, 5, 1.5])
        sentences = [fill(world.rng, world.pick(domain.templates), **record(world)).renamed(str(i + 1)) for i in range(records)]
        if records > 1 and world.chance(0.4):  # semicolons or commas instead of full stops
            mark = world.pick("；；，")
            for sentence in sentences[:-1]:
                sentence.text = sentence.text.rstrip("。！") + mark
    return Scene(domain, with_fillers(world, sentences, 0.15 * size), records)


def relation(world: World, size: float) -> Example:
    found = scene(world, size)
    domain, text = found.domain, found.piece.text
    names = {slot: world.pick(attr.keys) for slot, attr in domain.attributes.items()}

    def inner(span: Span) -> list[tuple[str, list[Span]]]:
        owners = found.owner(span)
        return [(names[slot], sorted({s for i in owners for s in found.spans(slot, i)})) for slot in names]

    queries = chain(text, world.pick(domain.roots), found.subjects(), inner)
    if domain.name == "sport":  # the same text also serves as a named-entity example
        piece = found.piece
        for slots, key in (("P", "P"), ("LC", "L"), ("T", "T")):
            spans = piece.spans(*(s + i for s in slots for i in ("", "1", "2", "3", "4", "5", "6")))
            queries.append(Query((), world.pick(NER_KEYS[key]), spans))
    return Example("relation", text, queries)


def _questions(world: World, found: Scene) -> Iterator[tuple[str, list[Span], str]]:
    """Yields (question, spans of the answer, slot) for the attributes of every record."""
    domain, text = found.domain, found.piece.text
    for i in range(1, found.records + 1):
        for start, end in found.spans(domain.subject, i)[:1]:
            for slot, attribute in domain.attributes.items():
                question = choose(world.rng, world.pick(attribute.questions)).replace("{S}", text[start:end])
                yield question, found.spans(slot, i), slot
        for slot, templates in domain.reverse.items():
            for start, end in found.spans(slot, i)[:1]:
                value = text[start:end]
                same = [j for j in range(1, found.records + 1) if value in {text[a:b] for a, b in found.spans(slot, j)}]
                spans = sorted({s for j in same for s in found.spans(domain.subject, j)})
                yield choose(world.rng, world.pick(templates)).replace("{V}", value), spans, domain.subject


def question(world: World, size: float) -> Example:
    """Extractive reading: the question is the key, the answer stands in the text."""
    found = scene(world, size)
    queries = [Query((), text, spans) for text, spans, _ in _questions(world, found)]
    if found.records == 1:
        for slot, templates in lex.PLAIN_QUESTIONS.items():
            spans = found.spans(slot, 1)
            if spans and slot in found.domain.plain:
                queries.append(Query((), choose(world.rng, world.pick(templates)), spans))
    return Example("qa", found.piece.text, queries)


def reading(world: World, size: float) -> Example:
    """Reading with options: the answer is the option's own span before the bar."""
    while True:
        found = scene(world, size)
        asked = [q for q in _questions(world, found) if q[1]]
        if asked:
            break
    text = found.piece.text
    query, spans, slot = world.pick(asked)
    answers = {text[a:b] for a, b in spans}
    answer = world.pick(sorted(answers))
    if world.chance(0.25):
        # Is it so? The question names the right value or a wrong one.
        right = world.chance(0.5)
        query = _claim(world, found, right)
        labels = list(world.pick([("是", "否"), ("对", "错"), ("正确", "错误")]))
        gold = labels[0 if right else 1]
    else:
        drawn = _RECORDS[found.domain.name]
        others = {_text(drawn(world)[slot if slot != "N" else "C"]) for _ in range(6)}
        others |= {text[a:b] for i in range(1, found.records + 1) for a, b in found.spans(slot, i)}
        pool = sorted(o for o in others - answers if "," not in o and "|" not in o)
        labels = [answer, *world.rng.sample(pool, min(len(pool), world.rng.randint(1, 3)))]
        gold = answer
    return labelled("reading", world, labels, gold, text, query)


def _text(value: str | Piece) -> str:
    return value if isinstance(value, str) else value.text


def _claim(world: World, found: Scene, right: bool) -> str:
    """Returns a yes-no question about one record whose answer is yes if `right`."""
    domain, text = found.domain, found.piece.text

    def wrong(slot: str) -> str:
        return _text(_RECORDS[domain.name](world)[slot])

    while True:
        i = world.rng.randint(1, found.records)
        slot = world.pick(sorted(domain.claims))
        subjects, values = found.spans(domain.subject, i), found.spans(slot, i)
        if subjects and values:
            break
        if not any(found.spans(s, j) for s in domain.claims for j in range(1, found.records + 1)):
            # No value to ask about: ask whether the subject is mentioned at all.
            subject = found.spans(domain.subject, i)[0]
            return f"文中提到{text[slice(*subject)] if right else wrong(domain.subject)}了吗？"
    value = text[slice(*values[0])]
    if not right:
        value = next(v for v in iter(lambda: wrong(slot), None) if v not in text)
    template = choose(world.rng, world.pick(domain.claims[slot]))
    return template.replace("{S}", text[slice(*subjects[0])]).replace("{V}", value)


# -- events ------------------------------------------------------------------------------


def event(world: World, size: float) -> Example:
    kind = world.rng.choices(lex.EVENT_KINDS, [k.weight for k in lex.EVENT_KINDS])[0]
    key = world.pick(kind.keys)
    sentences, records = [], count(world, 0.5 * size, [3, 2])
    absent = world.chance(0.06)
    if absent:
        sentences, records = [filler(world)], 0
    triggers = world.rng.sample(kind.templates, min(records, len(kind.templates)))
    for i, (words, templates) in enumerate(triggers):
        slots = {
            "T": world.date(), "W": world.team(), "V": world.team(), "G": world.pick(CUPS),
            "A": world.company(), "B": world.company(), "M": f"{world.rng.randint(1, 990)}{world.pick(['万元', '亿元', '亿美元', '万美元'])}",
            "P": world.person(), "O": world.org(), "J": world.pick(JOBS), "L": world.place(), "D": f"{world.rng.randint(3, 8)}.{world.rng.randint(0, 9)}级",
            "R": world.pick(words),
        }  # fmt: skip
        low, colon = world.rng.randint(0, 3), world.pick("--比:")
        high = low + world.rng.randint(1, 3)
        slots |= {"X": f"{low}{colon}{high}", "Y": f"{high}{colon}{low}"}
        sentences.append(fill(world.rng, world.pick(templates), **slots).renamed(str(i)))
    piece = with_fillers(world, sentences, 0.15 * size)
    names = {slot: world.pick(options) for slot, options in kind.arguments.items()}

    def inner(span: Span) -> list[tuple[str, list[Span]]]:
        word = piece.text[slice(*span)]
        same = [i for i in range(records) if any(piece.text[slice(*s)] == word for s in piece.spans(f"R{i}"))]
        return [(names[slot], piece.spans(*(f"{slot}{i}" for i in same))) for slot in names]

    roots = piece.spans(*(f"R{i}" for i in range(records)))
    return Example("event", piece.text, chain(piece.text, key, roots, inner))


# -- opinions ----------------------------------------------------------------------------


def _opinion(world: World, good: bool) -> tuple[str, str]:
    """Returns an aspect and an opinion about it."""
    aspects, praise, blame = world.pick(lex.ASPECT_GROUPS)
    words = praise + lex.PRAISE if good else blame + lex.BLAME
    word = world.pick(words)
    if world.chance(0.55):
        word = world.pick(lex.DEGREES) + word
    return world.pick(aspects), word


def attribute_sentiment(world: World, size: float) -> Example:
    total = world.rng.randint(1, 5) if world.chance(min(size, 1) + 0.2) else world.rng.randint(1, 2)
    clauses, pairs, used, number = [], [], set(), 0
    while number < total:
        good = world.chance(0.5)
        slots = {}
        for suffix in ("", "2"):
            aspect, word = _opinion(world, good)
            while aspect in used:
                aspect, word = _opinion(world, good)
            used.add(aspect)
            slots |= {"A" + suffix: aspect, "Q" + suffix: word}
        template, links = world.rng.choices(lex.OPINION_TEMPLATES, [w for _, _, w in lex.OPINION_TEMPLATES])[0][:2]
        clauses.append(fill(world.rng, template, **slots).renamed(f"_{number}"))
        pairs += [(f"{a}_{number}", [f"{q}_{number}" for q in qs]) for a, qs in links]
        number += len(links)
        if world.chance(0.25 * min(size, 1)):
            clauses.append(Piece(choose(world.rng, world.pick(lex.OPINION_FILLERS))))
    if world.chance(0.2):
        clauses.insert(0, Piece(choose(world.rng, world.pick(lex.OPINION_FILLERS))))
    marks = world.pick([["，"], ["，"], ["，", "。", "；"], ["，", "，但是", "，不过", "，而且", "，就是"], [" "], ["、", "，"]])
    out = []
    for i, clause in enumerate(clauses):
        out += [clause, Piece(world.pick(marks) if i + 1 < len(clauses) else world.pick(["。", "！", ""]))]
    piece = join(out)
    owners = {s: qs for name, qs in pairs for s in piece.spans(name)}
    key, inner_key = world.pick(lex.ASPECT_KEYS)
    queries = chain(piece.text, key, sorted(owners), lambda span: [(inner_key, piece.spans(*owners[span]))])
    return Example("attribute_sentiment", piece.text, queries)


def sentiment(world: World, size: float) -> Example:
    good = world.chance(0.5)
    parts = []
    for _ in range(world.rng.randint(1, 3) + (world.rng.randint(0, 3) if size > 0.5 else 0)):
        if world.chance(0.5):
            parts.append(choose(world.rng, world.pick(lex.GOOD_PHRASES if good else lex.BAD_PHRASES)))
        else:
            aspect, word = _opinion(world, good)
            parts.append(choose(world.rng, world.pick([f"{aspect}{word}", f"{aspect}[也|都|真的|方面|]{word}", f"感觉{aspect}{word}"])))
        if world.chance(0.2):
            parts.append(choose(world.rng, world.pick(lex.NEUTRAL_ASIDES)))
    if world.chance(0.5):
        parts.insert(0, choose(world.rng, world.pick(lex.REVIEW_OPENINGS)))
    body = ""
    for i, part in enumerate(parts):
        body += part + (world.pick("，，，。 ") if i + 1 < len(parts) else world.pick(["。", "！", "", "！！"]))
    pair = world.pick(lex.SENTIMENT_LABELS)
    return labelled("sentiment", world, list(pair), pair[0 if good else 1], body, world.pick(["情感分类", "情感分类", "情感倾向", "情感", "评价分类"]))


# -- tasks whose answer is a label -------------------------------------------------------


def labelled(task: str, world: World, labels: list[str], gold: str, body: str, key: str, shuffle: bool = True) -> Example:
    """Puts the labels before the bar; the answer is the gold label's own span."""
    if shuffle:
        world.rng.shuffle(labels)
    start = sum(len(label) + 1 for label in labels[: labels.index(gold)])
    return Example(task, ",".join(labels) + "|" + body, [Query((), key, [(start, start + len(gold))])])


def classification(world: World, size: float) -> Example:
    if world.chance(0.25):
        intents = world.rng.sample(sorted(lex.INTENTS), world.rng.randint(2, 6))
        gold = world.pick(intents)
        slots = {"L": world.pick(CITIES), "T": world.date(), "P": world.person()}
        body = fill(world.rng, world.pick(lex.INTENTS[gold]), **slots).text
        return labelled("classification", world, intents, gold, body, world.pick(["分类", "意图", "意图识别"]))
    topics = world.rng.sample(sorted(lex.TOPICS), world.rng.randint(2, 10 if size > 0.5 else 6))
    gold = world.pick(topics)
    names, words = lex.TOPICS[gold]
    sentences = []
    for _ in range(1 if world.chance(0.75) else 2):
        chosen = world.rng.sample(words, world.rng.randint(1, 3))
        template = choose(world.rng, world.pick(lex.NEWS_TEMPLATES))
        slots = {"K": world.pick(["、", "和", "，"]).join(chosen), "L": world.pick(CITIES), "T": world.date(), "O": world.org(), "P": world.person()}
        sentences.append(fill(world.rng, template, **slots).text)
    labels = [world.pick(lex.TOPICS[t][0]) for t in topics]
    return labelled("classification", world, labels, labels[topics.index(gold)], world.pick(["，", "。"]).join(sentences), world.pick(["分类", "分类", "文本分类", "新闻分类", "主题"]))


def matching(world: World, size: float) -> Example:
    same = world.chance(0.5)
    frame = world.pick(lex.MATCH_FRAMES)
    slots = frame.draw(world)
    first, second = world.pick(frame.forms), world.pick(frame.forms)
    a = frame.render(world, first, slots)
    if same:
        b = frame.render(world, second, slots)
    elif world.chance(0.65):
        changed = frame.draw(world, different_from=slots)
        b = frame.render(world, second, changed)
    else:
        other = world.pick([f for f in lex.MATCH_FRAMES if f is not frame])
        shared = {k: v for k, v in slots.items() if k in other.slots and v in other.slots[k]}
        b = other.render(world, world.pick(other.forms), other.draw(world) | shared)
    if world.chance(0.5):
        a, b = b, a
    ending = world.pick(["", "", "？", "?"])
    pair = world.pick(lex.MATCH_LABELS)
    return labelled("matching", world, list(pair), pair[0 if same else 1], a + ending + "&" + b + ending, world.pick(["文本匹配", "文本匹配", "文本匹配", "语义匹配", "相似度"]))


def nli(world: World, size: float) -> Example:
    labels = ["蕴含", "矛盾", "中立"]
    gold = world.pick(labels)
    frame = world.pick(lex.NLI_FRAMES)
    slots = {
        "P": world.person(), "L": world.city(), "O": world.org(), "T": world.date(), "N": str(world.rng.randint(3, 60)),
        "D": world.pick(DISCIPLINES), "F": world.pick(lex.FOODS), "J": world.pick(JOBS), "Q": world.person(),
    }  # fmt: skip
    wrong = {"L": world.city, "O": world.org, "T": world.date, "N": lambda: str(world.rng.randint(3, 60)), "D": lambda: world.pick(DISCIPLINES), "F": lambda: world.pick(lex.FOODS), "J": lambda: world.pick(JOBS)}
    for slot, draw in wrong.items():
        value = draw()
        while value in slots[slot] or slots[slot] in value:
            value = draw()
        slots[slot.lower()] = value
    premise = fill(world.rng, world.pick(frame.premises), **slots).text
    options = {"蕴含": frame.entailed, "矛盾": frame.contradicted, "中立": frame.neutral + lex.NLI_NEUTRAL}[gold]
    claim = fill(world.rng, world.pick(options), **slots).text
    end = world.pick(["", "", "。"])
    body = f"段落1：{premise}{end}；段落2：{claim}{end}"
    return labelled("nli", world, labels, gold, body, "段落2和段落1的关系是：")


# Keys that certainly have no answer in the texts of another task.
FOREIGN_KEYS = {
    "ner": ["属性词", "胜负(事件触发词)", "地震(事件触发词)"],
    "relation": ["属性词", "胜负(事件触发词)", "地震(事件触发词)", "情感词"],
    "qa": ["属性词", "胜负(事件触发词)"],
    "event": ["属性词", "作品"],
    "attribute_sentiment": ["人物", "组织机构", "胜负(事件触发词)", "地理位置"],
}


def foreign_query(world: World, example: Example) -> Query | None:
    """Returns a query that another kind of text would answer, to learn empty answers."""
    keys = FOREIGN_KEYS.get(example.task)
    return Query((), world.pick(keys), []) if keys else None


# -- sampling ----------------------------------------------------------------------------

Generator = Callable[[World, float], Example]

TASKS: dict[str, tuple[Generator, float]] = {
    # task: generator, share of the training texts (a text of the label tasks has one query, of the others up to three)
    "ner": (ner, 1.7),
    "relation": (relation, 3.2),
    "event": (event, 1.4),
    "attribute_sentiment": (attribute_sentiment, 1.8),
    "sentiment": (sentiment, 1.8),
    "classification": (classification, 3.6),
    "matching": (matching, 4.5),
    "nli": (nli, 3.8),
    "qa": (question, 1.6),
    "reading": (reading, 2.8),
}


def sample(world: World, size: float, boost: dict[str, float] | None = None) -> Example:
    """Draws one example; `size` 0 gives short texts, 1 the usual mix, 1.5 long ones. `boost` has factors on the shares."""
    weights = [share * (boost or {}).get(task, 1.0) for task, (_, share) in TASKS.items()]
    generator = world.rng.choices([g for g, _ in TASKS.values()], weights)[0]
    return generator(world, size)


def checked(example: Example) -> Example:
    """Raises if a span lies outside its text or is empty."""
    for query in example.queries:
        for start, end in query.spans:
            if not 0 <= start < end <= len(example.text):
                raise ValueError(f"bad span {(start, end)} in {example}")
    return example


def main() -> None:
    world = World(random.Random(7))
    for task, (generator, _) in TASKS.items():
        for _ in range(5):
            example = checked(generator(world, 1.0))
            print(f"[{task}] {example.text}")
            for query in example.queries[:7]:
                print("    ", query.hint, [example.text[a:b] for a, b in query.spans])


if __name__ == "__main__":
    main()

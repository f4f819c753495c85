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
from .entities import CITIES, CUPS, DISCIPLINES, JOBS, MEDALS, World
from .template import Piece, Span, choose, fill, join


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
    return Piece(world.pick(lex.FILLERS))


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


def count(world: World, size: float, more: float) -> int:
    """Draws how many sentences: mostly one, with probability `more` two, rarely three; with size above 1 many."""
    if size > 1:
        return world.rng.randint(3, 7)
    return 1 if not world.chance(more * size) else 2 + world.chance(0.12)


# -- named entities ----------------------------------------------------------------

NER_KEYS = {
    "P": ["人物", "人物", "人名"],
    "L": ["地理位置", "地理位置", "地点", "地名"],
    "O": ["组织机构", "组织机构", "机构"],
    "T": ["时间", "时间", "日期"],
}


def ner(world: World, size: float) -> Example:
    sentences = []
    for _ in range(count(world, size, 0.3)):
        slots = {}
        for slot, draw in (("P", world.person), ("L", world.place), ("O", world.org), ("T", world.date)):
            for suffix in ("", "1", "2"):
                slots[slot + suffix] = draw()
        slots |= {"J": world.pick(JOBS), "S": world.pick(DISCIPLINES), "M": world.pick(MEDALS)}
        slots["X"] = str(world.rng.randint(2, 999))
        sentences.append(fill(world.rng, world.pick(lex.NER_TEMPLATES), **slots))
    piece = with_fillers(world, sentences, 0.06 * size)
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
    """A text about one or more records; marks carry the record's number."""

    domain: lex.Domain
    piece: Piece
    records: int

    def spans(self, slot: str, record: int) -> list[Span]:
        """The spans of a record's slot; a contest `H` counts as `G`."""
        return self.piece.spans(*(name + str(record) for name in (("G", "H") if slot == "G" else (slot,))))

    def subjects(self) -> list[Span]:
        return sorted({s for i in range(1, self.records + 1) for s in self.spans(self.domain.subject, i)})

    def owner(self, span: Span) -> list[int]:
        """The records whose subject is this span."""
        return [i for i in range(1, self.records + 1) if span in self.spans(self.domain.subject, i)]


def _sport_record(world: World) -> dict[str, str | Piece]:
    return {
        "P": world.person(), "N": world.country(), "L": world.city(), "T": world.date(),
        "G": world.contest(True), "H": world.contest(False), "M": world.pick(MEDALS),
        "X": world.pick([f"{world.rng.randint(20, 300)}.{world.rng.randint(0, 99):02d}", str(world.rng.randint(10, 400))]),
    }  # fmt: skip


def _career_record(world: World) -> dict[str, str | Piece]:
    return {"P": world.person(), "L": world.city(), "B": world.full_date(), "U": world.school(), "O": world.org(), "J": world.pick(JOBS)}


def _company_record(world: World) -> dict[str, str | Piece]:
    return {"O": world.company(), "P": world.person(), "L": world.city(), "T": world.full_date(), "J": world.person()}


def _book_record(world: World) -> dict[str, str | Piece]:
    return {"B": world.title(), "P": world.person(), "O": world.publisher(), "T": world.full_date()}


_RECORDS = {"sport": _sport_record, "career": _career_record, "company": _company_record, "book": _book_record}


def scene(world: World, size: float, domains: list[lex.Domain] = lex.DOMAINS) -> Scene:
    domain = world.rng.choices(domains, [d.weight for d in domains])[0]
    record = _RECORDS[domain.name]
    records = count(world, size, 0.14 if world.easy > 3 else 0.2 if world.easy else 0.35)
    sentences = [fill(world.rng, world.pick(domain.templates), **record(world)).renamed(str(i + 1)) for i in range(records)]
    if records > 1 and world.chance(0.3):  # semicolons instead of full stops
        for sentence in sentences[:-1]:
            sentence.text = sentence.text.rstrip("。！") + "；"
    return Scene(domain, with_fillers(world, sentences, 0.06 * size), records)


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
        for slots, key in (("P", "P"), ("L", "L"), ("T", "T")):
            spans = piece.spans(*(f"{s}{i + 1}" for s in slots for i in range(found.records)))
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
    found = scene(world, size * 0.5 if world.easy and size <= 1 else size)
    queries = [Query((), text, spans) for text, spans, _ in _questions(world, found)]
    if found.records == 1:
        for slot, templates in lex.PLAIN_QUESTIONS.items():
            spans = found.spans(slot, 1)
            if spans and slot in found.domain.plain:
                queries.append(Query((), choose(world.rng, world.pick(templates)), spans))
    return Example("qa", found.piece.text, queries)


def reading(world: World, size: float) -> Example:
    """Reading with options: the answer is the option's own span before the bar."""
    asked = []
    while not asked:
        found = scene(world, min(size, 1) * (0.5 if world.easy else 1.0), lex.DOMAINS[:1] if world.easy > 1 else lex.DOMAINS)
        text = found.piece.text
        asked = [(q, spans, slot) for q, spans, slot in _questions(world, found) if spans and slot in ("MN" if world.easy > 2 else found.domain.options)]
    query, spans, slot = world.pick(asked)
    answers = {text[a:b] for a, b in spans}
    answer = world.pick(sorted(answers))
    options = {text[a:b] for i in range(1, found.records + 1) for a, b in found.spans(slot, i)}
    options |= {_RECORDS[found.domain.name](world)[slot] for _ in range(3)}
    pool = sorted(o for o in options - answers if "," not in o and "|" not in o)
    labels = [answer, *world.rng.sample(pool, min(len(pool), world.rng.randint(1, 2)))]
    return labelled("reading", world, labels, answer, text, query)


# -- events ------------------------------------------------------------------------------


def event(world: World, size: float) -> Example:
    kind = world.rng.choices(lex.EVENT_KINDS, [k.weight for k in lex.EVENT_KINDS])[0]
    key = world.pick(kind.keys)
    sentences, records = [], min(2, count(world, size, 0.12))
    absent = world.chance(0.03)
    if absent:
        sentences, records = [filler(world)], 0
    skewed = [4, 1] if world.easy > 3 and len(kind.templates) > 1 else None
    triggers = world.rng.choices(kind.templates, skewed, k=records) if world.easy > 3 else [world.pick(kind.templates) for _ in range(records)]
    first = world.rng.randrange(12)
    for i, (words, templates) in enumerate(triggers):
        slots = {
            "T": world.date(), "W": world.team(), "V": world.team(), "G": world.pick(CUPS),
            "A": world.company(), "B": world.company(), "M": f"{world.rng.randint(1, 990)}{world.pick(['万元', '亿元', '亿美元', '万美元'])}",
            "P": world.person(), "O": world.org(), "J": world.pick(JOBS), "L": world.place(), "D": f"{world.rng.randint(3, 8)}.{world.rng.randint(0, 9)}级",
            "R": words[(first + i) % len(words)],
        }  # fmt: skip
        low, colon = world.rng.randint(0, 3), world.pick("--比:")
        high = low + world.rng.randint(1, 3)
        slots |= {"X": f"{low}{colon}{high}", "Y": f"{high}{colon}{low}"}
        sentences.append(fill(world.rng, world.pick(templates), **slots).renamed(str(i)))
    piece = with_fillers(world, sentences, 0.06 * size)
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
    if world.easy > 3 and world.chance(0.6):
        words = praise if good else blame
    word = world.pick(words)
    if not word.startswith("不") and world.chance(0.4):
        word = world.pick(lex.DEGREES) + word
    return world.pick(aspects), word


def attribute_sentiment(world: World, size: float) -> Example:
    total = world.rng.randint(12, 24) if size > 1 else world.rng.choices([1, 2, 3, 4], [6, 3, 1, 0] if world.easy > 3 else [3, 3, 1.5, 0.2] if world.easy > 1 else [3, 3, 2, 0.6])[0]
    clauses, pairs, used, number = [], [], set(), 0
    while number < total:
        good = world.chance(0.5)
        slots = {}
        for suffix in ("", "2"):
            aspect, word = _opinion(world, good)
            while aspect in used and len(used) < 20:
                aspect, word = _opinion(world, good)
            used.add(aspect)
            slots |= {"A" + suffix: aspect, "Q" + suffix: word}
        template, links = world.rng.choices(lex.OPINION_TEMPLATES, [w if world.easy > 1 else wide for _, _, w, wide in lex.OPINION_TEMPLATES])[0][:2]
        clauses.append(fill(world.rng, template, **slots).renamed(f"_{number}"))
        pairs += [(f"{a}_{number}", [f"{q}_{number}" for q in qs]) for a, qs in links]
        number += len(links)
    if world.chance(0.1):
        clauses.insert(0, Piece(world.pick(lex.NEUTRAL_ASIDES)))
    marks = world.pick([["，"], ["，"], ["，", "。"], ["，", "，就是"], [" "]])
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
    for _ in range(world.rng.randint(8, 20) if size > 1 else world.rng.randint(1, 3) if size else 1):
        aspect, word = _opinion(world, good)
        phrase = choose(world.rng, world.pick(lex.GOOD_PHRASES if good else lex.BAD_PHRASES))
        parts.append(phrase if world.chance(0.5) else aspect + word)
    if world.chance(0.5):
        opening = world.pick(lex.REVIEW_OPENINGS)
        parts[0] = opening + world.pick(["，", "，", "的" if opening.startswith("这") else "，"]) + parts[0]
    body = ""
    for i, part in enumerate(parts):
        body += part + ("，" if i + 1 < len(parts) else world.pick(["。", "！", ""]))
    pair = world.pick(lex.SENTIMENT_LABELS)
    return labelled("sentiment", world, list(pair), pair[0 if good else 1], body, world.pick(["情感分类", "情感分类", "情感倾向"]))


# -- tasks whose answer is a label -------------------------------------------------------


def labelled(task: str, world: World, labels: list[str], gold: str, body: str, key: str, shuffle: bool = True) -> Example:
    """Puts the labels before the bar; the answer is the gold label's own span."""
    if shuffle:
        world.rng.shuffle(labels)
    start = sum(len(label) + 1 for label in labels[: labels.index(gold)])
    return Example(task, ",".join(labels) + "|" + body, [Query((), key, [(start, start + len(gold))])])


def classification(world: World, size: float) -> Example:
    if size and world.chance(0.12):
        intents = world.rng.sample(sorted(lex.INTENTS), world.rng.randint(2, 4))
        gold = world.pick(intents)
        slots = {"L": world.pick(CITIES), "T": world.date(), "P": world.person()}
        body = fill(world.rng, world.pick(lex.INTENTS[gold]), **slots).text
        return labelled("classification", world, intents, gold, body, world.pick(["分类", "意图"]))
    if size:
        topics = world.rng.sample(sorted(lex.TOPICS), world.rng.randint(2, 6) if world.chance(0.9) else world.rng.randint(7, 10))
    else:
        topics = world.rng.sample(sorted(lex.TOPICS), world.rng.randint(2, 3))
    gold = world.pick(topics)
    words = world.rng.sample(lex.TOPICS[gold], world.rng.randint(1, 3))
    body = world.pick(lex.NEWS_TEMPLATES).replace("{K}", world.pick(["、", "、", "和"]).join(words))
    return labelled("classification", world, topics, gold, body, world.pick(["分类", "分类", "文本分类", "新闻分类"]))


def matching(world: World, size: float) -> Example:
    same = world.chance(0.5)
    frame = world.pick(lex.MATCH_FRAMES)
    slots = frame.draw(world)
    first, second = world.pick(frame.forms), world.pick(frame.forms)
    a = frame.render(world, first, slots)
    if same:
        b = frame.render(world, second, slots)
    elif world.chance(0.5):
        changed = frame.draw(world, different_from=slots)
        b = frame.render(world, second, changed)
    else:
        other = world.pick([f for f in lex.MATCH_FRAMES if f is not frame])
        shared = {k: v for k, v in slots.items() if k in other.slots and world.chance(0.1 if world.easy else 0.5)}
        b = other.render(world, world.pick(other.forms), other.draw(world) | shared)
    if world.chance(0.5):
        a, b = b, a
    ending = world.pick(["", "", "？"])
    pair = world.pick(lex.MATCH_LABELS)
    return labelled("matching", world, list(pair), pair[0 if same else 1], a + ending + "&" + b + ending, "文本匹配")


def nli(world: World, size: float) -> Example:
    labels = ["蕴含", "矛盾", "中立"]
    gold = world.pick(labels)
    frame = world.pick(lex.NLI_FRAMES)
    slots = {
        "P": world.person(), "L": world.city(), "O": world.org(), "T": world.date(),
        "D": world.pick(DISCIPLINES), "F": world.pick(lex.FOODS), "J": world.pick(JOBS), "Q": world.person(),
    }  # fmt: skip
    slots["l"] = world.pick([city for city in CITIES if city != slots["L"]])
    premise = fill(world.rng, world.pick(frame.premises), **slots).text
    options = {"蕴含": frame.entailed, "矛盾": frame.contradicted, "中立": lex.NLI_NEUTRAL}[gold]
    claim = fill(world.rng, world.pick(options), **slots).text
    end = world.pick(["", "", "", "。"])
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
    # task: generator, share of the training texts (a text of the label tasks has one query, of the others up to two)
    "ner": (ner, 2.0),
    "relation": (relation, 3.6),
    "event": (event, 1.6),
    "attribute_sentiment": (attribute_sentiment, 1.6),
    "sentiment": (sentiment, 2.5),
    "classification": (classification, 4.0),
    "matching": (matching, 4.5),
    "nli": (nli, 3.5),
    "qa": (question, 1.8),
    "reading": (reading, 3.0),
}


def sample(world: World, size: float, boost: dict[str, float] | None = None) -> Example:
    """Draws one example; `size` 0 gives the shortest texts, 1 the usual mix, more long texts. `boost` has factors on the shares."""
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

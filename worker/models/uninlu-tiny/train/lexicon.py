"""Templates and word lists of the sentence generator.

Templates use the notation of `template.py`: `{X}` is a slot, `[a|b]` a choice. What a
slot letter means is said where each table begins. Spans are taken from the slots, so
a template must not contain an entity in plain text.

The lists are short on purpose: a model of this size learns them well in half an hour.
"""

from __future__ import annotations

from dataclasses import dataclass

from .entities import World
from .template import choose

# Sentences without entities, opinions, events or dates.
FILLERS = [
    "现场气氛热烈。", "大家都表示祝贺。", "详情请看后续报道。", "这件事引起了关注。", "月光洒在窗台上。", "路上的车不多。", "门口排起了长队。", "掌声久久没有停下。", "请大家注意安全。", "工作人员正在整理资料。",
]  # fmt: skip

# Named entities: P person, L place, O organisation, T time (with 1 and 2 for further ones); J job, S discipline, M medal, X number.
NER_TEMPLATES = [
    "{T}，{P}在{L}[获得|夺得]{S}{M}。", "{P}在{L}获得{S}{M}。", "{P}毕业于{O}，现在{L}工作。", "{O}[宣布|]任命{P}为{J}，{T}起生效。", "据{O}报道，{P}和{P1}将于{T}访问{L}。", "{T}{O}在{L}举行发布会，{J}{P}出席。",
    "{P}、{P1}和{P2}都来自{L}。", "从{L}到{L1}的高铁{T}开通。", "我叫{P}，在{O}上班，家[在|住]{L}。", "{O}与{O1}签署合作协议，项目落户{L}。", "{P}说：“{T}我们去{L}吧。”", "记者{P}{L}报道：{O}向灾区捐款{X}万元。",
    "{P}[是|担任]{O}的{J}。", "{P}担任{O}{J}。", "{P}在{L}工作。", "{P}在{L}的{O}上班。", "{P}从{L}[飞往|搬到]{L1}。", "{O}[位于|坐落在]{L}，成立于{T}。", "{P}{T}[出生|生]于{L}。", "{T}，{L}下起了大雪。", "今天天气很好，适合出门散步。",
    "{P}是{O}的{J}，曾在{L}、{L1}和{L2}生活。", "{P}和{P1}{T}访问{L}。", "{L}是{P}的故乡。",
]  # fmt: skip


# -- facts ---------------------------------------------------------------------------


@dataclass
class Attribute:
    """A fact about a subject: its keys in a relation schema, and questions that ask for it ({S} is the subject)."""

    keys: list[str]
    questions: list[str]


@dataclass
class Domain:
    """A kind of record that sentences tell about.

    `reverse` asks for the subject by a value {V}; `plain` are the slots that a question
    without a subject may ask for; `options` those that reading with options may ask for.
    """

    name: str
    roots: list[str]
    subject: str
    attributes: dict[str, Attribute]
    reverse: dict[str, list[str]]
    templates: list[str]
    plain: str
    options: str
    weight: float = 1.0


DOMAINS = [
    # P athlete, N country (in front of the athlete), L city, T time, G contest with a city in it, H contest without, M medal, X score
    Domain(
        name="sport",
        roots=["人物", "人物", "人物", "选手"],
        subject="P",
        attributes={
            "G": Attribute(["比赛项目(赛事名称)", "比赛项目(赛事名称)", "比赛项目"], ["{S}参加了什么比赛？"]),
            "L": Attribute(["参赛地点(城市)", "参赛地点(城市)", "参赛地点"], ["{S}在[哪里|哪个城市]比赛？"]),
            "T": Attribute(["获奖时间(时间)", "获奖时间(时间)", "获奖时间"], ["{S}什么时候[获奖|比赛]？"]),
            "N": Attribute(["选手国籍(国籍)", "选手国籍(国籍)", "国籍"], ["{S}是哪国人？", "{S}来自哪个国家？"]),
            "M": Attribute(["获得奖项(奖项)", "奖项"], ["{S}获得了什么[奖牌|奖]？"]),
        },
        reverse={"M": ["谁获得了{V}？"]},
        templates=[
            "{T}{G}中{N}选手{P}以{X}分获得{M}[！|。]", "{T}，{N}选手{P}在{L}的{H}中获得{M}。", "{T}，{P}在{L}的{H}中获得{M}。", "在{L}，{N}选手{P}于{T}夺得{H}{M}。", "{P}{T}在{L}参加{H}，拿下{M}。", "{T}，{P}在{L}获得{H}{M}。",
        ],
        plain="LTM",
        options="LNM",
        weight=3.0,
    ),
    # P person, L birthplace, B birth date, U school, O employer, J job
    Domain(
        name="career",
        roots=["人物", "人物", "人名"],
        subject="P",
        attributes={
            "L": Attribute(["出生地(城市)", "出生地"], ["{S}是哪里人？", "{S}出生在哪里？"]),
            "B": Attribute(["出生日期(时间)", "出生日期"], ["{S}什么时候出生？"]),
            "U": Attribute(["毕业院校(学校)", "毕业院校"], ["{S}毕业于哪里？", "{S}毕业于哪所学校？"]),
            "O": Attribute(["任职机构(组织机构)", "任职机构"], ["{S}在[哪里|什么单位]工作？"]),
            "J": Attribute(["职务(职务)", "职务"], ["{S}担任什么职务？"]),
        },
        reverse={"U": ["谁毕业于{V}？"], "O": ["谁在{V}工作？"]},
        templates=["{P}，{B}出生于{L}，毕业于{U}，现任{O}{J}。", "{P}出生于{L}，毕业于{U}，现在[在|]{O}担任{J}。", "{P}毕业于{U}，[现任|是]{O}{J}。", "{P}{B}出生在{L}，毕业后在{O}工作。"],
        plain="LBUO",
        options="LUJ",
        weight=1.3,
    ),
    # O company, P founder, J chairman, L seat, T founding date
    Domain(
        name="company",
        roots=["组织机构", "公司"],
        subject="O",
        attributes={
            "P": Attribute(["创始人(人物)", "创始人"], ["谁创办了{S}？"]),
            "T": Attribute(["成立时间(时间)", "成立时间"], ["{S}什么时候成立？"]),
            "L": Attribute(["总部地点(城市)", "总部地点"], ["{S}在哪里？"]),
            "J": Attribute(["董事长(人物)", "董事长"], ["{S}的董事长是谁？"]),
        },
        reverse={"P": ["{V}创办了什么公司？"]},
        templates=["{O}由{P}于{T}在{L}创办。", "{P}于{T}在{L}创办了{O}。", "{O}成立于{T}，总部位于{L}，创始人是{P}。", "{O}位于{L}，成立于{T}，董事长是{J}。"],
        plain="PTLO",
        options="PL",
        weight=1.0,
    ),
    # B book, P author, O publisher, T publication date
    Domain(
        name="book",
        roots=["作品", "作品", "图书"],
        subject="B",
        attributes={
            "P": Attribute(["作者(人物)", "作者"], ["{S}的作者是谁？", "谁写了{S}？"]),
            "O": Attribute(["出版社(组织机构)", "出版社"], ["{S}是哪家出版社出版的？"]),
            "T": Attribute(["出版时间(时间)", "出版时间"], ["{S}什么时候出版？"]),
        },
        reverse={"P": ["{V}写了什么？"]},
        templates=["{B}是{P}写的小说，{T}由{O}出版。", "{T}，{O}出版了{P}的{B}。", "{B}，作者{P}，{O}{T}出版。"],
        plain="POT",
        options="PO",
        weight=0.7,
    ),
]  # fmt: skip

# Questions without a subject, for texts with one record.
PLAIN_QUESTIONS = {
    "L": ["在哪里？", "哪个城市？"],
    "T": ["什么时候？", "时间是哪天？"],
    "B": ["什么时候出生？"],
    "O": ["哪个机构？", "什么单位？"],
    "U": ["哪所学校？"],
    "P": ["谁？", "是谁？"],
    "M": ["什么奖牌？"],
}


# -- events --------------------------------------------------------------------------


@dataclass
class EventKind:
    """An event: schema keys, argument names by slot, and (trigger words, templates) pairs with the trigger as {R}."""

    keys: list[str]
    arguments: dict[str, list[str]]
    templates: list[tuple[list[str], list[str]]]
    weight: float = 1.0


EVENT_KINDS = [
    # T time, G contest, W winner, V loser, X losing score, Y winning score
    EventKind(
        keys=["胜负(事件触发词)"],
        arguments={"T": ["时间"], "V": ["败者"], "W": ["胜者"], "G": ["赛事名称"]},
        templates=[
            (["负于", "不敌", "输给"], ["{T}，{V}在{G}中以{X}{R}{W}。", "{T}，{V}在{G}中{R}{W}。", "{V}{T}在{G}中以{X}{R}{W}。"]),
            (["击败", "战胜", "大胜"], ["{T}，{W}在{G}中以{Y}{R}{V}。", "{T}，{W}在{G}中{R}{V}。", "{W}{T}在{G}中以{Y}{R}{V}。"]),
        ],
        weight=3.0,
    ),
    # A buyer, B bought, M amount
    EventKind(
        keys=["收购(事件触发词)"],
        arguments={"T": ["时间"], "A": ["收购方"], "B": ["被收购方"], "M": ["金额"]},
        templates=[(["收购", "并购"], ["{T}，{A}宣布以{M}{R}{B}。", "{A}{T}{R}了{B}，金额{M}。"])],
    ),
    # P person, O organisation, J job
    EventKind(
        keys=["任职(事件触发词)"],
        arguments={"T": ["时间"], "P": ["人物"], "O": ["组织机构"], "J": ["职务"]},
        templates=[(["出任", "就任", "辞去", "卸任"], ["{T}，{P}{R}{O}{J}。", "{P}{T}{R}{O}{J}。"])],
    ),
    # L place, D magnitude
    EventKind(
        keys=["地震(事件触发词)"],
        arguments={"T": ["时间"], "L": ["地点"], "D": ["震级"]},
        templates=[(["地震"], ["{T}，{L}发生{D}{R}。", "{L}{T}发生{R}，震级{D}。"])],
        weight=0.6,
    ),
]  # fmt: skip


# -- opinions --------------------------------------------------------------------------

PRAISE = "好 不错 棒 满意 出色".split()
BLAME = "差 糟糕 烂 不好 失望".split()
DEGREES = "很 非常 太 有点 特别".split()

# (aspects, praise, blame)
ASPECT_GROUPS = [
    ("音质 声音".split(), "清晰 动听".split(), "刺耳 模糊".split()),
    ("物流 快递".split(), "快 及时".split(), "慢 拖拉".split()),
    ("服务 服务员 客服".split(), "热情 周到".split(), "冷淡 敷衍".split()),
    ("屏幕 画面".split(), "清晰 细腻".split(), "模糊 昏暗".split()),
    ("味道 菜品 口感".split(), "好吃 新鲜".split(), "难吃 油腻".split()),
    ("价格".split(), "便宜 实惠".split(), "贵 离谱".split()),
    ("做工 质量 手感".split(), "精细 结实".split(), "粗糙 劣质".split()),
    ("电池 续航 系统".split(), "耐用 流畅".split(), "不耐用 卡".split()),
    ("环境 房间 位置".split(), "舒适 干净 优雅".split(), "嘈杂 脏 偏僻".split()),
    ("外观 包装".split(), "漂亮 精美".split(), "难看 简陋".split()),
    ("剧情 台词 文字".split(), "感人 精彩 紧凑".split(), "无聊 生硬 弱".split()),
]  # fmt: skip

# (template, [(aspect slot, opinion slots)], weight, weight while the sentences are not the easiest)
OPINION_TEMPLATES = [
    ("{A}{Q}", [("A", ["Q"])], 6, 6),
    ("{A}[也|真的|感觉]{Q}", [("A", ["Q"])], 1.5, 1.5),
    ("{Q}的{A}", [("A", ["Q"])], 0.2, 0.8),
    ("{A}和{A2}都{Q}", [("A", ["Q"]), ("A2", ["Q"])], 0.5, 0.7),
    ("{A}{Q}，但是{A2}{Q2}", [("A", ["Q"]), ("A2", ["Q2"])], 1.5, 1.5),
]
NEUTRAL_ASIDES = ["说实话", "总的来说", "第一次来", "东西收到了", "昨天买的"]
ASPECT_KEYS = [("属性词", "情感词")]

REVIEW_OPENINGS = ["这本书", "这个手机", "这家店", "这款耳机", "这部电影", "这件衣服", "这家酒店", "昨天买的", "第一次来", "东西收到了", "说实话", "总的来说"]  # fmt: skip
GOOD_PHRASES = [
    "[非常|]值得购买", "非常满意", "很喜欢", "[强烈|]推荐大家买", "超出预期", "[电影|]太好看了", "性价比高", "下次还会再来", "物超所值", "值得推荐", "孩子很喜欢", "必须给好评", "买得值", "服务很好",
]  # fmt: skip
BAD_PHRASES = [
    "[有点|]看不下去了", "非常失望", "很讨厌", "大家别买", "不如预期", "[电影|]太难看了", "性价比低", "再也不来了", "浪费时间", "不推荐", "就觉得挺矫情了", "只能给差评", "不值这个价", "服务很差", "文字也弱了点",
]  # fmt: skip
SENTIMENT_LABELS = [("正向", "负向")] * 4 + [("正面", "负面"), ("好评", "差评")]


# -- classification ---------------------------------------------------------------------

TOPICS = {
    "体育": "比赛 冠军 球队 教练 进球 联赛 夺冠 运动员 金牌 决赛".split(),
    "财经": "股票 基金 银行利率 央行 投资者 债券 涨停 汇率 贷款 财报".split(),
    "科技": "芯片 人工智能 手机发布 算法 机器人 操作系统 卫星 量子计算 软件 无人机".split(),
    "教育": "高考 大学招生 学生 老师 课堂 考试 毕业典礼 奖学金 作业 校园".split(),
    "娱乐": "电影票房 演员 演唱会 综艺 导演 歌手 新专辑 电视剧 明星 粉丝".split(),
    "健康": "医院 疫苗 医生 血压 睡眠 饮食 锻炼身体 患者 感冒 手术".split(),
    "旅游": "景点 酒店 机票 游客 海滩 自驾游 古镇 签证 民宿 导游".split(),
    "汽车": "新车 发动机 电动车 续航 试驾 轿车 充电桩 油耗 车主 轮胎".split(),
    "房产": "楼盘 房价 二手房 购房者 租金 物业 首付 房贷 户型 房东".split(),
    "军事": "军舰 战斗机 导弹 航母 演习 士兵 坦克 海军 潜艇 雷达".split(),
    "美食": "火锅 烧烤 菜谱 红烧肉 蛋糕 奶茶 面条 厨师 小吃 饺子".split(),
}  # fmt: skip
NEWS_TEMPLATES = ["关于{K}的最新消息", "{K}引发关注", "记者了解到{K}", "{K}", "专家谈{K}", "今年{K}有哪些变化", "盘点{K}"]

INTENTS = {
    "查天气": ["{L}{T}天气怎么样", "{T}{L}会[下雨|下雪]吗", "看看{L}的天气"],
    "播放音乐": ["播放一首{P}的歌", "我想听{P}的歌", "打开音乐"],
    "设闹钟": ["设一个{T}的闹钟", "{T}叫我起床", "取消闹钟"],
    "订机票": ["订一张{T}去{L}的机票", "{T}飞{L}的航班"],
}


# -- matching ----------------------------------------------------------------------------

Concept = tuple[str, ...]


@dataclass(eq=False)
class MatchFrame:
    """Questions of one meaning: `forms` say the same, a slot's concepts are tuples of synonyms."""

    forms: list[str]
    slots: dict[str, list[Concept]]

    def draw(self, world: World, different_from: dict[str, Concept] | None = None) -> dict[str, Concept]:
        """Draws a concept for each slot; given earlier ones, keeps them but for one slot."""
        if different_from is None:
            return {slot: world.pick(concepts) for slot, concepts in self.slots.items()}
        slot = world.pick(sorted(self.slots))
        return different_from | {slot: world.pick([c for c in self.slots[slot] if c != different_from[slot]])}

    def render(self, world: World, form: str, concepts: dict[str, Concept]) -> str:
        text = choose(world.rng, form)
        for slot, concept in concepts.items():
            text = text.replace("{" + slot + "}", world.pick(concept))
        return text


_THINGS: list[Concept] = [("密码", "登录密码"), ("手机号",), ("头像",), ("地址",), ("邮箱",), ("订单",)]
_GOODS: list[Concept] = [("苹果手机",), ("空调",), ("冰箱",), ("自行车",), ("耳机",), ("电视",)]
_DISHES: list[Concept] = [("红烧肉",), ("饺子",), ("蛋糕",), ("面条",)]
_ILLS: list[Concept] = [("感冒",), ("失眠",), ("头疼", "头痛"), ("牙疼", "牙痛"), ("咳嗽",)]
_CITIES: list[Concept] = [("北京",), ("上海",), ("广州",), ("成都",), ("杭州",), ("武汉",)]

MATCH_FRAMES = [
    MatchFrame(["怎么修改{N}", "如何更改{N}", "{N}怎么改"], {"N": _THINGS}),
    MatchFrame(["怎么注销{N}", "如何删除{N}", "{N}怎么删掉"], {"N": _THINGS}),
    MatchFrame(["{G}多少钱", "{G}的价格是多少", "买{G}要花多少钱"], {"G": _GOODS}),
    MatchFrame(["哪里能买到{G}", "在哪里买{G}", "{G}哪里有卖"], {"G": _GOODS}),
    MatchFrame(["{D}怎么做", "如何做{D}", "{D}的做法"], {"D": _DISHES}),
    MatchFrame(["{I}吃什么药", "{I}该吃什么药", "什么药能治{I}"], {"I": _ILLS}),
    MatchFrame(["明天{C}的天气", "{C}明天天气怎么样"], {"C": _CITIES}),
    MatchFrame(["怎么去{C}", "去{C}怎么走"], {"C": _CITIES}),
]  # fmt: skip
MATCH_LABELS = [("相似", "不相似")]


# -- inference ---------------------------------------------------------------------------


@dataclass
class NliFrame:
    """A premise with claims that follow from it or contradict it."""

    premises: list[str]
    entailed: list[str]
    contradicted: list[str]


FOODS = "苹果 面条 饺子 西瓜 米饭 蛋糕".split()
NLI_FRAMES = [
    NliFrame(["{P}{T}在{L}的{O}工作", "{P}在{L}的{O}工作"], ["{P}在{L}工作", "{P}在{O}工作", "{P}有工作"], ["{P}不在{L}工作", "{P}没有工作", "{P}不在{O}工作"]),
    NliFrame(["{P}{T}去了{L}", "{P}{T}到了{L}"], ["{P}去过{L}", "{P}到了{L}"], ["{P}没有去{L}", "{P}从来没去过{L}", "{P}没有出门"]),
    NliFrame(["{P}喜欢{D}", "{P}非常喜欢{D}"], ["{P}喜欢运动", "{P}喜欢{D}"], ["{P}不喜欢{D}", "{P}讨厌{D}", "{P}不喜欢运动"]),
    NliFrame(["{P}早上吃了{F}", "{P}买了{F}吃"], ["{P}吃了{F}", "{P}吃过东西"], ["{P}没有吃{F}", "{P}什么都没吃"]),
    NliFrame(["{P}是{O}的{J}", "{P}担任{O}{J}"], ["{P}是{J}", "{P}在{O}工作"], ["{P}不是{J}", "{P}不在{O}工作", "{P}没有工作"]),
    NliFrame(["{P}和{Q}结婚了", "{P}与{Q}{T}结婚"], ["{P}结婚了", "{P}和{Q}是夫妻"], ["{P}还没结婚", "{P}和{Q}不认识"]),
]  # fmt: skip
NLI_NEUTRAL = ["{P}会[弹钢琴|游泳|开车]", "{P}家里有一只[猫|狗]", "{P}[喜欢|爱]吃水果", "{P}的妹妹是医生", "{P}的弟弟在{l}", "{P}昨晚睡得很好"]

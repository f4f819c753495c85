"""Writes the expected answers that the product's own engine is tested against.

    OMP_NUM_THREADS=1 python3 -m train.reference --model 1 --to testdata

`reference.json`: requests with the output of `engine.py`. `tokens.json`: strings with the
ids and the code point offsets that the tokenizers package gives. A request is left out
when a logit comes so near the threshold that rounding could turn the answer over.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from tokenizers import Tokenizer

from . import data
from .engine import Engine
from .entities import World

MARGIN = 0.001

ENTITIES = {"人物": None, "地理位置": None, "组织机构": None}
SPORT = {"人物": {"比赛项目(赛事名称)": None, "参赛地点(城市)": None, "获奖时间(时间)": None, "选手国籍(国籍)": None}}
MATCH = {"胜负(事件触发词)": {"时间": None, "败者": None, "胜者": None, "赛事名称": None}}
OPINION = {"属性词": {"情感词": None}}
SENTIMENT = {"情感分类": None}
CLASS = {"分类": None}
PAIR = {"文本匹配": None}
INFERENCE = {"段落2和段落1的关系是：": None}

GOLD = "2月8日上午北京冬奥会自由式滑雪女子大跳台决赛中中国选手谷爱凌以188.25分获得金牌！"
LOSS = "7月28日，天津泰达在德比战中以0-1负于天津天海。"
CHAIN = "王伟毕业于武汉大学，现在北京工作。李强担任上海华星科技公司董事长。"

CASES: list[tuple[str, str, dict]] = [
    ("ner", GOLD, {"人物": None, "地理位置": None}),
    ("ner", GOLD, ENTITIES | {"时间": None}),
    ("ner", "3月5日，谷爱凌在北京获得自由式滑雪金牌。", {"人物": None, "地理位置": None, "时间": None, "组织机构": None}),
    ("ner", "记者张晓明杭州报道：金桥集团向灾区捐款50万元。", ENTITIES),
    ("ner", "据新华社报道，刘洋和陈静将于5月1日访问东京。", ENTITIES | {"时间": None}),
    ("ner", "王伟、李强和刘洋都来自成都。", {"人名": None, "地名": None}),
    ("ner", CHAIN, ENTITIES),
    ("ner", "今晚的月光洒在窗台上。", {"人物": None, "组织机构": None}),
    ("ner", "😀王伟在北京👍🏽工作。", ENTITIES),
    ("ner", "𠮷王伟毕业于𡃁武汉大学，现在北京工作🎉。", ENTITIES),
    ("ner", "龘靐在北京获得跳水冠军。", ENTITIES),
    ("ner", "TOM和Alice将于５月１日访问PARIS。", ENTITIES | {"时间": None}),
    ("ner", "Tom Smith  在\t北京 的 华星 集团 上班 。", ENTITIES),
    ("ner", "ｉＰｈｏｎｅ　ＶＩＰ会员王伟在北京。", ENTITIES),
    ("ner", "王伟在北京", {"人物": None, "": None}),
    ("ner", "王\u200b伟\u0000在北\u00ad京工作。", ENTITIES),
    ("ner", "王伟。", {"人物": {}}),
    ("ner", "", {"人物": None}),
    ("ner", "。", ENTITIES),
    ("ner", "迈克尔·乔丹从纽约飞往巴黎。", ENTITIES),
    ("ner", "欧阳雨晨是博雅研究院的院长，曾在南京、苏州和扬州生活。", ENTITIES),
    ("relation", GOLD, SPORT),
    ("relation", "5月1日，中国选手张晓明在东京的击剑比赛中获得金牌；6月2日，美国选手李雷在北京的跳水比赛中获得银牌。", SPORT),
    ("relation", "5月1日，张晓明在东京的击剑比赛中获得金牌。", {"选手": {"参赛地点(城市)": None, "选手国籍(国籍)": None, "奖项": None}}),
    ("relation", "金桥科技公司由李国强于2008年在成都创办。", {"组织机构": {"创始人(人物)": None, "成立时间(时间)": None, "总部地点(城市)": None}}),
    ("relation", "王伟，1980年5月出生于武汉，毕业于南京大学，现任博雅集团总经理。", {"人物": {"出生地(城市)": None, "出生日期(时间)": None, "毕业院校(学校)": None, "任职机构(组织机构)": None, "职务(职务)": None}}),
    ("relation", "《春天的故乡》是林雨晨写的小说，2015年由人民出版社出版。", {"作品": {"作者(人物)": None, "出版社(组织机构)": None, "出版时间(时间)": None}}),
    ("relation", GOLD, {"人物": {"比赛项目(赛事名称)": {}}, "地理位置": None}),
    ("relation", GOLD, {"人物": {"比赛项目(赛事名称)": {"参赛地点(城市)": None}}}),
    ("relation", "详情请看后续报道。", SPORT),
    ("event", LOSS, MATCH),
    ("event", "昨晚，武汉三镇在足协杯中以3-1击败成都蓉城。", MATCH),
    ("event", "2021年8月，华星集团宣布以35亿元收购金桥科技公司。", {"收购(事件触发词)": {"时间": None, "收购方": None, "被收购方": None, "金额": None}}),
    ("event", "3月1日，周国平出任东方银行董事长。", {"任职(事件触发词)": {"时间": None, "人物": None, "组织机构": None, "职务": None}}),
    ("event", "昨天凌晨，大理发生5.1级地震。", {"地震(事件触发词)": {"时间": None, "地点": None, "震级": None}}),
    ("event", "路上的车不多。", MATCH),
    ("event", LOSS, {"胜负(事件触发词)": {"败者": None, "胜者": {}}}),
    ("attribute_sentiment", "音质很好，物流太慢，价格便宜。", OPINION),
    ("attribute_sentiment", "房间很干净，服务员非常热情，就是位置有点偏僻。", OPINION),
    ("attribute_sentiment", "外观和手感都不错，但是续航不耐用。", OPINION),
    ("attribute_sentiment", "漂亮的外观，屏幕细腻😀，系统流畅！", OPINION),
    ("attribute_sentiment", "剧情紧凑 台词生硬", OPINION),
    ("attribute_sentiment", "服务很好。", OPINION),
    ("attribute_sentiment", "物流太慢", OPINION),
    ("sentiment", "正向,负向|有点看不下去了，看作者介绍就觉得挺矫情了，文字也弱了点。", SENTIMENT),
    ("sentiment", "正向,负向|有点看不下去了，服务冷淡，做工粗糙。", SENTIMENT),
    ("sentiment", "正向,负向|这家酒店的服务很好", SENTIMENT),
    ("sentiment", "负向,正向|这家店环境优雅，菜品新鲜，非常满意！", SENTIMENT),
    ("sentiment", "好评,差评|快递很快，手机屏幕清晰，值得推荐👍", SENTIMENT),
    ("sentiment", "正面,负面|电影太难看了，浪费时间", SENTIMENT),
    ("classification", "体育,财经,科技,教育|记者了解到芯片、机器人", CLASS),
    ("classification", "体育,财经,科技,教育,健康|球队主教练谈决赛夺冠", CLASS),
    ("classification", "故事,文化,娱乐,体育,财经,房产,汽车,教育,科技,军事|楼盘房价引发关注", CLASS),
    ("classification", "查天气,播放音乐,订机票,设闹钟|明天北京会下雨吗", {"意图": None}),
    ("classification", "旅游,美食|盘点火锅和烧烤", CLASS),
    ("matching", "相似,不相似|怎么修改密码&如何更改登录密码", PAIR),
    ("matching", "相似,不相似|怎么修改密码&苹果手机多少钱", PAIR),
    ("matching", "不相似,相似|牙疼吃什么药？&牙痛该吃什么药？", PAIR),
    ("matching", "相似,不相似|明天北京的天气&明天上海的天气", PAIR),
    ("nli", "蕴含,矛盾,中立|段落1：王伟2019年在武汉的金桥科技公司工作；段落2：王伟不在武汉工作", INFERENCE),
    ("nli", "蕴含,矛盾,中立|段落1：王伟2019年在武汉的金桥科技公司工作；段落2：王伟在武汉工作", INFERENCE),
    ("nli", "中立,矛盾,蕴含|段落1：王伟2019年在武汉的金桥科技公司工作；段落2：王伟会弹钢琴", INFERENCE),
    ("nli", "蕴含,矛盾,中立|段落1：李静喜欢羽毛球；段落2：李静喜欢运动", INFERENCE),
    ("qa", "刘洋于2008年在成都创办了启明科技公司。", {"谁创办了启明科技公司？": None, "启明科技公司在哪里？": None, "启明科技公司什么时候成立？": None}),
    ("qa", "王伟毕业于南京大学，现任博雅集团总经理。李强毕业于武汉大学，是云帆公司工程师。", {"王伟毕业于哪里？": None, "李强毕业于哪里？": None, "李强担任什么职务？": None}),
    ("qa", GOLD, {"谷爱凌是哪国人？": None, "谁获得了金牌？": None}),
    ("reading", "北京,上海,广州|王伟出生于上海，毕业于北京大学，现在在广州电视台担任主任。", {"王伟是哪里人？": None}),
    ("reading", "是,否|王伟毕业于南京大学，现任博雅集团总经理。", {"王伟毕业于南京大学吗？": None}),
    ("reading", "中国,美国,日本|" + GOLD, {"谷爱凌来自哪个国家？": None}),
    ("reading", "金牌,银牌|3月5日，张晓明在北京的跳水比赛中获得银牌。", {"张晓明获得了什么奖牌？": None}),
    ("reading", "中国,美国|3月5日，中国选手张晓明在北京的跳水比赛中获得银牌。", {"张晓明来自哪个国家？": None}),
]  # fmt: skip


def long_cases() -> list[tuple[str, str, dict]]:
    """Texts of several windows; an entity falls on most of the borders."""
    people, cities = ["王伟", "李强", "张晓明", "欧阳雨晨"], ["北京", "成都", "东京", "乌鲁木齐"]
    reports = [f"{i % 12 + 1}月{i + 3}日，{people[i % 4]}在{cities[i % 4]}获得击剑金牌。" for i in range(30)]
    return [
        ("ner", "".join(reports[:8]), {"人物": None, "时间": None}),
        ("ner", "".join(reports[:14]), ENTITIES),
        ("ner", "😀".join(reports), ENTITIES),
        ("relation", "".join(reports[:10]), {"人物": {"参赛地点(城市)": None}}),
        ("attribute_sentiment", "音质很好，物流太慢，价格便宜，外观漂亮。" * 12, OPINION),
        ("event", "大家都表示祝贺。" * 30 + LOSS, MATCH),
        ("ner", "月光洒在窗台上。" * 60, ENTITIES),
        ("sentiment", "正向,负向|" + "服务热情，房间干净，非常满意。" * 14, SENTIMENT),
    ]


def random_cases(seed: int) -> list[tuple[str, str, dict]]:
    """Generated texts of every task, with the schema of their own queries."""
    out = []
    for task, (generator, _) in data.TASKS.items():
        world = World(random.Random(f"{seed} {task}"), unseen=True)
        for _ in range(4):
            example = generator(world, 1.0)
            schema: dict = {}
            for query in example.queries:
                if query.prefix:
                    schema[query.prefix[0][0]] = (schema.get(query.prefix[0][0]) or {}) | {query.key: None}
                else:
                    schema.setdefault(query.key, None)
            out.append((task, example.text, schema))
    return out


STRINGS = [
    "", " ", "。", "王伟在北京工作。", GOLD, LOSS, CHAIN, "正向,负向|很好", "段落1：A；段落2：B", "人物: ", "人物: 谷爱凌, 比赛项目(赛事名称): ", "胜负(事件触发词): 负于, 败者: ", "段落2和段落1的关系是：: ",
    "hello", "Hello World", "HELLO", "iPhone", "iPhone15 Pro Max", "IPHONE 手机", "unaffable", "wifi密码", "WiFi 6E", "python3", "C++", "C#", "Go1.25", "x86_64", "a", "Z", "don't", "e-mail", "foo_bar", "user@example.com", "http://example.com/a?b=1&c=2",
    "0", "7", "42", "007", "2026", "2026年", "2月8日", "188.25", "1,234,567", "3.14159265358979", "10000000000000", "-5℃", "50%", "５０％", "１２３", "１２３abc", "Ⅳ", "①②③", "½", "²", "٣٤٥", "一二三",
    "  前后空格  ", "中 间 空 格", "tab\t和\n换行\r\n", "\u3000全角空格\u3000", "不\u00a0换行\u00a0空格", "\u2003em\u2003空格", "零宽\u200b空格", "零宽\u200d连接", "\ufeffBOM开头", "软\u00ad连字符", "方向\u202e标记\u202c", "行\u2028分隔",
    "控制\u0001\u0002字符", "空\u0000字符", "\u007f删除", "\u0085下一行", "\ufffd替换符", "私用\ue000区", "未分配\u0378字",
    "😀", "好😀", "😀😀😀", "👍🏽", "👨‍👩‍👧‍👦全家", "🇨🇳中国", "1️⃣第一", "❤️", "☺", "王😀伟", "𠮷野家", "𡃁仔", "㐀㐁", "龘靐齉", "豈更車", "〇", "々", "ㄅㄆㄇ", "カタカナ", "ひらがな", "한국어", "\u1112\u1161\u11ab\u1100\u116e\u11a8어",
    "café", "cafe\u0301", "CAFÉ", "naïve", "Ångström", "ÅNGSTRÖM", "ﬁne", "straße", "STRASSE", "İstanbul", "ı", "ǅ", "ΑΒΓς", "Привет", "Ёлка", "й", "и\u0306", "שלום", "مرحبا", "हिन्दी", "ไทย", "q\u0307\u0323", "a\u0300\u0301\u0302\u0303", "が", "か\u3099", "Ａｂｃ", "ＡＢＣ１２３", "ｶﾞ",
    "“引号”", "‘单’", "《书名》", "（括号）", "【方】", "「直」", "……", "——", "～", "·", "迈克尔·乔丹", "、，。！？；：", "!\"#$%&'()*+,-./", ":;<=>?@[\\]^_`{|}~", "￥100", "€5", "£3", "©®™", "→←", "■□", "…", "‰", "a—b", "a–b", "a‐b", "〜", "・",
    "[CLS]", "[SEP]王伟", "文本[MASK]文本", "[PAD][UNK]", "[cls]", "[ CLS ]", "##ing", "##好", "a" * 99, "a" * 100, "a" * 101, "b" * 300, "好" * 300, "9" * 120, "iphone" * 20, "１" * 101, "\u0301" * 5, "好\u0301", "a" + "\u0301" * 120, "\u00c5" * 60,
    "王伟\U0001f600\ufe0f在", "混合Mixed文本Text123数字456！", "The quick brown fox jumps over the lazy dog.", "订单号A1B2C3D4，金额￥1,299.00元", "ＶＩＰ会员", "Ｖip", "\t", "\n\n", "a\u0020\u0020b", "中\u0336文", "𝔸𝕓𝕔", "𝟙𝟚", "🄰", "ꦏ", "ꙮ", "\U000e0041标签",
]  # fmt: skip


def write(path: Path, items: list[dict]) -> None:
    path.write_text("[\n" + ",\n".join(json.dumps(item, ensure_ascii=False) for item in items) + "\n]\n", encoding="utf-8")
    print(f"{path.name}: {len(items)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("1"))
    parser.add_argument("--to", type=Path, default=Path("testdata"))
    args = parser.parse_args()
    args.to.mkdir(parents=True, exist_ok=True)
    engine = Engine(args.model)
    items = []
    for task, text, schema in CASES + long_cases() + random_cases(4711):
        engine.margin = float("inf")
        written = json.dumps(schema, ensure_ascii=False)
        output = engine.predict(text, written)
        if engine.margin < MARGIN:
            print(f"left out, margin {engine.margin:.3f}: {text[:40]}")
            continue
        items.append({"task": task, "text": text, "schema": written, "output": output})
    write(args.to / "reference.json", items)
    tok = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    encodings = [(text, tok.encode(text)) for text in dict.fromkeys(STRINGS + [case[1] for case in CASES])]
    write(args.to / "tokens.json", [{"text": text, "ids": e.ids, "offsets": [list(o) for o in e.offsets]} for text, e in encodings])


if __name__ == "__main__":
    main()

"""Names, places, dates and other entities that the sentence generator draws from.

Persons, organisations, teams and titles are composed from pools of characters, so
the model has to learn how such names look and where they stand in a sentence, not
a list of them. One in eight of the composed names (by checksum) is *held out*: it
never occurs in training and is the only kind used for evaluation.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence

from ..template import Piece, fill


def _gb2312(first_row: int, last_row: int) -> list[str]:
    """Returns the characters of a range of GB2312 rows, in order."""
    chars = []
    for row in range(first_row, last_row + 1):
        for cell in range(1, 95):
            try:
                chars.append(bytes([0xA0 + row, 0xA0 + cell]).decode("gb2312"))
            except UnicodeDecodeError:
                pass  # the last row of each level is not full
    return chars


COMMON_CHARS = _gb2312(16, 55)  # level 1: the 3,755 everyday characters
RARE_CHARS = _gb2312(56, 87)  # level 2: mostly outside the vocabulary

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏"
    "钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文谷庞樊兰殷施陶洪"
)
DOUBLE_SURNAMES = "欧阳 上官 司马 诸葛 慕容 夏侯 皇甫".split()
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建国文斌波辉鹏飞宇轩浩然子涵欣怡思远嘉雨晨博雅琪瑶梦洁凌凯"
    "爱峰龙海燕雪梅婷颖倩莉丹萍云志成德福春生振东晓光天佑安宁家豪俊雄立新永康少林一诺可心若溪语桐佳乐世昌启航学良正阳"
)
TRANSLIT = "阿巴贝比布查达德迪尔费弗格哈赫伊吉卡科克拉莱兰里利洛鲁马迈曼米莫穆纳尼诺帕皮普奇乔萨塞沙史斯塔特汤瓦威维沃西希夏亚约泽"
ENGLISH_NAMES = (
    "Tom Jerry Alice Bob Smith Emma Lucas Anna Kevin Linda David Peter Mary Jack Lily Henry Grace Oscar Nina Frank"
).split()

CITIES = (
    "北京 上海 广州 深圳 杭州 南京 成都 重庆 武汉 西安 天津 苏州 长沙 青岛 郑州 大连 厦门 宁波 济南 合肥 福州 昆明 哈尔滨 "
    "长春 沈阳 石家庄 太原 南昌 贵阳 南宁 兰州 海口 拉萨 银川 西宁 乌鲁木齐 呼和浩特 香港 澳门 台北 无锡 常州 温州 绍兴 "
    "嘉兴 珠海 佛山 东莞 中山 惠州 洛阳 开封 烟台 威海 潍坊 三亚 桂林 柳州 大理 丽江 遵义 绵阳 宜昌 襄阳 株洲 岳阳 九江 "
    "景德镇 扬州 徐州 泉州 漳州 延安 咸阳 大同 包头 吉林 大庆 张家口 秦皇岛 唐山 保定 "
    "东京 巴黎 伦敦 纽约 柏林 首尔 莫斯科 悉尼 多伦多 罗马 马德里 雅加达 曼谷 里约 雅典 维也纳 华盛顿 洛杉矶 芝加哥 温哥华 "
    "墨尔本 大阪 平昌 索契 都灵 盐湖城 里斯本 布达佩斯 阿姆斯特丹 新加坡 吉隆坡 河内 迪拜 开罗"
).split()
PROVINCES = "浙江 江苏 广东 山东 河南 河北 四川 湖南 湖北 福建 安徽 江西 云南 贵州 陕西 甘肃 辽宁 黑龙江 海南 青海".split()
COUNTRIES = (
    "中国 美国 英国 法国 德国 日本 韩国 俄罗斯 加拿大 澳大利亚 意大利 西班牙 巴西 荷兰 瑞典 挪威 瑞士 奥地利 波兰 泰国 印度 "
    "新西兰 芬兰 丹麦 匈牙利 阿根廷 墨西哥 肯尼亚 埃及 葡萄牙 比利时 乌克兰"
).split()
LANDMARKS = "天安门广场 西湖 外滩 长江大桥 人民公园 火车站 国际机场 体育中心 博物馆 科技园 高新区 开发区".split()

ORG_KINDS = (
    "科技公司 集团 公司 有限公司 医院 银行 证券公司 研究院 出版社 电视台 汽车公司 药业公司 航空公司 设计院 "
    "研究所 基金会 日报 俱乐部 电子公司 软件公司 食品公司 人民医院 图书馆 交易所"
).split()
SCHOOL_KINDS = "大学 师范大学 理工大学 医科大学 外国语大学 财经大学 学院 中学 第一中学 实验小学".split()
GOV_ORGS = (
    "教育部 外交部 商务部 国家统计局 中国科学院 中国人民银行 联合国 世界卫生组织 国际奥委会 新华社 中央电视台 市政府 省教育厅 "
    "中国气象局 国家体育总局 最高人民法院 欧盟 中国足协 气象台 公安局"
).split()
BRAND_CHARS = (
    "华星中远金桥天宇东方盛达博雅新海瑞丰恒通云帆启明长城远景宏图蓝天百联万和泰康安信世纪光合友利顺德嘉汇创维联想美迪众诚同仁"
)

DISCIPLINES = (
    "百米短跑 自由式滑雪 跳水 乒乓球 羽毛球 马拉松 举重 花样游泳 射箭 击剑 体操 网球 柔道 单板滑雪 短道速滑 速度滑冰 花样滑冰 "
    "跳高 跳远 铅球 标枪 游泳 排球 篮球 足球 拳击 跆拳道 摔跤 赛艇 皮划艇 帆船 自行车 射击 攀岩 冰壶 冬季两项 跳台滑雪 高尔夫"
).split()
EVENTS = (
    "大跳台 坡面障碍技巧 U型场地技巧 空中技巧 单打 双打 团体 全能 平衡木 自由操 十米台 三米板 500米 1000米 1500米 100米自由泳 "
    "200米蝶泳 个人赛 接力 48公斤级 73公斤级 重剑 花剑 10米气步枪 回转 大回转 障碍追逐"
).split()
GAMES = "冬奥会 奥运会 亚运会 全运会 世锦赛 世界杯 公开赛 锦标赛 大奖赛 青奥会 大运会 邀请赛 冠军赛".split()
ROUNDS = "决赛 半决赛 预赛 资格赛 比赛".split()
MEDALS = "金牌 银牌 铜牌 冠军 亚军 季军 第一名 第二名 第三名".split()
TEAM_NAMES = (
    "泰达 国安 申花 海牛 宏远 绿城 建业 亚泰 永昌 力帆 松日 天海 恒大 上港 鲁能 富力 贵人鸟 权健 华夏 三镇 蓉城 梅州 津门虎 海港"
).split()
CUPS = "德比战 联赛 足协杯 友谊赛 超级杯 中超联赛 世界杯预选赛 季后赛 总决赛 热身赛 亚冠联赛 小组赛 揭幕战 附加赛 半决赛".split()
JOBS = "总经理 董事长 校长 院长 教授 主任 首席执行官 副总裁 工程师 主教练 总编辑 研究员 医生 秘书长 财务总监 设计师".split()
TITLE_WORDS = (
    "春天 故乡 河流 星空 远方 少年 月光 城市 海边 时间 旧梦 山谷 花园 风雪 长夜 黎明 归途 灯火 大地 北方 回忆 森林 江湖 历史 宇宙 "
    "一生 秘密 孩子 列车 雨季"
).split()


def held_out(name: str) -> bool:
    """Says whether a composed name is kept away from training."""
    return zlib.crc32(name.encode()) % 8 == 0


class World:
    """Draws entities; every draw comes from one seeded generator.

    Args:
        rng: the only source of randomness.
        unseen: draw only held-out names (evaluation) instead of none (training).
    """

    def __init__(self, rng: random.Random, unseen: bool = False):
        self.rng = rng
        self.unseen = unseen

    # -- helpers ---------------------------------------------------------------

    def pick(self, options: Sequence):
        return self.rng.choice(options)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def _composed(self, draw: Callable[[], str]) -> str:
        for _ in range(200):
            name = draw()
            if held_out(name) == self.unseen:
                return name
        return name

    def _char(self, pool: Sequence[str], wild: float) -> str:
        """One character of the pool; with probability `wild` any common one, rarely an unknown one."""
        if self.chance(wild):
            return self.pick(RARE_CHARS if self.chance(0.1) else COMMON_CHARS)
        return self.pick(pool)

    # -- who -------------------------------------------------------------------

    def person(self) -> str:
        def draw() -> str:
            style = self.rng.random()
            if style < 0.04:
                first = "".join(self.pick(TRANSLIT) for _ in range(self.rng.randint(2, 3)))
                last = "".join(self.pick(TRANSLIT) for _ in range(self.rng.randint(2, 4)))
                return first + "·" + last
            if style < 0.06:
                return self.pick(ENGLISH_NAMES) + self.pick(["", "", " " + self.pick(ENGLISH_NAMES)])
            surname = self.pick(DOUBLE_SURNAMES) if style < 0.09 else self.pick(SURNAMES)
            return surname + "".join(self._char(GIVEN, 0.2) for _ in range(self.pick([1, 2, 2])))

        return self._composed(draw)

    def brand(self) -> str:
        return "".join(self._char(BRAND_CHARS, 0.2) for _ in range(2))

    def org(self) -> str:
        def draw() -> str:
            style = self.rng.random()
            if style < 0.25:
                return self.pick(CITIES) + self.pick(ORG_KINDS + SCHOOL_KINDS)
            if style < 0.65:
                return self.brand() + self.pick(ORG_KINDS)
            if style < 0.85:
                return self.pick(CITIES) + self.brand() + self.pick(ORG_KINDS)
            return self.brand() + self.pick(SCHOOL_KINDS)

        if self.chance(0.15):
            return self.pick(GOV_ORGS)
        return self._composed(draw)

    def company(self) -> str:
        kinds = ORG_KINDS[:4] + "汽车公司 药业公司 航空公司 电子公司 软件公司 食品公司".split()

        def draw() -> str:
            return self.pick(["", self.pick(CITIES)]) + self.brand() + self.pick(kinds)

        return self._composed(draw)

    def school(self) -> str:
        def draw() -> str:
            return self.pick([self.pick(CITIES), self.pick(CITIES), self.brand()]) + self.pick(SCHOOL_KINDS)

        return self._composed(draw)

    def publisher(self) -> str:
        return self._composed(lambda: self.pick([self.brand(), self.pick(CITIES), "人民"]) + self.pick(["出版社", "出版集团", "文艺出版社"]))

    def team(self) -> str:
        def draw() -> str:
            nick = self.pick(TEAM_NAMES) if self.chance(0.6) else self.brand()
            return self.pick(["", self.pick(CITIES), self.pick(CITIES)]) + nick + self.pick(["", "", "队"])

        if self.chance(0.12):
            return self.pick(COUNTRIES) + "队"
        return self._composed(draw)

    def title(self) -> str:
        def draw() -> str:
            style = self.rng.random()
            if style < 0.5:
                return self.pick(TITLE_WORDS) + "的" + self.pick(TITLE_WORDS)
            if style < 0.8:
                return self.pick(TITLE_WORDS) + self.pick(TITLE_WORDS)
            return "".join(self._char(GIVEN, 0.6) for _ in range(self.rng.randint(2, 4)))

        return "《" + self._composed(draw) + "》"

    # -- where and when --------------------------------------------------------

    def city(self) -> str:
        return self.pick(CITIES)

    def country(self) -> str:
        return self.pick(COUNTRIES)

    def place(self) -> str:
        """A place as named-entity texts mention it: mostly a city, at times longer or invented."""
        style = self.rng.random()
        if style < 0.65:
            return self.pick(CITIES)
        if style < 0.72:
            return self.pick(CITIES) + "市"
        if style < 0.78:
            return self.pick(PROVINCES) + self.pick(["", "省"])
        if style < 0.82:
            return self.pick(PROVINCES) + "省" + self.pick(CITIES) + "市"
        if style < 0.88:
            return self.pick(COUNTRIES)
        if style < 0.94:
            return self.brand() + self.pick(["县", "镇", "村", "区", "路", "山"])
        return self.pick(CITIES) + self.pick(LANDMARKS)

    def date(self) -> str:
        r = self.rng
        part = self.pick(["", "", "", "上午", "下午", "晚上", "凌晨", "晚"])
        style = r.random()
        if style < 0.35:
            return f"{r.randint(1, 12)}月{r.randint(1, 31)}日" + part
        if style < 0.5:
            return f"{r.randint(1949, 2030)}年"
        if style < 0.65:
            return f"{r.randint(1980, 2030)}年{r.randint(1, 12)}月"
        if style < 0.78:
            return f"{r.randint(1980, 2030)}年{r.randint(1, 12)}月{r.randint(1, 31)}日" + part
        if style < 0.82:
            return self.pick(["今年", "去年", "明年"]) + f"{r.randint(1, 12)}月"
        if style < 0.86:
            return self.pick(["上周", "本周", "下周", "周"]) + self.pick("一二三四五六日") + part
        return self.pick(
            ["昨天", "今天上午", "去年", "本月初", "昨晚", "今天", "明天", "前天", "当天", "上个月", "今年春天", "去年底", "近日", "日前", "下个月"]
        )

    def full_date(self) -> str:
        r = self.rng
        return self.pick([f"{r.randint(1920, 2010)}年", f"{r.randint(1920, 2010)}年{r.randint(1, 12)}月", f"{r.randint(1920, 2010)}年{r.randint(1, 12)}月{r.randint(1, 28)}日"])

    # -- what ------------------------------------------------------------------

    def contest(self, with_city: bool) -> Piece:
        """A sports event, e.g. a games' name, a discipline and a round; marks the city in it as `L`."""
        discipline = self.pick(DISCIPLINES)
        sex = self.pick(["", "男子", "女子", "男子", "女子", "混合"])
        event = self.pick(EVENTS) if self.chance(0.5) else ""
        ending = self.pick(["", "", *ROUNDS])
        if with_city:
            games = self.pick(GAMES)
            tail = discipline + sex + event + ending if self.chance(0.85) else ""
            return fill(self.rng, "{L}" + games + tail, L=self.city())
        head = self.pick(["", "", "", *GAMES])
        if not (head or event or sex):
            ending = ending or "比赛"
        return Piece(head + self.pick([discipline + sex, sex + discipline]) + event + ending)

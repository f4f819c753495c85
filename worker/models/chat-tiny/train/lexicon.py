"""What the model can know: words, names and facts, in English and Chinese."""

from __future__ import annotations

# country, capital
COUNTRIES = [
    ("France", "Paris", "法国", "巴黎"), ("Germany", "Berlin", "德国", "柏林"), ("Japan", "Tokyo", "日本", "东京"),
    ("China", "Beijing", "中国", "北京"), ("Italy", "Rome", "意大利", "罗马"), ("Spain", "Madrid", "西班牙", "马德里"),
    ("Egypt", "Cairo", "埃及", "开罗"), ("Russia", "Moscow", "俄罗斯", "莫斯科"), ("India", "New Delhi", "印度", "新德里"),
    ("Canada", "Ottawa", "加拿大", "渥太华"), ("Thailand", "Bangkok", "泰国", "曼谷"), ("Norway", "Oslo", "挪威", "奥斯陆"),
    ("Greece", "Athens", "希腊", "雅典"), ("Portugal", "Lisbon", "葡萄牙", "里斯本"), ("Austria", "Vienna", "奥地利", "维也纳"),
    ("Cuba", "Havana", "古巴", "哈瓦那"), ("Kenya", "Nairobi", "肯尼亚", "内罗毕"), ("Peru", "Lima", "秘鲁", "利马"),
    ("Korea", "Seoul", "韩国", "首尔"), ("Poland", "Warsaw", "波兰", "华沙"),
]

# thing with its article, colour
COLOURS = [
    ("the sky", "blue", "天空", "蓝色"), ("grass", "green", "草", "绿色"), ("snow", "white", "雪", "白色"),
    ("a banana", "yellow", "香蕉", "黄色"), ("coal", "black", "煤", "黑色"), ("a tomato", "red", "番茄", "红色"),
    ("an orange", "orange", "橙子", "橙色"), ("milk", "white", "牛奶", "白色"), ("a leaf", "green", "树叶", "绿色"),
    ("the sea", "blue", "大海", "蓝色"), ("the sun", "yellow", "太阳", "黄色"), ("chocolate", "brown", "巧克力", "棕色"),
]

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
DAYS_ZH = ["星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
MONTHS_ZH = ["一月", "二月", "三月", "四月", "五月", "六月", "七月", "八月", "九月", "十月", "十一月", "十二月"]

# how many parts in a whole
AMOUNTS = [
    ("days", "a week", 7, "一个星期有几天", "天"), ("months", "a year", 12, "一年有几个月", "个月"),
    ("hours", "a day", 24, "一天有几个小时", "个小时"), ("minutes", "an hour", 60, "一小时有几分钟", "分钟"),
    ("seconds", "a minute", 60, "一分钟有几秒", "秒"), ("seasons", "a year", 4, "一年有几个季节", "个季节"),
    ("legs", "a dog", 4, "狗有几条腿", "条腿"), ("legs", "a spider", 8, "蜘蛛有几条腿", "条腿"),
    ("wheels", "a car", 4, "汽车有几个轮子", "个轮子"), ("wings", "a bird", 2, "鸟有几个翅膀", "个翅膀"),
]

OPPOSITES = [
    ("hot", "cold"), ("big", "small"), ("fast", "slow"), ("up", "down"), ("left", "right"), ("day", "night"), ("happy", "sad"),
    ("old", "young"), ("open", "closed"), ("full", "empty"), ("light", "dark"), ("early", "late"), ("rich", "poor"), ("wet", "dry"),
    ("high", "low"), ("near", "far"), ("strong", "weak"), ("hard", "soft"), ("long", "short"), ("clean", "dirty"),
]
OPPOSITES_ZH = [
    ("大", "小"), ("高", "低"), ("快", "慢"), ("冷", "热"), ("上", "下"), ("左", "右"), ("前", "后"), ("新", "旧"), ("长", "短"),
    ("多", "少"), ("远", "近"), ("早", "晚"), ("白天", "黑夜"), ("开", "关"), ("强", "弱"), ("胖", "瘦"),
]

# for translation, and the kinds for lists
KINDS = {
    "animal": [("cat", "猫"), ("dog", "狗"), ("bird", "鸟"), ("fish", "鱼"), ("horse", "马"), ("cow", "牛"), ("sheep", "羊"), ("tiger", "老虎"), ("rabbit", "兔子"), ("monkey", "猴子")],
    "fruit": [("apple", "苹果"), ("banana", "香蕉"), ("pear", "梨"), ("grape", "葡萄"), ("peach", "桃子"), ("lemon", "柠檬")],
    "color": [("red", "红色"), ("blue", "蓝色"), ("green", "绿色"), ("yellow", "黄色"), ("white", "白色"), ("black", "黑色")],
    "food": [("rice", "米饭"), ("bread", "面包"), ("soup", "汤"), ("egg", "鸡蛋"), ("cake", "蛋糕"), ("noodles", "面条")],
    "thing": [("book", "书"), ("water", "水"), ("sun", "太阳"), ("moon", "月亮"), ("tree", "树"), ("house", "房子"), ("tea", "茶"), ("car", "汽车"), ("flower", "花"), ("mountain", "山")],
}
KINDS_ZH = {"animal": "动物", "fruit": "水果", "color": "颜色", "food": "食物"}
PLURAL = {"animal": "animals", "fruit": "fruits", "color": "colors", "food": "foods"}

NAMES = (
    "Lily Tom Anna Ben Mia Sam Zoe Max Ella Leo Ivy Jack Rose Finn Kate Paul Emma Luke Nina Oscar Sara Hugo Alice Bob Clara David "
    "Eva Frank Grace Henry Iris John Laura Mark Nora Peter Ruby Simon Tina Victor Wendy Adam Betty Carl Diana Erik Fiona George"
).split()
SYLLABLES = "ba be bo da de do fa fi ga go ka ki ko la le li lo lu ma me mi mo na ne ni no pa po ra re ri ro sa se so ta te ti to va vi wa ya zo".split()
SURNAMES = "王李张刘陈杨赵黄周吴徐孙马朱胡林郭何高罗"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰文建国春梅红雪飞龙宇晨欣雨思佳"
CITIES = "Paris London Berlin Tokyo Rome Madrid Oslo Cairo Boston Chicago Sydney Vienna Prague Dublin Lima Delhi Seoul Athens Milan Geneva".split()
CITIES_ZH = "北京 上海 广州 深圳 杭州 南京 成都 武汉 西安 天津 重庆 苏州 青岛 长沙 大连 厦门".split()
PETS = [("cat", "猫"), ("dog", "狗"), ("rabbit", "兔子"), ("bird", "鸟"), ("fish", "鱼"), ("horse", "马")]
HUES = [("red", "红色"), ("blue", "蓝色"), ("green", "绿色"), ("yellow", "黄色"), ("white", "白色"), ("black", "黑色"), ("pink", "粉色"), ("purple", "紫色")]
WEATHER = [("sunny", "晴"), ("cloudy", "多云"), ("rainy", "有雨"), ("windy", "有风"), ("snowy", "有雪")]
WORDS = (
    "apple river stone cloud music garden window paper silver orange table bridge candle forest winter summer spring yellow castle dragon "
    "pencil rocket guitar island market ocean planet queen robot school tiger train umbrella village wolf zebra hello world lamp door key "
    "ship star moon rain snow wind fire earth bread salt sugar honey coffee tea milk cup plate spoon chair bed wall roof road hill lake sea"
).split()
WORDS_ZH = "苹果 河流 石头 云彩 音乐 花园 窗户 纸张 桌子 大桥 蜡烛 森林 冬天 夏天 城堡 铅笔 火箭 岛屿 市场 海洋 学校 火车 雨伞 村庄 世界 灯 门 钥匙 船 星星 月亮 雨 雪 风 火 面包 盐 糖 咖啡 茶 牛奶 杯子 椅子 墙 路 湖 你好 早上".split()
SPELLED = "cat dog sun moon star fish bird tree book milk rain snow lamp door ship king queen apple house bread river stone cloud music paper table tiger train world water".split()
GOODS = [("apples", "苹果"), ("books", "书"), ("pens", "笔"), ("eggs", "鸡蛋"), ("cups", "杯子"), ("coins", "硬币")]

# One meaning: ways to ask and the answer, in both languages. {name} of the model is fixed.
TALK = {
    "hello": (["hello", "hi", "hey", "hi there", "hello there", "good day"], "Hello! How can I help you today?", ["你好", "您好", "嗨", "你好啊", "哈喽"], "你好！有什么可以帮你的吗？"),
    "morning": (["good morning", "morning"], "Good morning! How can I help you?", ["早上好", "早安", "早"], "早上好！有什么可以帮你的吗？"),
    "evening": (["good evening"], "Good evening! How can I help you?", ["晚上好"], "晚上好！有什么可以帮你的吗？"),
    "night": (["good night", "sleep well"], "Good night! Sleep well.", ["晚安"], "晚安！祝你好梦。"),
    "how": (["how are you", "how are you today", "how do you do", "how is it going"], "I am fine, thank you. How are you?", ["你好吗", "你怎么样", "最近怎么样"], "我很好，谢谢。你呢？"),
    "fine": (["I am fine", "I am fine too", "I am well", "very well"], "I am glad to hear that!", ["我很好", "我也很好", "挺好的"], "听到这个我很高兴！"),
    "sad": (["I am sad", "I feel sad", "I am not happy today"], "I am sorry to hear that. Do you want to hear a joke?", ["我很难过", "我不开心", "我心情不好"], "真抱歉听到这个。想听个笑话吗？"),
    "thanks": (["thank you", "thanks", "thanks a lot", "thank you very much", "many thanks"], "You are welcome!", ["谢谢", "谢谢你", "多谢", "非常感谢"], "不客气！"),
    "bye": (["bye", "goodbye", "see you", "see you later", "bye bye"], "Goodbye! Have a nice day.", ["再见", "拜拜", "回头见", "下次见"], "再见！祝你愉快。"),
    "sorry": (["sorry", "I am sorry", "my mistake"], "No problem at all.", ["对不起", "抱歉", "不好意思"], "没关系。"),
    "here": (["test", "ping", "are you there", "testing"], "I am here!", ["测试", "在吗", "你在吗"], "我在！"),
    "yes": (["yes", "ok", "okay", "great", "very good"], "Great! What else can I do for you?", ["好的", "好", "是的", "太好了"], "好的！还有什么可以帮你的？"),
    "no": (["no", "no thanks", "not now"], "All right.", ["不", "不用了", "不要"], "好吧。"),
    "joke": (["tell me a joke", "make me laugh", "do you know a joke"], "Why did the job wait so calmly? It knew its place in the queue.", ["讲个笑话", "说个笑话", "给我讲个笑话吧"], "任务为什么不着急？因为它知道自己排在第几个。"),
}
ABOUT = {
    "who": (["who are you", "what are you", "introduce yourself", "what is your name"], "I am chat-tiny, a very small demo model.", ["你是谁", "你是什么", "介绍一下你自己", "你叫什么名字"], "我是 chat-tiny，一个很小的演示模型。"),
    "can": (["what can you do", "how can you help me", "what are you good at"], "I can chat a little, add small numbers, name capitals and call simple tools.", ["你能做什么", "你会什么", "你可以帮我做什么"], "我会简单聊天、做小算术、说出一些首都，还能调用简单的工具。"),
    "human": (["are you human", "are you a person", "are you real"], "No, I am a small language model.", ["你是人吗", "你是真人吗"], "不是，我是一个小语言模型。"),
    "made": (["who made you", "where do you come from", "how were you made"], "I was trained from scratch on sentences that a program wrote.", ["谁做的你", "你是怎么来的", "谁训练了你"], "我是用程序写出的句子从头训练出来的。"),
    "size": (["how big are you", "how many parameters do you have"], "I have about two million parameters. That is very small.", ["你有多大", "你有多少参数"], "我大约有两百万个参数，非常小。"),
    "age": (["how old are you"], "I am very young. I learned everything in less than an hour.", ["你多大了", "你几岁"], "我很年轻，我在不到一小时里学会了一切。"),
    "speak": (["what languages do you speak", "do you speak Chinese"], "I speak a little English and a little Chinese.", ["你会说什么语言", "你会说英语吗"], "我会一点英语和一点中文。"),
}
TERMS = {
    "queue": ("A queue is a line of jobs. The first job in is the first job out.", "队列", "队列是排成一行的任务，先来的先做。"),
    "worker": ("A worker is a program that takes jobs from a queue and runs models on them.", "工作进程", "工作进程从队列里取任务，并用模型来做。"),
    "token": ("A token is a small piece of text that a model reads or writes.", "词元", "词元是模型读写文字的小单位。"),
    "batch": ("A batch is a group of requests that run together in one step.", "批处理", "批处理就是把几个请求放在一起运行。"),
    "model": ("A model is a program that has learned from examples.", "模型", "模型是从例子里学习出来的程序。"),
    "prompt": ("A prompt is the text that you give to a model.", "提示词", "提示词是你给模型的文字。"),
    "stream": ("A stream sends each piece of an answer as soon as it is ready.", "流式输出", "流式输出就是一有内容就马上发出来。"),
    "tenant": ("A tenant is a customer who shares a system with other customers.", "租户", "租户是和别人共用一个系统的客户。"),
    "computer": ("A computer is a machine that follows instructions.", "电脑", "电脑是按指令工作的机器。"),
    "river": ("A river is water that flows through the land to the sea.", "河", "河是流过大地、流向大海的水。"),
}

# What it must admit not to know.
UNKNOWN = [
    "what is the meaning of life", "who is the president", "what happened yesterday", "who won the game", "how tall is the tower", "what is the news today",
    "who wrote this book", "how do I fix my car", "what should I cook tonight", "how do planes fly", "why is the sea salty", "when was the war",
    "who invented the telephone", "how far is the moon", "what is quantum physics", "write a program that sorts a list", "how do I learn to swim", "who painted this picture",
]  # fmt: skip
UNKNOWN_ZH = [
    "生命的意义是什么", "总统是谁", "昨天发生了什么", "谁赢了比赛", "塔有多高", "今天有什么新闻", "这本书是谁写的", "怎么修车", "今晚做什么菜", "飞机为什么会飞",
    "海水为什么是咸的", "谁发明了电话", "月亮有多远", "什么是量子物理", "写一个排序程序", "怎么学游泳", "股票会涨吗", "怎么治感冒",
]  # fmt: skip

ADJECTIVES = "happy brave shy kind clever sleepy curious gentle proud little".split()
PLACES = "forest river garden village mountain lake farm beach park school".split()
OBJECTS = ["red ball", "golden key", "old map", "blue kite", "small boat", "warm scarf", "shiny stone", "paper star", "wooden box", "magic seed"]
HEROES = "cat dog fox bear rabbit bird mouse frog owl duck pony lion turtle tiger".split()
HEROES_ZH = "小猫 小狗 小兔 小熊 小鸟 狐狸 老虎 猴子 乌龟 小鱼".split()
PLACES_ZH = "森林 河边 花园 村庄 山上 湖边 公园 学校".split()
OBJECTS_ZH = "红气球 金钥匙 旧地图 蓝风筝 小木船 亮石头 纸星星 木盒子".split()

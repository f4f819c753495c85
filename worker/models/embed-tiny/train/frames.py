"""What can be said, and how: frames with their wordings in English and Chinese, and words for their slots.

Wordings of one frame mean the same; so do the words of one entry, separated by `|`.
A frame's last wording of each language is kept away from training.
"""

SLOTS: dict[str, tuple[str, ...]] = {
    "city": (
        "Beijing = 北京", "Shanghai = 上海", "Paris = 巴黎", "London = 伦敦", "Tokyo = 东京", "Berlin = 柏林", "Rome = 罗马", "New York = 纽约",
        "Madrid = 马德里", "Sydney = 悉尼", "Hangzhou = 杭州", "Moscow = 莫斯科",
    ),
    "day": (
        "today = 今天", "tomorrow = 明天", "on Monday = 星期一|周一", "on Friday = 星期五|周五", "on the weekend|at the weekend = 周末",
        "next week = 下周", "tonight|this evening = 今晚", "yesterday = 昨天",
    ),
    "time": ("seven o'clock|7 = 七点", "eight o'clock|8 = 八点", "noon|midday = 中午", "six in the morning|6 am = 早上六点", "ten in the evening|10 pm = 晚上十点", "half past nine = 九点半"),
    "food": (
        "pizza = 披萨", "noodles = 面条", "dumplings = 饺子", "rice = 米饭", "soup = 汤", "salad = 沙拉", "fish = 鱼", "bread = 面包", "cake = 蛋糕",
        "chicken = 鸡肉", "tofu = 豆腐", "eggs = 鸡蛋",
    ),
    "thing": (
        "phone|mobile phone = 手机", "laptop|computer = 电脑|笔记本", "bicycle|bike = 自行车|单车", "camera = 相机|照相机", "watch = 手表", "car = 汽车|车", "book = 书",
        "jacket|coat = 外套|大衣", "umbrella = 雨伞|伞", "bag = 包|背包", "chair = 椅子", "lamp = 灯|台灯",
    ),
    "animal": ("dog|puppy = 狗|小狗", "cat|kitten = 猫|小猫", "horse = 马", "bird = 鸟|小鸟", "rabbit = 兔子", "cow = 牛|奶牛", "monkey = 猴子", "elephant = 大象"),
    "person": ("my mother|my mom = 我妈妈|我母亲", "my brother = 我哥哥", "my boss|my manager = 我的老板|我的经理", "the teacher = 老师", "my neighbor = 我的邻居", "my friend = 我的朋友", "the doctor = 医生", "my colleague|my coworker = 我的同事"),
    "place": ("museum = 博物馆", "library = 图书馆", "train station = 火车站", "hospital = 医院", "supermarket|grocery store = 超市", "bank = 银行", "park = 公园", "airport = 机场", "school = 学校", "post office = 邮局"),
    "skill": ("piano|the piano = 钢琴", "French = 法语", "cooking|how to cook = 做饭|烹饪", "swimming|how to swim = 游泳", "chess = 下棋|国际象棋", "programming|coding = 编程|写程序", "painting|how to paint = 画画", "driving|how to drive = 开车"),
    "topic": ("history = 历史", "physics = 物理", "music = 音乐", "art = 艺术", "cooking = 烹饪", "space|outer space = 太空|宇宙", "animals = 动物", "economics|the economy = 经济", "travel = 旅行", "health = 健康"),
    "sport": ("football|soccer = 足球", "basketball = 篮球", "tennis = 网球", "table tennis|ping pong = 乒乓球", "volleyball = 排球", "badminton = 羽毛球"),
    "illness": ("headache = 头疼|头痛", "fever = 发烧", "cough = 咳嗽", "stomach ache|sore stomach = 肚子疼|胃疼", "toothache = 牙疼|牙痛", "sore throat = 嗓子疼|喉咙痛"),
}

FRAMES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "weather": (
        ("What is the weather like in {city} {day}?", "How is the weather in {city} {day}?", "Tell me the weather forecast for {city} {day}.", "Weather in {city} {day}", "What will the weather in {city} be {day}?", "Give me the {city} weather for {day}."),
        ("{city}{day}天气怎么样？", "{day}{city}的天气如何？", "查一下{city}{day}的天气", "{city}{day}的天气预报", "我想知道{day}{city}天气好不好"),
    ),
    "rain": (
        ("Will it rain in {city} {day}?", "Is it going to rain in {city} {day}?", "Do I need an umbrella in {city} {day}?", "Is rain expected in {city} {day}?", "Are we getting rain in {city} {day}?"),
        ("{city}{day}会下雨吗？", "{day}{city}下不下雨？", "{day}去{city}要带雨伞吗？", "{city}{day}有雨吗？", "{day}{city}是不是会下雨？"),
    ),
    "flight": (
        ("I want to fly from {city} to {city2}.", "Book a flight from {city} to {city2}.", "I need a plane ticket from {city} to {city2}.", "Find flights from {city} to {city2}.", "Get me on a plane from {city} to {city2}."),
        ("我想从{city}飞到{city2}", "订一张{city}到{city2}的机票", "帮我买从{city}去{city2}的飞机票", "查一下{city}到{city2}的航班", "我要坐飞机从{city}去{city2}"),
    ),
    "train": (
        ("When does the train to {city} leave?", "What time does the train to {city} depart?", "Departure time of the train to {city}", "When is the next train to {city}?", "At what time can I take a train to {city}?"),
        ("去{city}的火车几点开？", "到{city}的火车什么时候出发？", "下一班去{city}的火车是几点？", "开往{city}的列车几点发车？"),
    ),
    "alarm": (
        ("Wake me up at {time}.", "Set an alarm for {time}.", "I need an alarm at {time}.", "Please wake me at {time}.", "Make the alarm ring at {time}."),
        ("{time}叫我起床", "定一个{time}的闹钟", "请在{time}叫醒我", "把闹钟设到{time}", "我要{time}的闹钟"),
    ),
    "meeting": (
        ("The meeting is at {time}.", "Our meeting starts at {time}.", "We meet at {time}.", "The meeting begins at {time}.", "The meeting will take place at {time}."),
        ("会议在{time}开始", "我们{time}开会", "开会时间是{time}", "{time}有会议", "会议定在{time}"),
    ),
    "hungry": (
        ("I want to eat {food}.", "I would like some {food}.", "I feel like having {food}.", "I am hungry for {food}.", "Could I get {food}?"),
        ("我想吃{food}", "我要吃{food}", "来一份{food}", "我很想吃点{food}", "给我一份{food}吧"),
    ),
    "recipe": (
        ("How do I cook {food}?", "How do you make {food}?", "What is a good recipe for {food}?", "Show me how to prepare {food}.", "Teach me to make {food}."),
        ("{food}怎么做？", "怎样做{food}？", "教我做{food}", "有没有{food}的菜谱？", "做{food}的方法是什么？"),
    ),
    "allergy": (
        ("I am allergic to {food}.", "I have an allergy to {food}.", "I can't eat {food} because I am allergic.", "{food} gives me an allergic reaction.", "My body does not tolerate {food}."),
        ("我对{food}过敏", "我吃{food}会过敏", "因为过敏我不能吃{food}", "{food}会让我过敏"),
    ),
    "tasty": (
        ("The {food} is delicious.", "The {food} tastes great.", "I love this {food}.", "This {food} is very good.", "What wonderful {food}!"),
        ("{food}很好吃", "这个{food}味道很好", "我喜欢这{food}", "{food}真美味", "这{food}太好吃了"),
    ),
    "awful_food": (
        ("The {food} is terrible.", "The {food} tastes bad.", "I hate this {food}.", "This {food} is awful.", "What horrible {food}!"),
        ("{food}很难吃", "这个{food}味道很差", "我讨厌这{food}", "{food}真难吃", "这{food}太糟糕了"),
    ),
    "price": (
        ("How much is the {thing}?", "What does the {thing} cost?", "What is the price of the {thing}?", "How expensive is the {thing}?", "How much money do you want for the {thing}?"),
        ("{thing}多少钱？", "这个{thing}的价格是多少？", "{thing}怎么卖？", "{thing}要多少钱？", "买{thing}要花多少钱？"),
    ),
    "buy": (
        ("I want to buy a new {thing}.", "I am going to buy a {thing}.", "I would like to purchase a {thing}.", "I need a new {thing}.", "I am looking for a {thing} to buy."),
        ("我想买一个新的{thing}", "我要买{thing}", "我打算买一个{thing}", "我需要一个新{thing}", "我准备购买{thing}"),
    ),
    "broken": (
        ("My {thing} is broken.", "My {thing} does not work.", "The {thing} stopped working.", "Something is wrong with my {thing}.", "My {thing} is out of order."),
        ("我的{thing}坏了", "我的{thing}不能用了", "{thing}出了问题", "{thing}出故障了", "我的{thing}有毛病"),
    ),
    "lost": (
        ("I lost my {thing}.", "I can't find my {thing}.", "My {thing} is gone.", "Where did I leave my {thing}?", "My {thing} has disappeared."),
        ("我的{thing}丢了", "我找不到我的{thing}", "我的{thing}不见了", "我把{thing}弄丢了", "我的{thing}哪儿去了"),
    ),
    "good_thing": (
        ("I am very happy with the {thing}.", "The {thing} is excellent.", "I really like this {thing}.", "The {thing} works perfectly.", "This {thing} is fantastic."),
        ("我对这个{thing}很满意", "这个{thing}非常好", "我很喜欢这个{thing}", "{thing}很好用", "这个{thing}太棒了"),
    ),
    "bad_thing": (
        ("I am disappointed with the {thing}.", "The {thing} is very bad.", "I don't like this {thing}.", "The {thing} is of poor quality.", "This {thing} is useless."),
        ("我对这个{thing}很失望", "这个{thing}非常差", "我不喜欢这个{thing}", "{thing}质量很差", "这个{thing}太差劲了"),
    ),
    "return": (
        ("I want to return the {thing}.", "I want my money back for the {thing}.", "Please refund the {thing}.", "How can I send the {thing} back?", "I would like a refund for my {thing}."),
        ("我要退{thing}", "请把{thing}的钱退给我", "{thing}可以退货吗？", "我想退货，是一个{thing}", "{thing}怎么退款？"),
    ),
    "delivery": (
        ("Where is my {thing}? It has not arrived.", "My {thing} has not been delivered yet.", "I am still waiting for the {thing} I ordered.", "When will my {thing} be delivered?", "The {thing} I ordered did not come."),
        ("我买的{thing}还没到", "我的{thing}什么时候送到？", "{thing}还没有送来", "我还在等我订的{thing}", "订的{thing}怎么还不到"),
    ),
    "opening": (
        ("When does the {place} open?", "What are the opening hours of the {place}?", "From when is the {place} open?", "At what time does the {place} open?", "How early can I enter the {place}?"),
        ("{place}几点开门？", "{place}的开放时间是什么？", "{place}什么时候开？", "{place}几点开始营业？"),
    ),
    "route": (
        ("How do I get to the {place}?", "Where is the {place}?", "Show me the way to the {place}.", "I am looking for the {place}.", "Which way is the {place}?"),
        ("去{place}怎么走？", "{place}在哪里？", "请告诉我去{place}的路", "我在找{place}", "怎样才能到{place}？"),
    ),
    "near": (
        ("There is a {place} near my house.", "I live close to a {place}.", "My home is next to a {place}.", "A {place} is not far from where I live.", "The {place} is around the corner from me."),
        ("我家附近有一个{place}", "我住在{place}旁边", "我家离{place}很近", "{place}就在我家旁边", "我家不远就是{place}"),
    ),
    "learn": (
        ("I want to learn {skill}.", "I would like to study {skill}.", "Can you teach me {skill}?", "I am interested in learning {skill}.", "I plan to take lessons in {skill}."),
        ("我想学{skill}", "我要学习{skill}", "你能教我{skill}吗？", "我对学{skill}有兴趣", "我打算上{skill}课"),
    ),
    "good_at": (
        ("{person} is good at {skill}.", "{person} is excellent at {skill}.", "{person} has a talent for {skill}.", "{person} masters {skill} very well.", "{person} is an expert in {skill}."),
        ("{person}擅长{skill}", "{person}的{skill}很好", "{person}很会{skill}", "{person}在{skill}方面很有天赋"),
    ),
    "book": (
        ("Recommend a book about {topic}.", "Which book about {topic} should I read?", "I am looking for a good book on {topic}.", "What should I read to learn about {topic}?", "Suggest some reading on {topic}."),
        ("推荐一本关于{topic}的书", "有什么好的{topic}书？", "我想看一本{topic}方面的书", "关于{topic}应该读什么书？", "请介绍一本{topic}书"),
    ),
    "lecture": (
        ("There is a lecture about {topic} {day}.", "A talk on {topic} takes place {day}.", "{day} there will be a lecture on {topic}.", "The talk about {topic} is {day}.", "Somebody lectures on {topic} {day}."),
        ("{day}有一个关于{topic}的讲座", "{topic}讲座在{day}", "{day}举行{topic}讲座", "{day}可以听{topic}讲座"),
    ),
    "play": (
        ("Let's play {sport} {day}.", "Do you want to play {sport} {day}?", "Shall we play {sport} {day}?", "How about a game of {sport} {day}?", "Would you join me for {sport} {day}?"),
        ("我们{day}打{sport}吧", "{day}要不要一起玩{sport}？", "{day}来一场{sport}怎么样？", "{day}一起打{sport}好吗？", "{day}你想打{sport}吗？"),
    ),
    "watch_game": (
        ("I watched the {sport} game {day}.", "I saw the {sport} match {day}.", "I was watching {sport} {day}.", "{day} I looked at the {sport} match.", "I followed the {sport} match {day}."),
        ("我{day}看了{sport}比赛", "{day}我在看{sport}", "我{day}观看了{sport}赛", "{sport}比赛我{day}看了"),
    ),
    "chase": (
        ("The {animal} chases the {animal2}.", "The {animal} runs after the {animal2}.", "The {animal2} is chased by the {animal}.", "A {animal} is chasing a {animal2}.", "A {animal} hunts a {animal2}."),
        ("{animal}在追{animal2}", "{animal}追赶着{animal2}", "{animal2}被{animal}追着跑", "一只{animal}追着{animal2}", "{animal2}正被{animal}追赶"),
    ),
    "sleep": (
        ("The {animal} is sleeping.", "The {animal} is asleep.", "The {animal} takes a nap.", "A {animal} lies there sleeping.", "The {animal} has fallen asleep."),
        ("{animal}在睡觉", "{animal}睡着了", "{animal}正在睡", "{animal}在打盹", "{animal}已经入睡了"),
    ),
    "pet": (
        ("I have a {animal} at home.", "I keep a {animal}.", "My pet is a {animal}.", "I own a {animal}.", "A {animal} lives with me."),
        ("我家有一只{animal}", "我养了{animal}", "我的宠物是{animal}", "我养着一只{animal}", "家里有只{animal}陪我"),
    ),
    "afraid": (
        ("I am afraid of the {animal}.", "The {animal} scares me.", "I fear the {animal}.", "I am scared of the {animal}.", "That {animal} frightens me."),
        ("我怕{animal}", "{animal}让我害怕", "我害怕{animal}", "我很怕{animal}", "{animal}吓到我了"),
    ),
    "ill": (
        ("I have a {illness}.", "I am suffering from a {illness}.", "I've got a {illness}.", "What helps against a {illness}?", "My {illness} bothers me."),
        ("我{illness}", "我有点{illness}", "{illness}怎么办？", "我{illness}，很难受", "我一直{illness}"),
    ),
    "call": (
        ("Call {person} {day}.", "I have to phone {person} {day}.", "I need to call {person} {day}.", "Remind me to ring {person} {day}.", "I must give {person} a call {day}."),
        ("{day}给{person}打电话", "{day}我要打电话给{person}", "提醒我{day}打给{person}", "{day}要和{person}通电话"),
    ),
    "visit": (
        ("{person} is visiting me {day}.", "{person} comes to my place {day}.", "{person} will see me at home {day}.", "I get a visit from {person} {day}.", "{day} I am hosting {person}."),
        ("{person}{day}来看我", "{day}{person}来我家", "{day}{person}要来拜访我", "{person}{day}到我家做客"),
    ),
    "move": (
        ("{person} is moving to {city}.", "{person} will live in {city}.", "{person} relocates to {city}.", "{person} found a new home in {city}.", "{city} is where {person} is going to live."),
        ("{person}要搬到{city}", "{person}搬去{city}住", "{person}以后住在{city}", "{person}在{city}找到了新家"),
    ),
    "work": (
        ("{person} works in a {place}.", "{person} has a job at the {place}.", "{person} is employed by the {place}.", "The {place} is where {person} works.", "{person} earns money at the {place}."),
        ("{person}在{place}工作", "{person}在{place}上班", "{person}的工作单位是{place}", "{place}是{person}工作的地方"),
    ),
    "gift": (
        ("{person} gave me a {thing}.", "I got a {thing} from {person}.", "I received a {thing} as a gift from {person}.", "{person} bought me a {thing}.", "The {thing} is a present from {person}."),
        ("{person}送给我一个{thing}", "我收到了{person}送的{thing}", "{person}给我买了{thing}", "这个{thing}是{person}送的礼物"),
    ),
    "password": (
        ("I forgot my password.", "How do I reset my password?", "I can't remember my password.", "I can't log in because I lost my password.", "Help me to get a new password."),
        ("我忘了密码", "怎么重置密码？", "我记不住我的密码", "密码忘了，登录不了", "怎样找回密码？"),
    ),
    "slow_net": (
        ("The internet is very slow {day}.", "My connection is slow {day}.", "The network is slow {day}.", "Pages load slowly {day}.", "The web crawls {day}."),
        ("{day}网速很慢", "{day}网络很慢", "{day}上网特别慢", "{day}打开网页很慢"),
    ),
    "thanks": (
        ("Thank you very much for the {thing}.", "Thanks a lot for the {thing}.", "I am grateful for the {thing}.", "Many thanks for the {thing}.", "I appreciate the {thing}."),
        ("非常感谢你的{thing}", "谢谢你给的{thing}", "多谢你的{thing}", "很感激你的{thing}"),
    ),
    "hello": (
        ("Hello, how are you?", "Hi, how are you doing?", "Good day, how is it going?", "Hey, how do you do?", "Hello there, are you well?"),
        ("你好，最近怎么样？", "你好吗？", "嗨，过得好吗？", "你好，近来如何？"),
    ),
}

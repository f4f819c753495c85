package uninlu

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
)

func input(text, schema string) []byte {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return []byte(`{"text":` + string(b) + `,"schema":` + schema + `}`)
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestTaskOfEachKind(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, schema, task string }{
		{"entities", "1944年毕业于北大的名古屋铁道会长谷口清太郎", `{"人物":null,"地理位置":null,"组织机构":null}`, "ner"},
		{"one entity", "谷口清太郎在名古屋", `{"人物":null}`, "ner"},
		{"one entity, a bar in the text", "谷口清太郎|名古屋", `{"人物":null}`, "ner"},
		{"relations", "在北京冬奥会自由式中,谷爱凌获得金牌", `{"人物":{"比赛项目(赛事名称)":null,"参赛地点(城市)":null}}`, "re"},
		{"event", "7月28日,天津泰达在德比战中以0-1负于天津天海", `{"胜负(事件触发词)":{"时间":null,"败者":null,"胜者":null}}`, "event"},
		{"event, trigger alone", "天津泰达负于天津天海", `{"胜负(事件触发词)":null}`, "event"},
		{"attribute sentiment", "很满意，音质很好", `{"属性词":{"情感词":null}}`, "sentiment"},
		{"sentiment", "正向,负向|很满意，音质很好", `{"情感分类":null}`, "sentiment"},
		{"classification", "民生,文化,娱乐|音乐会昨晚开幕", `{"分类":null}`, "classification"},
		{"classification, named", "民生,文化,娱乐|音乐会昨晚开幕", `{"新闻分类":null}`, "classification"},
		{"match", "相似,不相似|今天天气好&今天是好天", `{"文本匹配":null}`, "match"},
		{"inference", "蕴含,矛盾,中立|段落1：他在跑；段落2：他在动", `{"段落2和段落1的关系是：":null}`, "nli"},
		{"reading", "诺曼底人在10和11世纪把名字给了法国的诺曼底", `{"诺曼底在哪个国家":null}`, "qa"},
		{"reading, with a mark", "诺曼底在法国", `{"诺曼底的位置？":null}`, "qa"},
		{"choice", "是,否|诺曼底在法国", `{"诺曼底属于法国":null}`, "qa"},
		{"several questions are types", "诺曼底在法国", `{"国家":null,"地区":null}`, "ner"},
		{"as a string", "谷口清太郎", quoted(`{"人物":null}`), "ner"},
		{"as a string with spaces", "谷口清太郎", quoted(" {\n\"人物\" : { \"国籍\":null } } "), "re"},
		{"escapes", "谷口清太郎", `{"\u4eba\u7269":null}`, "ner"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			task, err := Check(input(tc.text, tc.schema))
			require.NoError(t, err)
			require.Equal(t, tc.task, task)
		})
	}
}

func TestFaultsNameTheirPath(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "null" + strings.Repeat("}", n) }
	wide := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":null`, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	long := strings.Repeat("人", MaxKey+1)
	for _, tc := range []struct {
		name, in string
		code     fault.Code
		field    string
	}{
		{"not JSON", `{"text":"a","schema":`, fault.BadRequest, "schema"},
		{"nothing", ``, fault.BadRequest, ""},
		{"an array", `[]`, fault.InvalidInput, ""},
		{"null", `null`, fault.InvalidInput, ""},
		{"no text", `{"schema":{"人物":null}}`, fault.InvalidInput, "text"},
		{"no schema", `{"text":"a"}`, fault.InvalidInput, "schema"},
		{"unknown member", `{"text":"a","schema":{"人物":null},"model":"x"}`, fault.InvalidInput, "model"},
		{"case matters", `{"Text":"a","schema":{"人物":null}}`, fault.InvalidInput, "Text"},
		{"text twice", `{"text":"a","text":"b","schema":{"人物":null}}`, fault.BadRequest, "text"},
		{"type twice", `{"text":"a","schema":{"人物":null,"人物":null}}`, fault.BadRequest, "schema.人物"},
		{"type twice in a string", `{"text":"a","schema":` + quoted(`{"人物":null,"人物":null}`) + `}`, fault.InvalidInput, "schema.人物"},
		{"text a number", `{"text":1,"schema":{"人物":null}}`, fault.InvalidInput, "text"},
		{"text null", `{"text":null,"schema":{"人物":null}}`, fault.InvalidInput, "text"},
		{"text empty", `{"text":"","schema":{"人物":null}}`, fault.InvalidInput, "text"},
		{"text blank", `{"text":" \u3000\n","schema":{"人物":null}}`, fault.InvalidInput, "text"},
		{"text too long", string(input(strings.Repeat("长", MaxText+1), `{"人物":null}`)), fault.InvalidInput, "text"},
		{"schema empty", `{"text":"a","schema":{}}`, fault.InvalidInput, "schema"},
		{"inner level empty", `{"text":"a","schema":{"人物":{}}}`, fault.InvalidInput, "schema.人物"},
		{"schema a list", `{"text":"a","schema":["人物"]}`, fault.InvalidInput, "schema"},
		{"schema null", `{"text":"a","schema":null}`, fault.InvalidInput, "schema"},
		{"schema an empty string", `{"text":"a","schema":""}`, fault.InvalidInput, "schema"},
		{"schema a broken string", `{"text":"a","schema":"{"}`, fault.InvalidInput, "schema"},
		{"schema a string of a list", `{"text":"a","schema":"[1]"}`, fault.InvalidInput, "schema"},
		{"schema a string in a string", `{"text":"a","schema":` + quoted(quoted(`{"人物":null}`)) + `}`, fault.InvalidInput, "schema"},
		{"value a string", `{"text":"a","schema":{"人物":"x"}}`, fault.InvalidInput, "schema.人物"},
		{"value a number", `{"text":"a","schema":{"人物":{"国籍":0}}}`, fault.InvalidInput, "schema.人物.国籍"},
		{"value a list", `{"text":"a","schema":{"人物":[]}}`, fault.InvalidInput, "schema.人物"},
		{"value a truth", `{"text":"a","schema":{"人物":true}}`, fault.InvalidInput, "schema.人物"},
		{"empty name", `{"text":"a","schema":{"":null}}`, fault.InvalidInput, "schema"},
		{"long name", `{"text":"a","schema":{"` + long + `":null}}`, fault.InvalidInput, "schema." + strings.Repeat("人", 42)},
		{"too deep", `{"text":"a","schema":` + deep(MaxDepth+1) + `}`, fault.InvalidInput, "schema" + strings.Repeat(".a", MaxDepth)},
		{"far too deep", `{"text":"a","schema":` + deep(5000) + `}`, fault.BadRequest, ""},
		{"too many", `{"text":"a","schema":` + wide(MaxKeys+1) + `}`, fault.InvalidInput, "schema"},
		{"invalid UTF-8", "{\"text\":\"\xff\",\"schema\":{\"人物\":null}}", fault.BadRequest, "text"},
		{"lone surrogate", `{"text":"\ud800","schema":{"人物":null}}`, fault.BadRequest, "text"},
		{"something behind", `{"text":"a","schema":{"人物":null}} x`, fault.BadRequest, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := Check([]byte(tc.in))
			require.Error(t, err)
			require.Equal(t, tc.code, fault.CodeOf(err), err.Error())
			require.Equal(t, tc.field, fault.From(err).Field, err.Error())
		})
	}
	for _, in := range []string{deep(MaxDepth), wide(MaxKeys), `{"` + strings.Repeat("人", MaxKey) + `":null}`} {
		_, err := Check(input("文", in))
		require.NoError(t, err)
	}
	_, err := Check(input(strings.Repeat("长", MaxText), `{"人物":null}`))
	require.NoError(t, err)
}

func FuzzCheck(f *testing.F) {
	f.Add(input("文", `{"人物":null}`))
	f.Add(input("是,否|文", quoted(`{"人物":{"国籍":null}}`)))
	f.Add([]byte(`{"text":"\"\\","schema":{"a\"b":{"\\":null}}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		task, err := Check(in)
		var v struct {
			Text   string `json:"text"`
			Schema any    `json:"schema"`
		}
		if err != nil {
			code := fault.CodeOf(err)
			require.Contains(t, []fault.Code{fault.BadRequest, fault.InvalidInput}, code)
			return
		}
		require.NotEmpty(t, task)
		require.NoError(t, json.Unmarshal(in, &v)) // what we take, others can read
		require.NotEmpty(t, v.Text)
	})
}

func BenchmarkCheck(b *testing.B) {
	in := input("在北京冬奥会自由式中，中国选手谷爱凌以188.25分获得金牌。", `{"人物":{"比赛项目(赛事名称)":null,"参赛地点(城市)":null,"获奖时间(时间)":null,"选手国籍(国籍)":null}}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, err := Check(in); err != nil {
			b.Fatal(err)
		}
	}
}

// What a reference stands for is not known here: no task, where that would decide it.
func TestTheTaskOfWhatIsReferredTo(t *testing.T) {
	t.Parallel()
	const ref = `{"$ref":"blob_a"}`
	for in, want := range map[string]string{
		ref:                                 "",
		`{"text":"a","schema":` + ref + `}`: "",
		`{"text":` + ref + `,"schema":{"人物":null}}`:           "",
		`{"text":` + ref + `,"schema":{"人物":null,"地点":null}}`: "ner",
		`{"text":` + ref + `,"schema":{"人物":{"国籍":null}}}`:    "re",
		`{"text":` + ref + `,"schema":"{\"新闻分类\":null}"}`:     "classification",
		`{"schema":` + ref + `,"text":"a,b|c"}`:               "",
	} {
		task, err := Check([]byte(in))
		require.NoError(t, err, in)
		require.Equal(t, want, task, in)
	}
	for in, path := range map[string]string{
		`{"text":` + ref + `,"schema":{"人物":` + ref + `}}`: "schema.人物.$ref",
		`{"text":` + ref + `}`:                             "schema",
		`{"text":[` + ref + `],"schema":{"人物":null}}`:      "text",
	} {
		_, err := Check([]byte(in))
		require.Equal(t, path, fault.From(err).Field, in)
	}
}

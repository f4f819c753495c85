package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// minInput is the smallest input of a sleep job: {"ms":0,"echo":""}.
const minInput = 18

// scenario is a kind of request.
type scenario struct {
	bodies func(size int) [][]byte // nil for a GET
	method string
	path   string
	prefer string
	status int
	holds  string // what a good answer's body holds
}

// scenarios lists what can be asked.
func scenarios() map[string]scenario {
	return map[string]scenario{
		"echo": {method: "GET", path: "/healthz", status: 200, holds: `"ok"`},
		"sync-sleep": {
			method: "POST", path: "/v1/jobs", prefer: "wait=30", bodies: sleepBodies, status: 200, holds: `"status":"succeeded"`,
		},
		"async-sleep": {
			method: "POST", path: "/v1/jobs", prefer: "respond-async", bodies: sleepBodies, status: 202, holds: `"id":"job_`,
		},
		"predict": {method: "POST", path: "/api/predict", bodies: predictBodies, status: 200, holds: `"output"`},
	}
}

func scenarioNames() []string { return slices.Sorted(maps.Keys(scenarios())) }

// requests renders the scenario's requests once, as they go over the wire.
func (s scenario) requests(t target, size int) [][]byte {
	bodies := [][]byte{nil}
	if s.bodies != nil {
		bodies = s.bodies(size)
	}
	out := make([][]byte, len(bodies))
	for i, body := range bodies {
		var b bytes.Buffer
		b.WriteString(s.method + " " + s.path + " HTTP/1.1\r\nHost: " + t.addr + "\r\n")
		if body != nil {
			b.WriteString("Authorization: Bearer " + t.token + "\r\nContent-Type: application/json\r\n")
			b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
		}
		if s.prefer != "" {
			b.WriteString("Prefer: " + s.prefer + "\r\n")
		}
		b.WriteString("\r\n")
		b.Write(body)
		out[i] = b.Bytes()
	}
	return out
}

func sleepBodies(size int) [][]byte {
	input := `{"ms":0,"echo":"` + strings.Repeat("x", size-minInput) + `"}`
	return [][]byte{[]byte(`{"model":"sleep","input":` + input + `}`)}
}

// predictBodies are different texts, each with two to four questions, so that nothing could answer them from memory.
func predictBodies(int) [][]byte {
	var out [][]byte
	keys := []string{"人物", "地理位置", "时间", "组织机构"}
	for _, text := range texts() {
		schema := map[string]any{}
		for _, k := range keys[:2+len(out)%3] {
			schema[k] = nil
		}
		b, err := json.Marshal(map[string]any{"text": text, "schema": schema})
		if err != nil { // maps of strings always encode
			continue
		}
		out = append(out, b)
	}
	return out
}

// texts makes four dozen sentences of about one length.
func texts() []string {
	people := []string{"谷爱凌", "林晓峰", "陈思远", "王雨桐", "赵明哲", "孙佳怡", "周子涵", "吴若兰"}
	places := []string{"北京", "上海", "成都", "杭州", "哈尔滨", "张家口"}
	days := []string{"2月8日上午", "3月5日晚上", "去年10月", "昨天下午", "9月12日", "本周六清晨"}
	frames := []string{
		"%d%p冬奥会自由式滑雪女子大跳台决赛中中国选手%n以188.25分获得金牌！",
		"%d，%n在%p举行的全国青年钢琴比赛里弹了三首曲子，拿到了第一名。",
		"%n%d从%p大学毕业，随后进了当地最大的一家新能源公司做工程师。",
		"%d%p市图书馆请来作家%n，给两百多位读者讲了她新写的长篇小说。",
		"据%p日报报道，%n教授的研究小组%d发现了一种能耐高温的新材料。",
		"%d，%p科技公司宣布%n出任总经理，负责公司明年在海外的全部业务。",
	}
	var out []string
	for i := range 48 {
		fill := strings.NewReplacer("%n", people[i%8], "%p", places[(i+i/6)%6], "%d", days[(i+i/8)%6])
		out = append(out, fill.Replace(frames[i%len(frames)]))
	}
	return out
}

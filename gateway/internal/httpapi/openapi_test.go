package httpapi

import (
	"encoding/json"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
)

type document struct {
	OpenAPI    string                               `json:"openapi"`
	Paths      map[string]map[string]map[string]any `json:"paths"`
	Components map[string]map[string]any            `json:"components"`
}

func readDocument(t *testing.T) (doc document, root map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(openAPI, &doc))
	require.NoError(t, json.Unmarshal(openAPI, &root))
	require.Equal(t, "3.1.0", doc.OpenAPI)
	return doc, root
}

func TestEveryRouteIsDocumentedAndViceVersa(t *testing.T) {
	t.Parallel()
	doc, _ := readDocument(t)
	s, err := New(Config{}, testDeps(&fakeJobs{}, io.Discard, io.Discard))
	require.NoError(t, err)
	param := regexp.MustCompile(`:([a-z]+)`)
	var served, documented []string
	for _, r := range s.routes {
		path := param.ReplaceAllString(r.path, "{$1}")
		served = append(served, strings.ToLower(r.method)+" "+path)
		op := doc.Paths[path][strings.ToLower(r.method)]
		if op == nil {
			continue
		}
		sec, isPublic := op["security"].([]any)
		require.Equal(t, r.public, isPublic && len(sec) == 0, path)
		var query []string
		for _, p := range objects(op["parameters"]) {
			if p = resolve(t, p); p["in"] == "query" {
				query = append(query, str(p["name"]))
			}
		}
		require.ElementsMatch(t, r.query, query, path)
		for _, m := range param.FindAllStringSubmatch(r.path, -1) {
			require.True(t, slices.ContainsFunc(objects(op["parameters"]), func(p map[string]any) bool {
				p = resolve(t, p)
				return p["in"] == "path" && p["name"] == m[1]
			}), path)
		}
		responses := obj(op["responses"])
		if !r.public {
			require.Contains(t, responses, "401", path)
			require.Contains(t, responses, "403", path)
		}
		if op["requestBody"] != nil {
			for _, status := range []string{"400", "408", "413", "415", "422"} {
				require.Contains(t, responses, status, path)
			}
		}
	}
	ids := map[string]bool{}
	for path, item := range doc.Paths {
		for method, op := range item {
			documented = append(documented, method+" "+path)
			id := str(op["operationId"])
			require.NotEmpty(t, id)
			require.False(t, ids[id], "operationId twice: "+id)
			ids[id] = true
			require.NotEmpty(t, op["summary"], id)
			require.NotEmpty(t, op["responses"], id)
		}
	}
	require.ElementsMatch(t, served, documented)
}

func TestDocumentHoldsTogether(t *testing.T) {
	t.Parallel()
	doc, root := readDocument(t)
	used := map[string]bool{}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				used[ref] = true
				resolve(t, v)
				require.Len(t, v, 1, at)
			}
			if req, ok := v["required"].([]any); ok { // what is required is described
				for _, name := range req {
					require.Contains(t, obj(v["properties"]), name, at)
				}
			}
			for k, inner := range v {
				walk(at+"/"+k, inner)
			}
		case []any:
			for i, inner := range v {
				walk(at+"/"+strconv.Itoa(i), inner)
			}
		}
	}
	walk("#", root)
	for kind, all := range doc.Components {
		if kind == "securitySchemes" {
			continue
		}
		for name := range all {
			ref := "#/components/" + kind + "/" + name
			if name != "SleepInput" { // the input of a job may be any engine's
				require.True(t, used[ref], "nothing refers to "+ref)
			}
		}
	}
}

func TestDocumentedProblemsAreOurs(t *testing.T) {
	t.Parallel()
	doc, _ := readDocument(t)
	for name, r := range doc.Components["responses"] {
		ex := obj(obj(obj(obj(r)["content"])["application/problem+json"])["example"])
		status, title := meaning(fault.Code(str(ex["code"])))
		require.InDelta(t, status, ex["status"], 0, name)
		require.Equal(t, title, ex["title"], name)
		require.Equal(t, "urn:penstock:problem:"+str(ex["code"]), ex["type"], name)
	}
	codes := obj(obj(obj(doc.Components["schemas"]["Problem"])["properties"])["code"])["enum"]
	for _, c := range values(codes) {
		status, _ := meaning(fault.Code(str(c)))
		if status == 500 {
			require.Contains(t, []string{"internal", "attempts_exhausted"}, c)
		}
	}
}

// Every example in the document is an instance of its schema, so that what readers copy works.
func TestExamplesFitTheirSchemas(t *testing.T) {
	t.Parallel()
	_, root := readDocument(t)
	n := 0
	var walk func(at string, v any)
	walk = func(at string, v any) {
		m, ok := v.(map[string]any)
		if !ok {
			if l, ok := v.([]any); ok {
				for i, inner := range l {
					walk(at+"/"+strconv.Itoa(i), inner)
				}
			}
			return
		}
		if schema, ok := m["schema"].(map[string]any); ok && m["example"] != nil {
			n++
			fits(t, at, schema, m["example"])
		}
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if k != "example" {
				walk(at+"/"+k, m[k])
			}
		}
	}
	walk("#", root)
	require.Greater(t, n, 40)
}

// What the server sends fits the document too.
func TestAnswersFitTheDocument(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	for _, tc := range []struct{ method, path, token, body, schema string }{
		{"POST", "/v1/jobs", goodToken, sleepJob, "Job"},
		{"GET", "/v1/jobs", goodToken, "", "JobList"},
		{"GET", "/v1/jobs/" + someJob + "/webhooks", goodToken, "", "WebhookLog"},
		{"POST", "/v1/jobs/" + someJob + "/webhooks/redeliver", goodToken, "", "WebhookLog"},
		{"GET", "/v1/models", goodToken, "", "ModelList"},
		{"GET", "/v1/models/broken", goodToken, "", "Model"},
		{"GET", "/v1/models/digits", goodToken, "", "Model"},
		{"POST", "/v1/auth/token", goodToken, "", "TokenPair"},
		{"GET", "/v1/usage", goodToken, "", "Usage"},
		{"POST", "/v1/blobs", goodToken, "hello", "Blob"},
		{"POST", "/admin/v1/tenants/tenant-001/keys", adminToken, "", "NewKey"},
		{"GET", "/admin/v1/workers", adminToken, "", "WorkerList"},
		{"GET", "/healthz", "", "", "Probe"},
		{"GET", "/none", "", "", "Problem"},
		{"GET", "/v1/jobs?limit=x", goodToken, "", "Problem"},
	} {
		var v any
		got := a.call(t, tc.method, tc.path, tc.token, tc.body)
		require.NoError(t, json.Unmarshal([]byte(got.body), &v), got.body)
		fits(t, tc.path, map[string]any{"$ref": "#/components/schemas/" + tc.schema}, v)
	}
}

// fits checks the part of JSON Schema that the document uses.
func fits(t *testing.T, at string, schema map[string]any, v any) {
	t.Helper()
	schema = resolve(t, schema)
	if c, ok := schema["const"]; ok {
		require.Equal(t, c, v, at)
	}
	if enum, ok := schema["enum"].([]any); ok {
		require.Contains(t, enum, v, at)
	}
	if p, ok := schema["pattern"].(string); ok {
		require.Regexp(t, p, v, at)
	}
	for _, s := range objects(schema["allOf"]) {
		fits(t, at, s, v)
	}
	if either := objects(schema["anyOf"]); either != nil {
		require.True(t, slices.ContainsFunc(either, func(s map[string]any) bool { return hasType(resolve(t, s)["type"], v) }), at)
		for _, s := range either {
			if s = resolve(t, s); hasType(s["type"], v) {
				fits(t, at, s, v)
			}
		}
	}
	require.True(t, hasType(schema["type"], v), at)
	switch v := v.(type) {
	case map[string]any:
		props := obj(schema["properties"])
		for _, name := range values(schema["required"]) {
			require.Contains(t, v, name, at)
		}
		for name, inner := range v {
			p, ok := props[name].(map[string]any)
			if !ok {
				require.NotEqual(t, false, schema["additionalProperties"], at+"/"+name)
				if p, ok = schema["additionalProperties"].(map[string]any); !ok {
					continue
				}
			}
			fits(t, at+"/"+name, p, inner)
		}
	case []any:
		items, ok := schema["items"].(map[string]any)
		for i, inner := range v {
			if ok {
				fits(t, at+"/"+strconv.Itoa(i), items, inner)
			}
		}
	}
}

func hasType(want, v any) bool {
	if want == nil {
		return true
	}
	for _, w := range values(want) {
		switch f, isNumber := v.(float64); w {
		case "null":
			if v == nil {
				return true
			}
		case "integer":
			if isNumber && f == float64(int64(f)) {
				return true
			}
		case "number":
			if isNumber {
				return true
			}
		case "string":
			if _, ok := v.(string); ok {
				return true
			}
		case "boolean":
			if _, ok := v.(bool); ok {
				return true
			}
		case "object":
			if _, ok := v.(map[string]any); ok {
				return true
			}
		case "array":
			if _, ok := v.([]any); ok {
				return true
			}
		}
	}
	return false
}

// parsed is the document, read once.
var parsed = sync.OnceValue(func() (v any) {
	if err := json.Unmarshal(openAPI, &v); err != nil {
		panic(err)
	}
	return v
})

// resolve follows a reference into the document.
func resolve(t *testing.T, v map[string]any) map[string]any {
	t.Helper()
	ref, ok := v["$ref"].(string)
	if !ok {
		return v
	}
	at := parsed()
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		at = obj(at)[part]
	}
	require.NotNil(t, at, "dangling: "+ref)
	return obj(at)
}

func obj(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

func objects(v any) (out []map[string]any) {
	l, _ := v.([]any)
	for _, one := range l {
		out = append(out, obj(one))
	}
	return out
}

func values(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	if v == nil {
		return nil
	}
	return []any{v}
}

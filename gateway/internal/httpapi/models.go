package httpapi

import (
	"strconv"

	"github.com/gofiber/fiber/v2"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/shared/job"
)

// listModels is GET /v1/models, in a shape that OpenAI's clients read too.
func (k *call) listModels() error {
	models := k.s.deps.Jobs.Models()
	b := append(make([]byte, 0, 64+384*len(models)), `{"object":"list","data":[`...)
	for i := range models {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendModel(b, &models[i]), '}')
	}
	return k.json(fiber.StatusOK, append(b, `],"next_cursor":null}`...))
}

// getModel is GET /v1/models/{name}: the entry of the list, and the JSON schema of the model's input.
func (k *call) getModel() error {
	name := k.c.Params("name")
	models := k.s.deps.Jobs.Models()
	for i := range models {
		if models[i].Name == name {
			k.model = models[i].Name
			b := appendModel(make([]byte, 0, 4096), &models[i])
			b = append(b, `,"input_schema":`...)
			if schema := input.Schema(models[i].Engine); schema != nil {
				b = append(b, schema...)
			} else {
				b = append(b, "null"...)
			}
			return k.json(fiber.StatusOK, append(b, '}'))
		}
	}
	return fault.New(fault.ModelNotFound, "there is no model of that name")
}

// appendModel leaves the object open, for the members of one route alone.
func appendModel(b []byte, m *job.Model) []byte {
	b = append(b, `{"id":`...)
	b = appendString(b, m.Name)
	b = append(b, `,"object":"model","created":0,"owned_by":"penstock","engine":`...)
	b = appendString(b, m.Engine)
	b = append(b, `,"description":`...)
	b = appendString(b, m.Description)
	b = append(b, `,"versions":[`...)
	for i, v := range m.Versions {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, v)
	}
	b = append(b, `],"latest":`...)
	if len(m.Versions) > 0 {
		b = appendString(b, m.Versions[len(m.Versions)-1])
	} else {
		b = append(b, "null"...)
	}
	if m.Error == "" && m.Workers > 0 {
		b = append(b, `,"status":"ready","error":null`...)
	} else {
		why := m.Error
		if why == "" {
			why = "no live worker serves it"
		}
		b = append(b, `,"status":"unavailable","error":`...)
		b = appendString(b, why)
	}
	b = append(b, `,"workers":`...)
	b = strconv.AppendInt(b, int64(m.Workers), 10)
	b = append(b, `,"slots":`...)
	b = strconv.AppendInt(b, int64(m.Slots), 10)
	b = append(b, `,"free":`...)
	b = strconv.AppendInt(b, int64(m.Free), 10)
	b = append(b, `,"rate":`...)
	b = strconv.AppendFloat(b, m.Rate, 'g', 6, 64)
	return appendAbout(b, &m.About)
}

// appendAbout tells what a model takes, as far as it is known.
func appendAbout(b []byte, a *job.About) []byte {
	b = append(b, `,"capabilities":[`...)
	n := 0
	for _, c := range [...]struct {
		name string
		has  bool
	}{{"chat", a.Chat}, {"images", a.Images}, {"tools", a.Tools}, {"thinking", a.Thinking}, {"embedding", a.Dimensions > 0}} {
		if !c.has {
			continue
		}
		if n > 0 {
			b = append(b, ',')
		}
		b = appendString(b, c.name)
		n++
	}
	b = append(b, ']')
	if a.Context > 0 {
		b = strconv.AppendInt(append(b, `,"context":`...), int64(a.Context), 10)
	}
	if a.Dimensions > 0 {
		b = strconv.AppendInt(append(b, `,"dimensions":`...), int64(a.Dimensions), 10)
	}
	b = appendSpecs(b, `,"inputs":`, a.Inputs)
	return appendSpecs(b, `,"outputs":`, a.Outputs)
}

func appendSpecs(b []byte, member string, specs []job.Spec) []byte {
	if len(specs) == 0 {
		return b
	}
	b = append(append(b, member...), '[')
	for i := range specs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"name":`...), specs[i].Name)
		b = appendString(append(b, `,"datatype":`...), specs[i].Datatype)
		b = append(b, `,"shape":`...)
		if specs[i].Shape == nil {
			b = append(b, "null"...)
		} else {
			b = append(b, '[')
			for k, d := range specs[i].Shape {
				if k > 0 {
					b = append(b, ',')
				}
				b = strconv.AppendInt(b, d, 10)
			}
			b = append(b, ']')
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

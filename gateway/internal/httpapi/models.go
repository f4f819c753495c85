package httpapi

import (
	"strconv"

	"github.com/gofiber/fiber/v2"

	"github.com/penstock-dev/penstock/shared/fault"
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
		b = appendModel(b, &models[i])
	}
	return k.json(fiber.StatusOK, append(b, `],"next_cursor":null}`...))
}

// getModel is GET /v1/models/{name}.
func (k *call) getModel() error {
	name := k.c.Params("name")
	models := k.s.deps.Jobs.Models()
	for i := range models {
		if models[i].Name == name {
			k.model = models[i].Name
			return k.json(fiber.StatusOK, appendModel(make([]byte, 0, 384), &models[i]))
		}
	}
	return fault.New(fault.ModelNotFound, "there is no model of that name")
}

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
	return append(b, '}')
}

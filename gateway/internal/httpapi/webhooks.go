package httpapi

import (
	"encoding/json"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/rawjson"
)

// Bounds of what is read of a job's webhook; what its members may say is for Jobs to judge.
const (
	maxHookURL    = 2048
	maxHookSecret = 128
	maxHookEvent  = 32
	maxHookItems  = 8
	needsAList    = "must be a list of at most %d strings"
)

// webhook reads a job's webhook: {"url","secret","events"}. The secret may be a list, while its owner changes it.
func webhook(v []byte) (*job.Webhook, error) {
	if rawjson.Kind(v) != '{' {
		return nil, fault.Invalid("webhook", needsAnObject)
	}
	w := &job.Webhook{Events: []string{job.HookDone}}
	for name, member := range rawjson.Members(v) {
		var err error
		switch string(name) {
		case "url":
			w.URL, err = text("webhook.url", member, maxHookURL)
		case "secret":
			w.Secrets, err = secrets(member)
		case "events":
			w.Events, err = texts[string]("webhook.events", member, maxHookEvent)
		default:
			err = fault.Invalid(fault.Join("webhook", clip(string(name))), "is not a member of a webhook")
		}
		if err != nil {
			return nil, err
		}
	}
	if w.URL == "" {
		return nil, fault.Invalid("webhook.url", "is needed")
	}
	return w, nil
}

func secrets(v []byte) ([]job.Secret, error) {
	if rawjson.Kind(v) == '[' {
		return texts[job.Secret]("webhook.secret", v, maxHookSecret)
	}
	s, err := text("webhook.secret", v, maxHookSecret)
	return []job.Secret{job.Secret(s)}, err
}

// texts reads a list of strings.
func texts[T ~string](field string, v []byte, limit int) ([]T, error) {
	var items []json.RawMessage
	if rawjson.Kind(v) != '[' || json.Unmarshal(v, &items) != nil || len(items) > maxHookItems {
		return nil, fault.Invalid(field, needsAList, maxHookItems)
	}
	list := make([]T, 0, len(items))
	for i, item := range items {
		s, err := text(field+"["+strconv.Itoa(i)+"]", rawjson.Trim(item), limit)
		if err != nil {
			return nil, err
		}
		list = append(list, T(s))
	}
	return list, nil
}

// listWebhooks is GET /v1/jobs/{id}/webhooks.
func (k *call) listWebhooks() error {
	id, err := k.jobIDParam()
	if err != nil {
		return err
	}
	if _, err := k.s.deps.Jobs.Get(k.context(), k.tenant, id); err != nil {
		return err
	}
	list, err := k.s.deps.Webhooks.Log(k.context(), k.tenant, id)
	if err != nil {
		return err
	}
	return k.webhookLog(fiber.StatusOK, list)
}

// redeliverWebhooks is POST /v1/jobs/{id}/webhooks/redeliver.
func (k *call) redeliverWebhooks() error {
	id, err := k.jobIDParam()
	if err != nil {
		return err
	}
	if _, err := k.s.deps.Jobs.Get(k.context(), k.tenant, id); err != nil {
		return err
	}
	list, err := k.s.deps.Webhooks.Redeliver(k.context(), k.tenant, id)
	if err != nil {
		return err
	}
	return k.webhookLog(fiber.StatusAccepted, list)
}

func (k *call) webhookLog(status int, list []job.HookDelivery) error {
	return k.value(status, struct {
		Data []job.HookDelivery `json:"data"`
		Next *string            `json:"next_cursor"`
	}{Data: list})
}

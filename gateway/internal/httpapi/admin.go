package httpapi

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/job"
)

// createTenant is POST /admin/v1/tenants.
func (k *call) createTenant() error {
	body, err := k.jsonBody()
	if err != nil {
		return err
	}
	t, err := k.s.deps.Tenants.Create(k.context(), body)
	if err != nil {
		return err
	}
	k.rc.Response.Header.Set(fiber.HeaderLocation, "/admin/v1/tenants/"+t.ID)
	return k.value(fiber.StatusCreated, t)
}

// listTenants is GET /admin/v1/tenants.
func (k *call) listTenants() error {
	limit, cursor, err := k.page()
	if err != nil {
		return err
	}
	list, err := k.s.deps.Tenants.List(k.context(), cursor, limit)
	if err != nil {
		return err
	}
	return k.value(fiber.StatusOK, list)
}

// page reads the two parameters of a list.
func (k *call) page() (limit int, cursor string, err error) {
	if limit, err = k.number("limit", tenant.DefaultPage, 1, tenant.MaxPage); err != nil {
		return 0, "", err
	}
	if cursor = k.param("cursor"); !validCursor(cursor) {
		return 0, "", badParam("cursor", "is not a cursor of this list")
	}
	return limit, cursor, nil
}

// pathPart copies a part of the path: Fiber's strings live no longer than the handler.
func (k *call) pathPart(name string) string { return strings.Clone(k.c.Params(name)) }

// getTenant is GET /admin/v1/tenants/{id}.
func (k *call) getTenant() error {
	t, err := k.s.deps.Tenants.Get(k.context(), k.pathPart("id"))
	if err != nil {
		return err
	}
	return k.value(fiber.StatusOK, t)
}

// changeTenant is PATCH /admin/v1/tenants/{id}.
func (k *call) changeTenant() error {
	body, err := k.jsonBody()
	if err != nil {
		return err
	}
	t, err := k.s.deps.Tenants.Update(k.context(), k.pathPart("id"), body)
	if err != nil {
		return err
	}
	return k.value(fiber.StatusOK, t)
}

// deleteTenant is DELETE /admin/v1/tenants/{id}.
func (k *call) deleteTenant() error {
	if err := k.s.deps.Tenants.Delete(k.context(), k.pathPart("id")); err != nil {
		return err
	}
	k.rc.Response.SetStatusCode(fiber.StatusNoContent)
	return nil
}

// createKey is POST /admin/v1/tenants/{id}/keys. Its body is optional; its answer shows the key, this once.
func (k *call) createKey() error {
	var body []byte
	if k.hasBody() {
		var err error
		if body, err = k.jsonBody(); err != nil {
			return err
		}
	}
	key, err := k.s.deps.Tenants.CreateKey(k.context(), k.pathPart("id"), body)
	if err != nil {
		return err
	}
	k.rc.Response.Header.Set(fiber.HeaderLocation, "/admin/v1/tenants/"+key.Tenant+"/keys/"+key.ID)
	return k.value(fiber.StatusCreated, key)
}

// listKeys is GET /admin/v1/tenants/{id}/keys.
func (k *call) listKeys() error {
	limit, cursor, err := k.page()
	if err != nil {
		return err
	}
	list, err := k.s.deps.Tenants.ListKeys(k.context(), k.pathPart("id"), cursor, limit)
	if err != nil {
		return err
	}
	return k.value(fiber.StatusOK, list)
}

// deleteKey is DELETE /admin/v1/tenants/{id}/keys/{key}.
func (k *call) deleteKey() error {
	if err := k.s.deps.Tenants.DeleteKey(k.context(), k.pathPart("id"), k.pathPart("key")); err != nil {
		return err
	}
	k.rc.Response.SetStatusCode(fiber.StatusNoContent)
	return nil
}

// listWorkers is GET /admin/v1/workers.
func (k *call) listWorkers() error {
	workers := k.s.deps.Jobs.Workers()
	if workers == nil {
		workers = []job.Worker{}
	}
	return k.value(fiber.StatusOK, struct {
		Data []job.Worker `json:"data"`
		Next *string      `json:"next_cursor"`
	}{Data: workers})
}

// usage is GET /v1/usage.
func (k *call) usage() error {
	u, err := k.s.deps.Usage(k.context(), k.who)
	if err != nil {
		return err
	}
	return k.value(fiber.StatusOK, u)
}

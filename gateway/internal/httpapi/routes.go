package httpapi

import (
	_ "embed"

	"github.com/gofiber/fiber/v2"
)

// openAPI is the contract as clients read it.
//
//go:embed openapi.json
var openAPI []byte

const scopeAdmin = "admin"

// table lists every route. HEAD goes with GET.
func (s *Server) table() []*route {
	const get, post, put, patch, del = fiber.MethodGet, fiber.MethodPost, fiber.MethodPut, fiber.MethodPatch, fiber.MethodDelete
	list := []string{"limit", "cursor"}
	return []*route{
		{method: post, path: "/v1/jobs", serve: (*call).submitJob}, // its scopes are checked by Submit
		{method: get, path: "/v1/jobs", scope: scopeJobs, query: []string{"status", "model", "limit", "cursor"}, serve: (*call).listJobs},
		{method: put, path: "/v1/jobs/:id", serve: (*call).putJob},
		{method: post, path: "/v1/jobs/:id/retry", scope: scopeJobs, serve: (*call).retryJob},
		{method: get, path: "/v1/jobs/:id", scope: scopeJobs, query: []string{"wait"}, serve: (*call).getJob},
		{method: get, path: "/v1/jobs/:id/events", scope: scopeJobs, query: []string{"starting_after"}, serve: (*call).jobEvents},
		{method: post, path: "/v1/jobs/:id/cancel", scope: scopeJobs, serve: (*call).cancelJob},
		{method: get, path: "/v1/jobs/:id/webhooks", scope: scopeJobs, serve: (*call).listWebhooks},
		{method: post, path: "/v1/jobs/:id/webhooks/redeliver", scope: scopeJobs, serve: (*call).redeliverWebhooks},
		{method: post, path: "/v1/blobs", scope: scopeJobs, serve: (*call).putBlob},
		{method: get, path: "/v1/blobs/:ref", scope: scopeJobs, serve: (*call).getBlob},
		{method: del, path: "/v1/blobs/:ref", scope: scopeJobs, serve: (*call).deleteBlob},
		{method: post, path: "/api/predict", serve: (*call).predict},
		{method: get, path: "/v1/models", serve: (*call).listModels},
		{method: get, path: "/v1/models/:name", serve: (*call).getModel},
		{method: get, path: "/v1/usage", serve: (*call).usage},
		{method: post, path: "/v1/auth/token", serve: (*call).issueToken},
		{method: post, path: "/v1/auth/refresh", public: true, serve: (*call).refreshToken}, // the body is the proof
		{method: post, path: "/v1/auth/revoke", serve: (*call).revokeToken},
		{method: get, path: "/.well-known/jwks.json", public: true, serve: (*call).jwks},
		{method: post, path: "/admin/v1/tenants", scope: scopeAdmin, serve: (*call).createTenant},
		{method: get, path: "/admin/v1/tenants", scope: scopeAdmin, query: list, serve: (*call).listTenants},
		{method: get, path: "/admin/v1/tenants/:id", scope: scopeAdmin, serve: (*call).getTenant},
		{method: patch, path: "/admin/v1/tenants/:id", scope: scopeAdmin, serve: (*call).changeTenant},
		{method: del, path: "/admin/v1/tenants/:id", scope: scopeAdmin, serve: (*call).deleteTenant},
		{method: post, path: "/admin/v1/tenants/:id/keys", scope: scopeAdmin, serve: (*call).createKey},
		{method: get, path: "/admin/v1/tenants/:id/keys", scope: scopeAdmin, query: list, serve: (*call).listKeys},
		{method: del, path: "/admin/v1/tenants/:id/keys/:key", scope: scopeAdmin, serve: (*call).deleteKey},
		{method: get, path: "/admin/v1/dead-letters", scope: scopeAdmin, query: []string{"limit", "cursor", "model", "tenant"}, serve: (*call).listDeadLetters},
		{method: post, path: "/admin/v1/dead-letters/retry", scope: scopeAdmin, query: []string{"model", "tenant"}, serve: (*call).retryDeadLetters},
		{method: post, path: "/admin/v1/dead-letters/discard", scope: scopeAdmin, query: []string{"model", "tenant"}, serve: (*call).discardDeadLetters},
		{method: post, path: "/admin/v1/dead-letters/:id/retry", scope: scopeAdmin, serve: (*call).retryDeadLetter},
		{method: post, path: "/admin/v1/dead-letters/:id/discard", scope: scopeAdmin, serve: (*call).discardDeadLetter},
		{method: get, path: "/admin/v1/workers", scope: scopeAdmin, serve: (*call).listWorkers},
		{method: get, path: "/openapi.json", public: true, serve: (*call).openAPI},
		{method: get, path: "/healthz", public: true, quiet: true, serve: (*call).healthz},
		{method: get, path: "/readyz", public: true, quiet: true, serve: (*call).readyz},
	}
}

// openAPI is GET /openapi.json.
func (k *call) openAPI() error {
	k.rc.Response.Header.Set(fiber.HeaderCacheControl, "public, max-age=300")
	return k.json(fiber.StatusOK, openAPI)
}

// healthz is GET /healthz: a constant, while the process serves at all.
func (k *call) healthz() error {
	k.rc.Response.Header.SetContentType("application/json")
	k.rc.Response.SetBodyString(`{"status":"ok"}`)
	return nil
}

// readyz is GET /readyz.
func (k *call) readyz() error {
	if err := k.s.Ready(k.context()); err != nil {
		return notReady(err)
	}
	k.rc.Response.Header.SetContentType("application/json")
	k.rc.Response.SetBodyString(`{"status":"ready"}`)
	return nil
}

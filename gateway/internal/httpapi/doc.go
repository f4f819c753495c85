// Package httpapi is the HTTP side of the gateway: listeners, TLS, framing checks, middleware, routes and problem
// errors. It is the only importer of Fiber. A request takes this way:
//
//	listener → conn (strict head check) → fasthttp → call (request id, recover, audit, auth) → route → Deps
//
// It sees the rest of the gateway through the small interfaces of Deps. Nothing that Fiber or fasthttp owns outlives
// a handler: strings and bodies are copied before they leave it.
package httpapi

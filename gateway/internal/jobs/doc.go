// Package jobs is the path of a job through the gateway: submit, wait, get, stream, cancel, list. It knows tenants,
// limits and the queue, and nothing of HTTP.
package jobs

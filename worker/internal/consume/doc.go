// Package consume takes jobs from the queue as fast as the models can run them and no faster, keeps their leases, and
// settles each: run, store the end, ack, notify.
package consume

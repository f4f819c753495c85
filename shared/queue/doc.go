// Package queue is where jobs wait and where their events are kept. It is the only importer of NATS.
//
// Three streams hold everything that must not be lost:
//
//	JOBS    jobs.<model>.<class>.<lane>.<tenant>.<job>   a work queue: a job's message is its acceptance, acked at its end
//	EVENTS  events.<tenant>.<job>                        what happened to the job; the last event is its end
//	DEAD    dead.<model>.<tenant>.<job>                  jobs out of attempts, with their input
//
// So a job is in JOBS, or its end is in EVENTS, and a quick one costs two durable writes. Every event is written with
// the sequence of the event before it as a condition (fencing), so that an attempt that lost its lease writes nothing
// and a job ends once. The broker publishes each stored event again, for the gateway that made the job. Beside the
// streams, ADVISORIES keeps the server's word about jobs that were delivered too often, the KV bucket WORKERS holds the
// workers' heartbeats, and HOOKS and WEBHOOKS hold the webhooks of the jobs that have one, and the work they are. What is
// too large for a message is in the object stores BLOBS and INPUTS.
package queue

// Package queue is where jobs wait and where their events are kept. It is the only importer of NATS.
//
// Three streams hold everything that must not be lost:
//
//	JOBS    jobs.<model>.<class>.<lane>.<tenant>.<job>   a work queue: a job's message is its acceptance, acked at its end
//	EVENTS  events.<tenant>.<job>                        what happened to the job; the last event is its end
//	DEAD    dead.<model>.<tenant>.<job>                  jobs out of attempts, with their input
//
// Beside them, LATER holds what is to be done at a time (the broker moves it when it is due), HOOKS the webhooks of jobs
// and WEBHOOKS the deliveries that they ask for, ADVISORIES the server's word about jobs that were handed out too often.
// Buckets: WORKERS has the workers' heartbeats, IDEMPOTENCY who came first with a key, BLOBS and INPUTS what is too large
// for a message.
//
// So a job is in JOBS (or LATER), or its end is in EVENTS, and a quick one costs two durable writes. Every event is written
// with the sequence of the event before it as a condition (fencing), so that an attempt that lost its lease writes nothing
// and a job ends once. The broker publishes each stored event again, for the gateway that made the job. Hints of backlogs
// and cancel signals are plain messages, which may get lost.
package queue

// Package webhook tells receivers of jobs' events: signed as Standard Webhooks asks, again and again until they take it,
// and never at an address that a tenant must not reach through us.
//
// A webhook's record is stored before its job is (Expect), so that there is no accepted job whose webhook is forgotten.
// Whoever stores the job's end rouses the record; the broker's clock does when a retry is due, and now and then while the
// job has not ended, for an end that nobody told of. Any gateway takes what is due (Run), one attempt at a time for a
// job: it claims the record, sends, and writes down what came of it. A gateway that dies between leaves a claim that runs
// out, and the attempt is made again: a delivery comes at least once, under the same webhook-id.
package webhook

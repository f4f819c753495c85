// Command sim runs the scheduler of shared/fair, the very code that workers run, in simulated time: any number of
// tenants and of workers of mixed speed, each with a view of its own, before a model of the broker with its lanes,
// consumers, pull credit and latencies. It prints figures as Markdown and draws pictures. Everything is seeded: the same
// command prints the same figures on every machine.
//
//	go run ./loadtest/sim                 all scenarios, as in deploy/docs/fairness.md
//	go run ./loadtest/sim -only quiet     one of them
//	go run ./loadtest/sim -short          what the tests run
package main

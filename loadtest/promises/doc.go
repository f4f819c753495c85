// Command promises measures what the queue promises, on the built binaries: a gateway with its embedded broker and a
// worker are started as processes on free ports and a temporary folder, for each scenario anew. It prints Markdown, and
// ends with status 1 when a bound does not hold.
//
//	go run ./loadtest/promises                                all scenarios, half an hour; make build first
//	go run ./loadtest/promises -list                          their names
//	go run ./loadtest/promises -only quiet,jain               some of them
//	go run ./loadtest/promises -short                         small ones: does it work at all? (the figures say little)
//	go run ./loadtest/promises -only retained -retained 100000
//	go run ./loadtest/promises -pictures deploy/docs          writes the pictures too
//
// The generator shares the machine with what it measures. Figures of quick jobs are of all three together.
package main

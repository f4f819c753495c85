// Package lanes decides which lane of the queue each job takes, by what its tenant has unfinished, and sees to it that
// workers hear of every backlog: also of those whose gateway has died.
package lanes

// Package pattern finds regular expressions in text as the reference implementation of tokenizers does, whose engine is
// Oniguruma. What it takes, it takes exactly: the dialect, the order of alternatives, and Oniguruma's own Unicode
// tables. What it does not take is an error that names it. Time is linear in the text for every pattern: once plain
// backtracking has cost more than a fixed number of steps a rune, each state of the match is visited once.
package pattern

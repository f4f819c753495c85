package main

// service are the scenarios about what a caller gets: streams, forecasts, memory, restarts.
func service() []scenario { return nil }

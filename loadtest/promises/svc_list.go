package main

// service are the scenarios about what a caller gets: streams, forecasts, memory, restarts.
func service() []scenario {
	return []scenario{
		{"overload", "Three times as much as the workers can do", overload},
		{"eta", "Forecasts, and what came", forecasts},
		{"cancel", "How soon a job is canceled", cancels},
		{"streams", "A thousand streams that wait", openStreams},
		{"cut", "Ten thousand streams, each cut five times", cutStreams},
		{"tokens", "What a token costs on its way", tokens},
		{"leases", "Ten thousand jobs longer than their leases", leases},
		{"retained", "A million retained jobs", retained},
		{"kill9", "A worker is killed", killed},
	}
}

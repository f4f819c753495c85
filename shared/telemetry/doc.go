// Package telemetry is what every process shows of itself: the logger, the metrics registry and the operations
// listener with health, readiness, metrics and profiles. It imports nothing of ours.
package telemetry

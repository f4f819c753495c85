package sleep

import (
	"fmt"
	"os"
)

// Effects is a file that several workers add to: a line "JOB ATTEMPT WORKER" for each run that is complete. A test that
// kills them counts there how often each job ran.
type Effects struct {
	file   *os.File
	worker string
}

// OpenEffects opens the file, or makes it.
func OpenEffects(path, worker string) (*Effects, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // named by the operator
	if err != nil {
		return nil, fmt.Errorf("sleep: the file of effects: %w", err)
	}
	return &Effects{file: f, worker: worker}, nil
}

// Add adds one line by one write, which neither another worker's nor this one's death can tear.
func (e *Effects) Add(jobID string, attempt int) error {
	_, err := fmt.Fprintf(e.file, "%s %d %s\n", jobID, attempt, e.worker)
	return err
}

// Close closes the file.
func (e *Effects) Close() error { return e.file.Close() }

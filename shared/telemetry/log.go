package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
)

// The formats that NewLogger takes.
const (
	FormatAuto = "auto" // FormatText when the writer is a terminal, else FormatJSON
	FormatJSON = "json" // one object a line
	FormatText = "text" // readable lines: the time of day, level, message, key=value
)

// NewLogger makes the logger of a process. An unknown format is an error that says which there are.
func NewLogger(format string, level slog.Level, w io.Writer) (*slog.Logger, error) {
	if format == FormatAuto {
		format = FormatJSON
		if isTerminal(w) {
			format = FormatText
		}
	}
	switch format {
	case FormatJSON:
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), nil
	case FormatText:
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: shortTime})), nil
	default:
		return nil, fmt.Errorf("log format %q is none of auto, json, text", format)
	}
}

// shortTime writes a line's own time as the time of day.
func shortTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		return slog.String(slog.TimeKey, a.Value.Time().Format(time.TimeOnly+".000"))
	}
	return a
}

func isTerminal(w io.Writer) bool {
	if b, ok := w.(*BatchWriter); ok {
		w = b.out
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

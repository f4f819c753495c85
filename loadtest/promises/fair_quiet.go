package main

import (
	"context"
	"errors"
)

// quiet measures how long one tenant's jobs wait behind another's.
func quiet(ctx context.Context, r *run) error {
	s, err := r.start(ctx, 16)
	if err != nil {
		return err
	}
	c, err := s.Tenant(ctx, "quiet", nil)
	if err == nil {
		j, e := c.Run(ctx, map[string]any{"ms": 20}, nil)
		r.say("%+v", j)
		err = e
	}
	return errors.Join(err, s.Kill())
}

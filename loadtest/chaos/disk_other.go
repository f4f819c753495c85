//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

var errNoSmall = errors.New("a full disk needs a small file system by a mount namespace, which only Linux has; name the other profiles with -profiles")

func apart(context.Context, *options, profile, io.Writer, io.Writer) error { return errNoSmall }

func mountSmall(string) error { return errNoSmall }

func unmountSmall(string) error { return nil }

func freeOn(string) (int64, error) { return 0, errNoSmall }

//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

var errNoFUSE = errors.New("a power cut needs FUSE and namespaces, which only Linux has")

func apart(context.Context, []string, io.Writer, io.Writer) error { return errNoFUSE }

func mount(*disk, string) (func() error, error) { return nil, errNoFUSE }

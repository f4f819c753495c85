//go:build !linux

package main

import "errors"

func mount(*disk, string) (func() error, error) {
	return nil, errors.New("a power cut needs FUSE as Linux has it")
}

// Package jpeg reads JPEG pictures to the same pixels as libjpeg does, which the reference implementations of image
// models decode with: its accurate integer transform, its smooth ("fancy") chroma upsampling and its fixed-point colour
// conversion. Go's own decoder repeats chroma samples instead, which on photographs is off by dozens of levels.
//
// Baseline, extended sequential and progressive pictures of 8 bits with one, three or four components are read; those
// coded arithmetically, hierarchically or without loss are refused by name. Where libjpeg warns and guesses, about a
// damaged or truncated scan, this package returns an error. It checks sizes against the caller's limits from the header,
// before it takes memory.
package jpeg

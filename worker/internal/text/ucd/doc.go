// Package ucd knows of each code point what the reference implementation of tokenizers takes it for. That
// implementation is built from six libraries with Unicode tables of different ages, so Go's own would differ from it
// on many thousands of code points. testdata/tables.py wrote tables.bin and says how.
package ucd

//go:build ignore

// Prints what Go knows of normalization and lower case, for tables.py.
package main

import (
	"bufio"
	"fmt"
	"os"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

func main() {
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r >= 0xd800 && r < 0xe000 {
			continue
		}
		d, k := norm.NFD.PropertiesString(string(r)), norm.NFKD.PropertiesString(string(r))
		lower := unicode.ToLower(r)
		if d.CCC() != 0 || d.Decomposition() != nil || k.Decomposition() != nil || lower != r {
			fmt.Fprintf(w, "%d\t%d\t%q\t%q\t%d\n", r, d.CCC(), d.Decomposition(), k.Decomposition(), lower)
		}
	}
}

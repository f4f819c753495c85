// Package picture draws how long jobs waited, over time, as an SVG.
package picture

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Size of a picture, and where its plot lies in it.
const (
	width, height         = 860, 360
	left, right, top, low = 70, 30, 50, 50
)

// Point is a job that started at a moment, after a wait. Jobs of a group share a curve.
type Point struct {
	At, Wait time.Duration
	Group    string
}

// line is one curve of a picture.
type line struct {
	name, colour string
	dashed       bool
	points       [][2]float64 // seconds, milliseconds
}

// Waits draws p50 and p99 of the waits of two groups over time, of the jobs that started in each second or more.
func Waits(title string, until time.Duration, points []Point, groups ...string) string {
	colours := []string{"#0b6e99", "#b3541e"}
	var lines []line
	for i, group := range groups {
		bins := map[int][]time.Duration{}
		step := max(1, int(until.Seconds())/60)
		for _, p := range points {
			if p.Group == group {
				at := int(p.At.Seconds()) / step
				bins[at] = append(bins[at], p.Wait)
			}
		}
		p50 := line{name: group + " p50", colour: colours[i]}
		p99 := line{name: group + " p99", colour: colours[i], dashed: true}
		for at, w := range bins {
			slices.Sort(w)
			x := (float64(at) + 0.5) * float64(step)
			p50.points = append(p50.points, [2]float64{x, millis(w[len(w)/2])})
			p99.points = append(p99.points, [2]float64{x, millis(w[(len(w)*99)/100])})
		}
		lines = append(lines, p50, p99)
	}
	return draw(title, until.Seconds(), lines)
}

func millis(d time.Duration) float64 { return max(0.1, float64(d.Microseconds())/1000) }

// draw makes an SVG: time in seconds to the right, milliseconds upwards, on a logarithmic scale.
func draw(title string, until float64, lines []line) string {
	most := 1.0
	for _, l := range lines {
		slices.SortFunc(l.points, func(a, b [2]float64) int { return cmp.Compare(a[0], b[0]) })
		for _, p := range l.points {
			most = max(most, p[1])
		}
	}
	decades := math.Ceil(math.Log10(most)) + 1 // from 0.1 ms on
	x := func(s float64) float64 { return left + s/until*(width-left-right) }
	y := func(ms float64) float64 { return height - low - (math.Log10(ms)+1)/decades*(height-top-low) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" fill="#333">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="20" font-size="14">%s</text>`+"\n", left, title)
	for d := range int(decades) + 1 {
		ms := math.Pow(10, float64(d-1))
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, y(ms), width-right, left-6, y(ms)+4, scaled(ms))
	}
	for i := range 7 {
		s := until * float64(i) / 6
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%.0f s</text>`+"\n", x(s), height-low+18, s)
	}
	for i, l := range lines {
		dash := ""
		if l.dashed {
			dash = ` stroke-dasharray="5 3"`
		}
		b.WriteString(`<polyline fill="none" stroke="` + l.colour + `" stroke-width="1.6"` + dash + ` points="`)
		for _, p := range l.points {
			fmt.Fprintf(&b, "%.0f,%.0f ", x(p[0]), y(p[1]))
		}
		at := left + 130*i
		fmt.Fprintf(&b, "\"/>\n"+`<path d="M%d 36h24" stroke="%s" stroke-width="1.6"%s/><text x="%d" y="40">%s</text>`+"\n", at, l.colour, dash, at+30, l.name)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">time; upwards: how long a job waited until it started</text>`+"\n</svg>\n", width/2, height-10)
	return b.String()
}

func scaled(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%g s", ms/1000)
	}
	return fmt.Sprintf("%g ms", ms)
}

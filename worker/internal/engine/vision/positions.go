package vision

// axes is how many a position has for a decoder that sees: time, down and across.
const axes = 3

// positions gives each token its place on every axis, [axes, len(ids)], and the place of the first token of the answer.
// Text goes on along all axes at once. The tokens of an image stand where the text has got to, moved by their row and
// column, and the text goes on behind the image's farthest place: an image takes as much of the text's length as its
// longest side.
func positions(ids []int32, image int32, views []view, merge int) (places []int64, next int64) {
	n := len(ids)
	places = make([]int64, axes*n)
	time, down, across := places[:n], places[n:2*n], places[2*n:]
	for i := 0; i < n; {
		if ids[i] != image || len(views) == 0 {
			time[i], down[i], across[i] = next, next, next
			next++
			i++
			continue
		}
		g := views[0].grid
		views = views[1:]
		rows, columns := g.H/merge, g.W/merge
		for k := range min(g.T*rows*columns, n-i) {
			time[i] = next + int64(k/(rows*columns))
			down[i] = next + int64(k/columns%rows)
			across[i] = next + int64(k%columns)
			i++
		}
		next += int64(max(g.T, rows, columns))
	}
	return places, next
}

package chat

// style is how a model writes its thoughts and tool calls, as the text of its template shows.
type style struct{}

func styleOf(string) style { return style{} }

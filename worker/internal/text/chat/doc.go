// Package chat turns a conversation into the text a model continues, with the chat template in the model's folder, and
// reads thoughts and tool calls back out of what the model writes.
//
// A client's text stays text: wherever it spells a special token of the model, alone or together with what the template
// puts beside it, Prompt.Plain says so, and the tokenizer reads those bytes as ordinary characters. Only what the
// template itself writes can be special.
package chat

// Package jinja is the template language of chat templates: Jinja2 as Hugging Face Transformers sets it up (immutable
// sandbox, trim_blocks, lstrip_blocks, loop controls, the generation tag), down to how Python prints a float or a dict.
//
// It is pure and a leaf: Parse makes a Template, which is read-only and may be used by many goroutines; Render runs it
// over variables within Limits, so that a hostile template can neither hang nor grow without bound.
//
// Strings know where they came from. A string that FromJSON made with client set stays marked through concatenation,
// slicing, splitting, replacing and the like, and Render tells which bytes of its output the client wrote. So a caller
// can keep a client's text from being read as a model's special tokens, without changing that text or its length.
package jinja

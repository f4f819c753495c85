// Package grammar keeps a model's output to a JSON schema: it compiles the schema into an automaton over bytes and tells
// for each state which tokens of a vocabulary may come next. It is pure; masks cost little because states and what they
// allow are remembered.
//
// # What of JSON Schema it keeps to
//
// type (one or a list), nullable, enum, const, properties, required, additionalProperties, patternProperties (up to
// four patterns in an object), items, prefixItems, minItems, maxItems, minLength, maxLength, pattern, format, minimum,
// maximum, exclusiveMinimum, exclusiveMaximum, anyOf, oneOf, allOf, $ref within the schema, also to itself. A keyword
// that would change what is valid and is not in this list is a fault at its place; notes (title, description, default,
// examples and unknown words) are passed over.
//
// What is written always meets the schema, except that oneOf is read as anyOf. Not everything that meets it can be
// written:
//
//   - properties come in the schema's order; optional ones may be left out;
//   - an object with properties and no word about others has no others, and a list with prefixItems and no word about
//     items ends with them;
//   - without a type, keywords that belong to one (properties, items, pattern, minimum) ask for that type;
//   - white space is bounded: nothing, one space, or a line break with up to 32 spaces or tabs, after { [ and comma and
//     before } and ]; up to one space after a colon;
//   - integers have up to 18 digits and no point; numbers 15 before the point and 15 after it, and an exponent of two
//     digits; numbers with a bound have 30 digits after the point and no exponent;
//   - a free string has every spelling that JSON has; keys, listed values and strings with a pattern or a format have
//     one for each character: itself, or JSON's short escape where it needs one. Listed values are compact;
//   - a pattern has no look-around, no back reference and no word border, and ^ and $ only at its ends. Formats are
//     date, time, date-time, duration, uuid, email, hostname, ipv4, ipv6 and uri, less than their standards allow;
//   - where any value is allowed, containers nest at most 64 deep.
//
// A free key may come twice in one object.
//
// # How it works
//
// Leaves (strings, numbers, literals, punctuation) are deterministic automata; containers are frames on a stack, shared
// and compared by identity. A state is the set of ways to read the text so far. The tokens that stay inside a string
// are found once for a vocabulary, and those that cross its end by a walk of the few prefixes that do. From every state
// that can be reached the end can be, as far as the vocabulary has the bytes for it.
package grammar

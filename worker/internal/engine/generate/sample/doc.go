// Package sample turns one row of logits into one token. It is pure: no clock, no model, no goroutine.
//
// A row goes through these steps, each on what the one before has left:
//
//  1. suppressed tokens and tokens outside the grammar's mask become impossible;
//  2. the repetition penalty, as Transformers has it: a logit above zero is divided, one below multiplied, once for each
//     distinct token of prompt and answer, or of the last RepeatLastN of both;
//  3. presence and frequency penalties, as OpenAI has them: over the generated tokens only;
//  4. the logit bias;
//  5. temperature; below 1e-5 the likeliest token is taken, the lowest id of equals, and nothing below applies;
//  6. top_k, typical_p, top_p, min_p, in this order, each on the probabilities renormalised over what is left. Among
//     equals the lower id comes first.
//  7. one number drawn from a PCG chooses among the rest, walked in the order of ids, so that a small change of the
//     logits (another batch, another chunk) seldom changes the choice.
//
// Log-probabilities are of the model, not of the sampler: the log-softmax of the row as it came, before every step.
package sample

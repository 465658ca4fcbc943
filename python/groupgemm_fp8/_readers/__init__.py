"""Readers: each describes the arrays of one framework to the C library, and makes new ones.

describe(x, call, place) writes the ggfp8_tensor of x into the memory of a Call. A reader checks
what the C library cannot see (gradients, masks, copies, lazily negated views) and raises
UnreadableError, a sentence without the argument's name. _frameworks imports a reader with the first
array of its type, so that a reader may import its framework.
"""

"""One file per architecture. Each has the same order: arguments, inputs, embeddings, blocks, heads, weights.

`b4k3.models.registry.ARCHITECTURES` has a line for each architecture.
"""

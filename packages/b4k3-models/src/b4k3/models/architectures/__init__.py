"""One file per architecture. Each has the same order: arguments, inputs, embeddings, blocks, heads, weights.

Begin with `bert.py`: most of the others are derived from it and have only the methods that differ.
`b4k3.models.registry.ARCHITECTURES` has a line for each architecture.
"""

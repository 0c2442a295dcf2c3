"""What a network is: one file an architecture, each in the same order — arguments, inputs, embeddings, blocks, heads,
and where the weights are in a checkpoint. `registry.ARCHITECTURES` has a line for each."""

"""What each network is, without Keras: one file per family, each with a `Network` for every name of `model=`.

Everything that b4k3 knows about a network apart from its computation is written here and nowhere else. Which variables
it has, the command line's parts, the keys of its config files, what a checkpoint must look like to be one of its own:
`loading`, `recognition`, `b4k3 inspect`, `convert` and `verify` derive what they do from these descriptions.
"""

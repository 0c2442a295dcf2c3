"""The description of each network, without Keras: one file per family, with a `Network` for every name of `model=`.

Everything that b4k3 knows about a network apart from its computation is written here and nowhere else: its variables,
the names of its parts on the command line, the keys of its config files, and the signs by which a checkpoint is
recognised. Loading, recognition, `b4k3 inspect`, `convert` and `verify` are derived from these descriptions.
"""

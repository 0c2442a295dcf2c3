"""Every skip of the test suite: (glob of the test id, space-separated globs of rows, reason).

Row names are those of `hatch.toml`; `default` is the environment of `hatch run test`.
"""

SKIPS = [
]

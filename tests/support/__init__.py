"""What tests share: helpers, oracles and tables. `skips.py` has every skip of the suite."""

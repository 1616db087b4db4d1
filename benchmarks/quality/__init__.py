"""The arena: same data, network, views, budget and evaluation; only the objective differs."""

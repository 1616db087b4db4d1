"""Multivariate time series for natlib."""

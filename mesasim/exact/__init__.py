"""Exact solutions of the worlds, or as near as arithmetic allows: values, optimal actions, indices. No simulation."""

"""Trainers: each one file, read top to bottom."""

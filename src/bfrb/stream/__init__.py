"""Samples in, events out."""

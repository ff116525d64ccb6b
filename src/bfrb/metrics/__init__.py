"""Scores of predictions: of recordings, and of events in continuous recordings."""

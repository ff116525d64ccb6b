"""A simulated Helios study."""

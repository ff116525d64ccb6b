"""From recordings to named channels, in physical units."""

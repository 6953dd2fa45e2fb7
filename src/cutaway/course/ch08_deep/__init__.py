"""Chapter 8: deeper networks: why, what holds them back, what helps, and what makes them fast."""

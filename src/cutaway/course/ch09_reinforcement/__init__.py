"""Chapter 9: learning from rewards: slot machines, a grid, and a pole that must not fall."""

"""Chapter 1: a neuron is a weighted sum and a threshold; what one can decide, and what takes two layers."""

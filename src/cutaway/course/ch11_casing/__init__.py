"""Chapter 11: a tape of one's own that finds gradients, and the stages through which a compiler takes a network."""

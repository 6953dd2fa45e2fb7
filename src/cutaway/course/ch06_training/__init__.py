"""Chapter 6: where weights begin, what keeps values in range, what keeps a network from learning by heart, how to search."""

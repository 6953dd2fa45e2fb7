"""Chapter 4: the chain rule, node by node and backwards, gives every gradient for the price of two more passes."""

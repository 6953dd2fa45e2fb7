"""Chapter 7: layers that see pictures: one small set of weights, slid over the image; and how a matrix product does it."""

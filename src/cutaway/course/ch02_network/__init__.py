"""Chapter 2: layers are matrix products with something bent between them; what comes out, and reading digits."""

"""Chapter 10: networks that read and write sequences, from one step of a recurrent cell to a small GPT."""

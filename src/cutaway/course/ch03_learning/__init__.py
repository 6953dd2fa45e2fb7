"""Chapter 3: a loss says how wrong a network is, a gradient which way is down, and steps downhill are learning."""

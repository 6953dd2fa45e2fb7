"""Chapter 5: from a gradient to a step: six rules, what each remembers, and the problem that each is best at."""

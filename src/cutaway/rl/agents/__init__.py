"""The agents, one file each, to be read top to bottom."""

"""A training run: recipe, trainer, run folder, checkpoint, live display, report.  `cutaway train` is its command."""

"""A delivery: brings one target from its progress to the present."""

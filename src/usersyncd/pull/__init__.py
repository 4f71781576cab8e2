"""A pull: reads a directory and saves what it said as a new revision of the snapshot."""

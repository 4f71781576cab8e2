"""Events targets: their streams, the feed, and what receivers get."""

"""The state database: the snapshot of each directory, the links of each target, the runs and their journal.

Two kinds of temporary database are here too: the spool of a pull, and the plan of a delivery."""

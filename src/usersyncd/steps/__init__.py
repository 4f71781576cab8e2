"""The steps of one run, a module each, in this order: pull, snapshot, plan (shape, diff, guard), deliver."""

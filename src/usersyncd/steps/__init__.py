"""The steps of one run, a module each, in this order: pull, snapshot, shape, plan, guard, deliver."""

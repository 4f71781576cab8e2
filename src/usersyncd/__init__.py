"""usersyncd keeps an application's users, groups and memberships in step with its customers' directories."""

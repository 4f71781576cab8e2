"""Target connector ``jsonfile``: users, groups and memberships in one JSON file."""

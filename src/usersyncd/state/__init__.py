"""The state database: what the directories said (snapshot), what the targets hold (delivered), runs and their
journal."""

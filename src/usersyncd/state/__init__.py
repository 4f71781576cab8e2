"""The state database: what the directories said (snapshot), what the targets hold (links), runs and their
journal."""

"""One script a contestant: each is started as a process of its own, in an empty folder, and imports what it needs and nothing more."""

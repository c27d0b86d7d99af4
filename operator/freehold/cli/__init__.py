"""The command line: declarations in `main` and `groups`, one module for each command in `commands`."""

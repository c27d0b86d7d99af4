"""Declarations of commands: arguments, options and help; a command's own module is imported when the command runs."""

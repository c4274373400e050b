"""The command line: thin, one file per group of commands, imports inside the commands."""

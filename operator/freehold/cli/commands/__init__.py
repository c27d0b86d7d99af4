"""Commands: each module reads the cluster, decides and prints; `run` returns the exit code."""

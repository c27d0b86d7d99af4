"""The sandbox: checks of contracts in a process of its own, which others' descriptors may crash, fill or keep busy."""

"""Kubernetes objects: names, metadata, pods, Jobs and Deployments, built and read."""

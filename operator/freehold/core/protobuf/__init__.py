"""Protobuf descriptors: parsed, and compared for compatibility on the wire."""

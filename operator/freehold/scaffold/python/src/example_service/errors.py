"""What a caller can be told. Everything else is a defect of this service and is logged, not told."""


class InvalidArgumentError(Exception):
    """The request cannot be meant; the text says which field, and what it should be."""


class NotFoundError(Exception):
    """There is no note of the id that was asked for."""


class SettingsError(Exception):
    """The environment lacks what this service needs; the text says what to set."""

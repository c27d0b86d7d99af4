"""Errors that are reported to the client or the user. All others are defects and are only logged."""


class InvalidArgumentError(Exception):
    """The request is invalid; the message has the field and the expected value."""


class NotFoundError(Exception):
    """No user has the requested id."""


class SettingsError(Exception):
    """The environment lacks a required setting; the message has the setting."""

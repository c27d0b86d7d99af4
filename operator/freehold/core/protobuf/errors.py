"""The error of an invalid contract."""


class ContractError(ValueError):
    """A descriptor set is not a valid contract; the message has the cause."""

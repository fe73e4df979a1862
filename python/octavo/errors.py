"""What octavo raises."""


class Error(RuntimeError):
    """A file is bad, or a model cannot do what is asked of it. The sentence says what was found and expected.

    Arguments that are wrong whatever the model are a ``ValueError`` or ``TypeError`` that names the argument.
    """


class NotFoundError(Error, FileNotFoundError):
    """There is no such file or directory."""

    def __str__(self) -> str:
        return str(self.args[0])

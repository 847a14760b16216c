"""What can go wrong with what a user hands us, told in one line."""


class VqaudioError(Exception):
    """Bad input. The message is one line and does not name the file: the command line does."""


class AudioError(VqaudioError):
    """The audio cannot be read, or cannot be coded."""


class ContainerError(VqaudioError):
    """The bytes are not a sound `.vqc` file."""


class ModelError(VqaudioError):
    """A model is missing, damaged, or not the one a file was made with."""


def first_line(error: BaseException) -> str:
    """What an error of a library says first; of one that says nothing, what kind it is of."""
    return (str(error).splitlines() or [type(error).__name__])[0]

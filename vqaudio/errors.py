"""What can go wrong with what a user hands us, told in one line."""


class VqaudioError(Exception):
    """Bad input. The message is one line and does not name the file: the command line does."""


class AudioError(VqaudioError):
    """The audio cannot be read, or cannot be coded."""


class ContainerError(VqaudioError):
    """The bytes are not a sound `.vqc` file."""


class ModelError(VqaudioError):
    """A model is missing, damaged, or not the one a file was made with."""

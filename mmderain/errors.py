class InputError(ValueError):
    """A person's file, config or data is not as expected.

    The message says which, what was found, what was expected and what to do: all there is to say, so the command line
    tools print it without a traceback.
    """

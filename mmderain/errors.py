class InputError(ValueError):
    """A person's file, config or data is not as expected.

    The message says which, what was found, what was expected and what to do: all there is to say, so the command line
    tools print it without a traceback.
    """

    def __str__(self) -> str:
        # A DataLoader raises its worker's error anew with the whole traceback for a message, which ends in ours.
        return super().__str__().rsplit(f'{__name__}.InputError: ', 1)[-1].rstrip('\n')

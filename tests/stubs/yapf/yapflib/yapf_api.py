"""Stand-in for the only function of yapf that mmengine calls."""


def FormatCode(text: str, **style) -> tuple[str, bool]:  # noqa: N802 (yapf's name)
    """Return the unchanged code, and False, which means that nothing was changed."""
    return text, False

"""Properties are tried without a limit of time: the machine may be busy with other work."""

from hypothesis import settings

settings.register_profile("sekisho", deadline=None)
settings.load_profile("sekisho")

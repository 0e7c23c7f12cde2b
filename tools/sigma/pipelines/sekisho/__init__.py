"""Where pySigma looks for the pipelines of plug-ins: `sigma convert -p sekisho`."""

from sekisho.detection.export.pipeline import sekisho

pipelines = {"sekisho": sekisho}
__all__ = ["sekisho"]

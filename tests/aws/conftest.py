"""The fixtures of the tests that run the image, and of those that run the whole stack."""

from tests.aws.emulated import containers, deployed, emulator, processes, shared
from tests.aws.engine import cloud, engine, image, sam

__all__ = ["cloud", "containers", "deployed", "emulator", "engine", "image", "processes", "sam", "shared"]

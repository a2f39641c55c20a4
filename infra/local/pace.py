"""How long the emulator waits where AWS would wait longer. Everything else takes the time that it takes."""

from typing import Final

RETRY: Final = 0.2
"""Seconds until something that failed is delivered again. AWS: the queue's visibility timeout; a minute for asynchronous invocations."""

LONGEST_WINDOW: Final = 0.2
"""Seconds that a batch is gathered at most, where the template says more."""

FLUSH: Final = 1.0
"""Seconds that Firehose gathers records. AWS: the buffer's interval, a minute and more."""

ENVIRONMENTS: Final = 2
"""Environments that one function has at most: what runs at the same time. AWS: a thousand, or what is reserved."""

POLL: Final = 0.05
"""Seconds between two looks at a queue or a stream."""

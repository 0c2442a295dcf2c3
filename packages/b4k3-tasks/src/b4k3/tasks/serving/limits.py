"""The limits of a server."""

from __future__ import annotations

from typing import NamedTuple

from b4k3.models import ConfigError


class Limits(NamedTuple):
    """What one client, and all of them together, may ask of a server.

    Attributes:
        max_batch: int. The number of texts that go through the network together, a power of 2.
        max_wait: float. The seconds that a text waits for others when the model has nothing else to do.
        max_queue: int. The number of texts that wait for the model; more get the status 429.
        max_streams: int. The number of streams that are generated at once. As many may wait for that.
        max_texts: int. The number of texts in a request.
        max_tokens: int. The number of tokens in a request.
        max_new_tokens: int. The number of tokens that may be generated for a text.
        max_body: int. The number of bytes in the body of a request.
        max_connections: int. The number of connections; further ones are closed.
        timeout: float. The seconds in which a request is answered, or a stream goes on.
        read_timeout: float. The seconds in which a request must have come, and in which a client takes its answer.
        shutdown_timeout: float. The seconds in which the last requests are answered after SIGTERM.

    Example:
        >>> from b4k3.tasks.serving.limits import Limits
        >>> Limits(max_queue=10, max_texts=10).checked().max_batch
        16
    """

    max_batch: int = 16
    max_wait: float = 0.002
    max_queue: int = 1024
    max_streams: int = 8
    max_texts: int = 512
    max_tokens: int = 65536
    max_new_tokens: int = 1024
    max_body: int = 1 << 20
    max_connections: int = 512
    timeout: float = 30.0
    read_timeout: float = 10.0
    shutdown_timeout: float = 30.0

    def checked(self) -> Limits:
        """Return the limits themselves.

        Returns:
            `Limits`.

        Raises:
            ConfigError: a limit is not above 0, is no power of 2, or makes another one senseless. The message names it.
        """
        for name, value in self._asdict().items():
            if value <= 0 and name != "max_wait" or value < 0:
                raise ConfigError(f"{option(name)} is {value}, expected a number above 0")
        if self.max_batch & (self.max_batch - 1):
            raise ConfigError(f"{option('max_batch')} is {self.max_batch}, expected a power of 2")
        if self.max_texts > self.max_queue:
            raise ConfigError(
                f"{option('max_texts')} is {self.max_texts}, and {option('max_queue')} is {self.max_queue}: a request "
                "of so many texts would never be taken; lower the first or raise the second"
            )
        return self


def option(name: str) -> str:
    """Return the option of the command line that sets a limit.

    Arguments:
        name: str. The name of the limit.

    Returns:
        str.

    Example:
        >>> from b4k3.tasks.serving.limits import option
        >>> option("max_batch")
        '--max-batch'
    """
    return "--" + name.replace("_", "-")

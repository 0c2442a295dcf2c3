"""What the server counts, for Prometheus."""

from __future__ import annotations

from typing import Any, Callable

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Counters:
    """The numbers that `/metrics` gives. Each server has its own.

    Arguments:
        waiting: function that returns the number of texts that wait for the model.
        unprepared: function that returns the number of shapes that are compiled when the model is idle.

    Raises:
        ImportError: prometheus-client is not installed.

    Example:
        >>> from b4k3.tasks.serving.counters import Counters
        >>> counters = Counters(lambda: 3, lambda: 0)
        >>> counters.request("/v1/embeddings", 200, 0.01)
        >>> b"b4k3_queue_texts 3.0" in counters.text()
        True
    """

    def __init__(self, waiting: Callable[[], int], unprepared: Callable[[], int]) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        here: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("b4k3_requests", "Requests that were answered", ["endpoint", "status"], **here)
        self.seconds = Histogram(
            "b4k3_request_seconds", "Seconds from the head of a request to the end of its answer", ["endpoint"],
            buckets=BUCKETS, **here,
        )  # fmt: skip
        self.tokens = Counter("b4k3_tokens", "Tokens that were read or generated", ["kind"], **here)
        self.sizes = Histogram("b4k3_batch_texts", "Texts that went through a network together", buckets=SIZES, **here)
        self.batches = Histogram("b4k3_batch_seconds", "Seconds that a batch took", buckets=BUCKETS, **here)
        self.waits = Histogram(
            "b4k3_queue_seconds", "Seconds that the oldest text of a batch waited", buckets=BUCKETS, **here
        )
        Gauge("b4k3_queue_texts", "Texts that wait for the model", **here).set_function(waiting)
        Gauge("b4k3_unprepared", "Shapes of batches that are not compiled yet", **here).set_function(unprepared)

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request.

        Arguments:
            endpoint: str. A path of the server; others must be given as one name.
            status: int. The status of the answer; 499 if the client left before it.
            seconds: float. The time that it took.
        """
        self.requests.labels(endpoint, str(status)).inc()
        self.seconds.labels(endpoint).observe(seconds)

    def batch(self, size: int, waited: float, seconds: float) -> None:
        """Count a batch.

        Arguments:
            size: int. The number of texts.
            waited: float. The seconds that its oldest text waited.
            seconds: float. The seconds that it took.
        """
        self.sizes.observe(size)
        self.waits.observe(waited)
        self.batches.observe(seconds)

    def text(self) -> bytes:
        """Return all numbers in the text format of Prometheus.

        Returns:
            bytes.
        """
        from prometheus_client import generate_latest

        found: bytes = generate_latest(self.registry)
        return found

"""The error answers of the server, in the form that OpenAI's clients know."""

from __future__ import annotations

from typing import Any

TYPES = {401: "authentication_error", 429: "rate_limit_error"}


class Refusal(Exception):
    """A request that is not answered, and why.

    Arguments:
        status: int. The status of the answer.
        message: str. What was found, what was expected, and what to do.
        code: str or None. A name of the reason, for programs.
        param: str or None. The field that is wrong.
        retry_after: int or None. In how many seconds it makes sense to ask again.

    Example:
        >>> from b4k3.tasks.serving.refusals import Refusal
        >>> Refusal(400, "'top' is 0, expected 1 or more", param="top").body()["error"]["param"]
        'top'
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param, self.retry_after = status, code, param, retry_after

    def body(self) -> dict[str, Any]:
        """Return the body of the answer.

        Returns:
            dict: `{"error": {"message": …, "type": …, "param": …, "code": …}}`.
        """
        kind = TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    def headers(self) -> dict[str, str]:
        """Return the headers that belong to the answer.

        Returns:
            dict from name to value.
        """
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        return dict(headers, **{"www-authenticate": "Bearer"}) if self.status == 401 else headers

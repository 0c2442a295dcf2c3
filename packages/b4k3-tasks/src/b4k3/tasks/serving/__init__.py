"""Serve the tasks of a folder over HTTP: `b4k3 serve FOLDER`. API.md says what is taken and given.

Starlette, uvicorn and prometheus-client come with the extra `serve` of b4k3-tasks. They are imported only by `app`,
`counters` and `server`.
"""

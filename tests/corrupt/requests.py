"""What a hostile or broken client may send to a web server: `REQUESTS`, a list of (name, bytes).

Each goes down one connection as it is, after which the client sends no more. A server answers it or closes the
connection, and goes on serving others. {path} stands for a path that the server knows.
"""

import json

PATH = "/repeat"
_HOST = b"Host: test\r\n"
_FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
_JSON = b"Content-Type: application/json\r\n"


def get(query, headers=_HOST):
    return b"GET " + PATH.encode() + query + b" HTTP/1.1\r\n" + headers + b"\r\n"


def post(body, headers=_FORM, length=None):
    length = len(body) if length is None else length
    start = b"POST " + PATH.encode() + b" HTTP/1.1\r\n" + _HOST + headers
    return start + b"Content-Length: " + str(length).encode() + b"\r\n\r\n" + body


def as_json(value):
    return post(value if isinstance(value, bytes) else json.dumps(value).encode("ascii"), _JSON)


REQUESTS = [
    # what is no request
    ("nothing", b""),
    ("one byte", b"G"),
    ("an empty line", b"\r\n\r\n"),
    ("zeros", b"\0" * 1000),
    ("noise", bytes((i * 197 + 31) % 256 for i in range(3000))),
    ("the beginning of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x5a" * 500),
    ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("a line without an end", b"GET /" + b"a" * 1000),
    ("no version", b"GET " + PATH.encode() + b"?text=a\r\n\r\n"),
    ("a version that is none", b"GET " + PATH.encode() + b"?text=a HTTP/9.x\r\n\r\n"),
    ("many words", b"GET a b c d e HTTP/1.1\r\n\r\n"),
    ("an unknown method", b"BREW " + PATH.encode() + b" HTTP/1.1\r\n" + _HOST + b"\r\n"),
    ("a method of 10,000 letters", b"G" * 10000 + b" / HTTP/1.1\r\n\r\n"),
    # headers
    ("a path of 100,000 letters", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n"),
    ("a header of 100,000 letters", get(b"?text=a", b"X: " + b"a" * 100000 + b"\r\n")),
    ("a thousand headers", get(b"?text=a", b"".join(b"X-%d: a\r\n" % i for i in range(1000)))),
    ("a header without a colon", get(b"?text=a", b"no colon here\r\n")),
    ("a header with NUL", get(b"?text=a", b"X: a\0b\r\n")),
    ("headers without an end", b"GET " + PATH.encode() + b"?text=a HTTP/1.1\r\n" + _HOST),
    ("a header of other bytes", get(b"?text=a", b"X: \xff\xfe\x80\r\n")),
    ("bare line feeds", get(b"?text=a").replace(b"\r\n", b"\n")),
    ("two hosts", get(b"?text=a", _HOST + b"Host: other\r\n")),
    # paths and queries
    ("above the root", b"GET /../../../etc/passwd HTTP/1.1\r\n" + _HOST + b"\r\n"),
    ("NUL in the path", b"GET /%00 HTTP/1.1\r\n" + _HOST + b"\r\n"),
    ("a path of no encoding", b"GET /\xff\xfe HTTP/1.1\r\n" + _HOST + b"\r\n"),
    ("escapes that are none", get(b"?text=%zz%&n=%")),
    ("text of no encoding", get(b"?text=%ff%fe%80")),
    ("a lone surrogate in UTF-8", get(b"?text=%ed%a0%80")),
    ("an overlong form", get(b"?text=%c0%af")),
    ("NUL in the text", get(b"?text=a%00b")),
    ("the same argument many times", get(b"?" + b"&".join([b"text=a"] * 5000))),
    ("ten thousand arguments", get(b"?text=a&" + b"&".join(b"x%d=1" % i for i in range(5000)))),
    ("a number that is none", get(b"?text=a&n=nan")),
    ("an infinite number", get(b"?text=a&n=inf")),
    ("a number of ten thousand digits", get(b"?text=a&n=" + b"9" * 10000)),
    ("a negative number", get(b"?text=a&n=-1")),
    # bodies
    ("a length that is more", post(b"text=a", length=1000)),
    ("a length that is less", post(b"text=abcdef", length=3)),
    ("a length beyond all memory", post(b"text=a", length=10**15)),
    ("a length of a thousand digits", post(b"text=a", length=int("9" * 1000))),
    ("a negative length", post(b"text=a", length=-1)),
    ("a length that is no number", post(b"text=a").replace(b"Length: 6", b"Length: six")),
    ("two lengths", post(b"text=a", _FORM + b"Content-Length: 2\r\n")),
    ("no length", post(b"text=a").replace(b"Content-Length: 6\r\n", b"")),
    ("length and chunks", post(b"3\r\ntex\r\n0\r\n\r\n", _FORM + b"Transfer-Encoding: chunked\r\n")),
    *(
        (
            "chunks: " + name,
            b"POST " + PATH.encode() + b" HTTP/1.1\r\n" + _HOST + _FORM + b"Transfer-Encoding: chunked\r\n\r\n" + body,
        )
        for name, body in [
            ("good", b"6\r\ntext=a\r\n0\r\n\r\n"),
            ("no end", b"6\r\ntext=a\r\n"),
            ("size that is none", b"zz\r\ntext=a\r\n0\r\n\r\n"),
            ("negative size", b"-6\r\ntext=a\r\n0\r\n\r\n"),
            ("size beyond all memory", b"ffffffffffffffff\r\ntext=a\r\n0\r\n\r\n"),
            ("size of many digits", b"f" * 100000 + b"\r\ntext=a\r\n0\r\n\r\n"),
            ("longer than it says", b"2\r\ntext=a\r\n0\r\n\r\n"),
            ("an endless line", b"6;" + b"a" * 100000),
        ]
    ),
    ("a form of many megabytes", post(b"text=" + b"a" * (20 << 20))),
    ("a form of many arguments", post(b"&".join([b"a=b"] * 200000))),
    ("an unknown encoding", post(b"text=a", b"Content-Type: text/plain; charset=no-such-thing\r\n")),
    ("an unknown compression", post(b"text=a", _FORM + b"Content-Encoding: br\r\n")),
    ("a part without a boundary", post(b"--x\r\n\r\n", b"Content-Type: multipart/form-data\r\n")),
    (
        "parts without an end",
        post(
            b"--x\r\nContent-Disposition: form-data; name=text\r\n\r\na",
            b"Content-Type: multipart/form-data; boundary=x\r\n",
        ),
    ),
    ("parts of nothing", post(b"--x\r\n" * 5000, b"Content-Type: multipart/form-data; boundary=x\r\n")),
    # JSON
    ("JSON: nothing", as_json(b"")),
    ("JSON: half", as_json(b'{"text": "a"')),
    ("JSON: no object", as_json([1, 2])),
    ("JSON: null", as_json(None)),
    ("JSON: a number", as_json(7)),
    ("JSON: text of another type", as_json({"text": ["a"], "n": {}})),
    ("JSON: null as text", as_json({"text": None})),
    ("JSON: deep lists", as_json(b"[" * 100000)),
    ("JSON: deep objects", as_json(b'{"text":' * 100000)),
    ("JSON: deep in an argument", as_json(b'{"text":' + b"[" * 50000 + b"]" * 50000 + b"}")),
    ("JSON: NaN", as_json(b'{"text": "a", "n": NaN}')),
    ("JSON: infinity", as_json(b'{"text": "a", "n": -Infinity}')),
    ("JSON: beyond floats", as_json(b'{"text": "a", "n": 1e999}')),
    ("JSON: a hundred thousand digits", as_json(b'{"text": "a", "n": ' + b"9" * 100000 + b"}")),
    ("JSON: a lone surrogate", as_json(b'{"text": "\\ud800"}')),
    ("JSON: a lone surrogate as a key", as_json(b'{"\\udfff": 1, "text": "a"}')),
    ("JSON: NUL", as_json(b'{"text": "a\\u0000b"}')),
    ("JSON: a key twice", as_json(b'{"text": "a", "text": "b"}')),
    ("JSON: no UTF-8", as_json(b'{"text": "\xff\xfe"}')),
    ("JSON: UTF-16", as_json('{"text": "a"}'.encode("utf-16"))),
    ("JSON: a byte order mark", as_json(b'\xef\xbb\xbf{"text": "a"}')),
    ("JSON: many megabytes", as_json(b'{"text": "' + b"a" * (20 << 20) + b'"}')),
    ("JSON: very many lists", as_json(b'{"text": "a", "x": [' + b"[]," * 300000 + b"[]]}")),
    # others
    ("waits for 100-continue", post(b"text=a", _FORM + b"Expect: 100-continue\r\n")),
    ("another protocol is asked for", get(b"?text=a", _HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n")),
    ("two requests at once", get(b"?text=a") + get(b"?text=b")),
    ("HEAD", b"HEAD " + PATH.encode() + b"?text=a HTTP/1.1\r\n" + _HOST + b"\r\n"),
    ("OPTIONS", b"OPTIONS * HTTP/1.1\r\n" + _HOST + b"\r\n"),
    ("the address of another server", b"GET http://elsewhere.test/ HTTP/1.1\r\n" + _HOST + b"\r\n"),
]

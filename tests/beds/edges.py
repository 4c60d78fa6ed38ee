"""Real edges in front of an index: Varnish and nginx, which cache pages and may serve stale ones.

They cache everything under the simple API (and `/pypi/.../json`), whatever the credentials and the
query. Uploads, files and the index's own web pages pass through.
"""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.beds.indexes import fetch
from tests.beds.processes import free_port, program, running
from tests.beds.proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.beds.proxy import Request

SOFT_PURGE_GRACE = 3600.0
_KEPT = r"/\+?simple/|^/pypi/.*/json$"
_HEALTH = "/edge-health"


@dataclass(frozen=True)
class Edge:
    """A running edge.

    Its answers to cached pages carry `X-Cache: HIT`, `MISS`, ... in the program's own words.
    `front` is a proxy in front of it that records every request in `front.requests`; its rules can
    alter what the edge says. `kept` is nginx's cache directory.
    """

    front: FaultProxy
    kept: Path | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port at which clients reach the edge."""
        return self.front.origin

    def requests_for(self, path: str) -> list[Request]:
        """The requests for exactly this path so far, with or without a query."""
        return [r for r in list(self.front.requests) if r.path.split("?")[0] == path]

    def purge(self, project: str, *, soft: bool = True) -> None:
        """Drop every page of the project that was requested.

        A soft purge expires what is cached: the first request of each variant still gets the old
        page and makes the edge fetch the new one. A hard purge removes it at once; nginx supports
        only that, and drops the pages of all projects.
        """
        if self.kept is not None:
            if soft:
                raise NotImplementedError("nginx does not keep expired pages")
            for file in self.kept.iterdir():
                file.unlink()
            return
        own = re.compile(rf"/(\+?simple|pypi)/{re.escape(project)}(/|$)")
        paths = {request.path.split("?")[0] for request in list(self.front.requests)}
        method = "SOFTPURGE" if soft else "PURGE"
        host = {"Host": self.origin.removeprefix("http://")}  # part of the cache key
        statuses = {
            path: fetch(f"{self.front.upstream}{path}", method=method, headers=host)[0]
            for path in sorted(filter(own.search, paths))
        }
        assert 200 in statuses.values(), f"nothing of {project} was cached: {statuses}"


@contextlib.contextmanager
def varnish(
    directory: Path,
    upstream_origin: str,
    *,
    ttl: float,
    grace: float = 0,
    vary: str | None = "Accept, Accept-Encoding",
    age: bool = True,
    cache_control: str | None = None,
    not_found_ttl: float | None = None,
) -> Iterator[Edge]:
    """Run Varnish with an empty cache; all times are in seconds.

    Pages are fresh for `ttl`; for another `grace`, the first request gets the old page while the
    new one is fetched. `vary` replaces the index's own Vary (None keeps it). Accept is compared to
    the letter, Accept-Encoding only by whether it allows gzip. Without `age`, answers carry no Age.
    `cache_control` is what clients see. A 404 is cached for `not_found_ttl` (None: never) and
    varies at most by Accept-Encoding.
    """
    command = program("varnishd")
    directory.mkdir(parents=True, exist_ok=True)
    host, port = upstream_origin.removeprefix("http://").split(":")
    settings = directory / "edge.vcl"
    settings.write_text(
        _vcl(
            host=host,
            port=port,
            ttl=ttl,
            grace=grace,
            vary=vary,
            age=age,
            cache_control=cache_control,
            not_found_ttl=not_found_ttl,
        ),
        encoding="utf-8",
    )
    own = free_port()
    arguments = [
        # No jail: only the test's own user may enter its directory.
        command, "-F", "-j", "none", "-T", "none", "-a", f"127.0.0.1:{own}",
        "-f", str(settings), "-n", str(directory / "state"), "-s", "malloc,32m",
        # Otherwise Varnish always requests gzip, whatever the client asked for.
        "-p", "http_gzip_support=off",
        "-p", "vsl_space=1M", "-p", "thread_pools=1", "-p", "thread_pool_min=10",
    ]  # fmt: skip
    with _edge(arguments, directory, own) as edge:
        yield edge


def _vcl(
    *,
    host: str,
    port: str,
    ttl: float,
    grace: float,
    vary: str | None,
    age: bool,
    cache_control: str | None,
    not_found_ttl: float | None,
) -> str:
    found = f'set beresp.http.Vary = "{vary}";' if vary is not None else ""
    missing = (
        "set beresp.uncacheable = true; set beresp.ttl = 0s;"
        if not_found_ttl is None
        else f"set beresp.ttl = {not_found_ttl:.3f}s;"
        ' if (beresp.http.Vary ~ "(?i)accept-encoding")'
        ' { set beresp.http.Vary = "Accept-Encoding"; } else { unset beresp.http.Vary; }'
    )
    told = "" if cache_control is None else f'set resp.http.Cache-Control = "{cache_control}";'
    soft_grace = max(grace, SOFT_PURGE_GRACE)
    purging = f"""
    if (req.method == "PURGE" && purge.hard() == 0) {{ return (synth(404)); }}
    if (req.method == "SOFTPURGE" && purge.soft(0s, {soft_grace:.3f}s) == 0) {{
        return (synth(404));
    }}
    if (req.method != "GET") {{ return (synth(200)); }}"""
    return f"""\
vcl 4.1;
import purge;
backend default {{ .host = "{host}"; .port = "{port}"; }}

sub vcl_recv {{
    if (req.url == "{_HEALTH}") {{ return (synth(200)); }}
    unset req.http.X-Kept;
    if (req.method ~ "^(GET|PURGE|SOFTPURGE)$" && req.url ~ "^[^?]*({_KEPT.replace("^/", "/")})") {{
        set req.http.X-Kept = "yes";
        set req.url = regsub(req.url, "\\?.*", "");
        if (req.http.Accept-Encoding ~ "gzip") {{
            set req.http.Accept-Encoding = "gzip";
        }} else {{
            set req.http.Accept-Encoding = "identity";
        }}
        return (hash);
    }}
    return (pass);
}}
sub vcl_hit {{{purging}
}}
sub vcl_miss {{{purging}
}}
sub vcl_backend_response {{
    if (!bereq.http.X-Kept) {{ return (deliver); }}
    set beresp.keep = 0s;
    set beresp.grace = 0s;
    if (beresp.status == 200) {{
        {found}
        set beresp.ttl = {ttl:.3f}s;
        set beresp.grace = {grace:.3f}s;
    }} elseif (beresp.status == 404) {{
        {found}
        {missing}
    }} else {{
        set beresp.uncacheable = true;
        set beresp.ttl = 0s;
    }}
    return (deliver);
}}
sub vcl_deliver {{
    if (req.http.X-Kept) {{
        set resp.http.X-Cache = "MISS";
        if (obj.hits > 0) {{ set resp.http.X-Cache = "HIT"; }}
        if (resp.status == 200) {{ {told} }}
    }}
    {"" if age else "unset resp.http.Age;"}
}}
"""


@contextlib.contextmanager
def nginx(
    directory: Path,
    upstream_origin: str,
    *,
    ttl: float,
    key_on_accept: bool = True,
    cache_control: str | None = None,
    not_found_ttl: float | None = None,
    buffers_uploads: bool = True,
) -> Iterator[Edge]:
    """Run nginx with an empty cache; all times are in seconds, rounded up to whole ones.

    It never says how old an answer is or what it varies by. With `key_on_accept` each Accept has
    its own copy; otherwise the first request decides what everybody gets. A 404 is cached for
    `not_found_ttl` (None: never). With `buffers_uploads` the index gets no part of an upload before
    nginx has all of it.
    """
    command = program("nginx")
    directory.mkdir(parents=True, exist_ok=True)
    own = free_port()
    missing = f"proxy_cache_valid 404 {math.ceil(not_found_ttl)}s;" if not_found_ttl else ""
    told = (
        ""
        if cache_control is None
        else f'proxy_hide_header Cache-Control; add_header Cache-Control "{cache_control}";'
    )
    # The compiled-in paths belong to the machine's own nginx.
    temporary = "\n".join(
        f"    {kind}_temp_path {kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (directory / "nginx.conf").write_text(
        f"""\
daemon off;
master_process off;  # as root it would serve as a user who may not enter this directory
pid nginx.pid;
events {{}}
http {{
    access_log off;
{temporary}
    proxy_cache_path cache keys_zone=pages:1m inactive=1h;
    client_max_body_size 0;
    proxy_set_header Host $http_host;
    server {{
        listen 127.0.0.1:{own};
        location = {_HEALTH} {{ return 204; }}
        location / {{
            proxy_pass {upstream_origin};
            proxy_http_version 1.1;
            proxy_request_buffering {"on" if buffers_uploads else "off"};
        }}
        location ~ "{_KEPT}" {{
            proxy_pass {upstream_origin};
            proxy_cache pages;
            proxy_cache_key "$uri{" $http_accept" if key_on_accept else ""}";
            proxy_cache_valid 200 {math.ceil(ttl)}s;
            {missing}
            proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Expires;
            proxy_hide_header Vary;
            {told}
            add_header X-Cache $upstream_cache_status always;
        }}
    }}
}}
""",
        encoding="utf-8",
    )
    # The prefix makes all of the above relative to the directory, whatever characters its name has.
    arguments = [command, "-p", str(directory), "-c", "nginx.conf", "-e", "stderr"]
    with _edge(arguments, directory, own, kept=directory / "cache") as edge:
        yield edge


@contextlib.contextmanager
def _edge(
    command: list[str], directory: Path, port: int, kept: Path | None = None
) -> Iterator[Edge]:
    origin = f"http://127.0.0.1:{port}"
    with (
        running(command, log=directory / "edge.log", health=f"{origin}{_HEALTH}"),
        FaultProxy(origin, keeps_encoding=True) as front,
    ):
        yield Edge(front, kept)

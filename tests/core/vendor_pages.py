"""A project's page as each index writes it: one wheel and one sdist, in the form of that server."""

from __future__ import annotations

import json

from tests.core.distributions import SDIST, WHEEL

WHEEL_SHA256 = "ab" * 32
SDIST_SHA256 = "cd" * 32
JSON = "application/vnd.pypi.simple.v1+json"
_W, _S = f"{WHEEL}#sha256={WHEEL_SHA256}", f"{SDIST}#sha256={SDIST_SHA256}"

PYPI = f"""<!DOCTYPE html>
<html>
  <head>
    <meta name="pypi:repository-version" content="1.4">
    <meta name="pypi:project-status" content="active">
    <title>Links for lantern</title>
  </head>
  <body>
    <h1>Links for lantern</h1>
    <a href="https://files.example/packages/1a/2b/{_S}" data-requires-python="&gt;=3.8">{SDIST}\
</a><br />
    <a href="https://files.example/packages/3c/4d/{_W}" data-requires-python="&gt;=3.8" \
data-dist-info-metadata="sha256={SDIST_SHA256}" data-core-metadata="sha256={SDIST_SHA256}" \
data-provenance="https://index.example/integrity/lantern/1.0/{WHEEL}/provenance">{WHEEL}</a><br />
</body>
</html>
<!--SERIAL 31415926-->"""

PYPI_JSON = json.dumps(
    {
        "alternate-locations": [],
        "files": [
            {
                "core-metadata": False,
                "data-dist-info-metadata": False,
                "filename": SDIST,
                "hashes": {"sha256": SDIST_SHA256},
                "provenance": None,
                "requires-python": ">=3.8",
                "size": 7,
                "upload-time": "2024-02-29T12:00:00.123456Z",
                "url": f"https://files.example/packages/1a/2b/{SDIST}",
                "yanked": False,
            },
            {
                "core-metadata": {"sha256": SDIST_SHA256},
                "data-dist-info-metadata": {"sha256": SDIST_SHA256},
                "filename": WHEEL,
                "hashes": {"sha256": WHEEL_SHA256},
                "provenance": f"https://index.example/integrity/lantern/1.0/{WHEEL}/provenance",
                "requires-python": ">=3.8",
                "size": 5,
                "upload-time": "2024-02-29T12:00:00.123456Z",
                "url": f"https://files.example/packages/3c/4d/{WHEEL}",
                "yanked": False,
            },
        ],
        "meta": {"_last-serial": 31415926, "api-version": "1.4"},
        "name": "lantern",
        "project-status": {"status": "active"},
        "versions": ["1.0"],
    }
)

DEVPI = f"""<!DOCTYPE html>
<html><head><title>user/prod: links for lantern</title></head><body>
<h1>user/prod: links for lantern</h1>
<form action="/user/prod/+simple/lantern/refresh" method="post">
<input name="refresh" type="submit" value="Refresh"/></form>
user/prod <a href="../../+f/aba/babababababab/{_W}">{WHEEL}</a><br/>
user/prod <a href="../../+f/cdc/dcdcdcdcdcdcd/{_S}" data-requires-python="&gt;=3.8">{SDIST}</a><br/>
</body></html>"""

DEVPI_JSON = json.dumps(
    {
        "meta": {"api-version": "1.0"},
        "name": "lantern",
        "files": [
            {
                "filename": WHEEL,
                "url": f"../../+f/aba/babababababab/{WHEEL}",
                "hashes": {"sha256": WHEEL_SHA256},
                "requires-python": ">=3.8",
            },
            {
                "filename": SDIST,
                "url": f"../../+f/cdc/dcdcdcdcdcdcd/{SDIST}",
                "hashes": {"sha256": SDIST_SHA256},
            },
        ],
    }
)

PYPISERVER = f"""    <!DOCTYPE html>
    <html>
        <head>
            <title>Links for lantern</title>
        </head>
        <body>
            <h1>Links for lantern</h1>
                 <a href="/packages/{_S}">{SDIST}</a><br>
                 <a href="/packages/{_W}">{WHEEL}</a><br>
        </body>
    </html>
"""

ARTIFACTORY = f"""<!DOCTYPE html>
<html><head><title>Simple Index</title><meta name="api-version" value="2" /></head><body>
<a href="../../lantern/1.0/{_W}" data-requires-python="&gt;=3.8" rel="internal">{WHEEL}</a><br/>
<a href="../../lantern/1.0/{_S}" data-requires-python="&gt;=3.8" rel="internal">{SDIST}</a><br/>
</body></html>"""

ARTIFACTORY_JSON = json.dumps(
    {
        "meta": {"api-version": "1.1"},
        "name": "lantern",
        "versions": ["1.0"],
        "files": [
            {
                "filename": name,
                "url": f"../../lantern/1.0/{name}",
                "hashes": {"sha256": sha256},
                "requires-python": None,
                "size": 5,
                "upload-time": "2024-02-29T12:00:00.123Z",
                "yanked": False,
            }
            for name, sha256 in ((WHEEL, WHEEL_SHA256), (SDIST, SDIST_SHA256))
        ],
    }
)

NEXUS = f"""<html lang="en">
<head><title>Links for lantern</title>
  <meta name="api-version" value="2"/>
</head>
<body><h1>Links for lantern</h1>
      <a href="../../packages/lantern/1.0/{_S}" rel="internal"  data-requires-python="">{SDIST}</a>
        <br/>
      <a href="../../packages/lantern/1.0/{_W}" rel="internal"  data-requires-python="">{WHEEL}</a>
        <br/>
</body>
</html>
"""

GITLAB = f"""<!DOCTYPE html>
<html>
  <head>
    <title>Links for lantern</title>
  </head>
  <body>
    <h1>Links for lantern</h1>
    <a href="https://gitlab.example/api/v4/projects/7/packages/pypi/files/{SDIST_SHA256}/{_S}" \
data-requires-python="">{SDIST}</a><br><a href="https://gitlab.example/api/v4/projects/7/packages/\
pypi/files/{WHEEL_SHA256}/{_W}" data-requires-python="&gt;=3.8">{WHEEL}</a><br>
  </body>
</html>
"""

CODEARTIFACT = f"""<!DOCTYPE html>
<html>
<head><title>Links for lantern</title></head>
<body>
<h1>Links for lantern</h1>
<a href="1.0/{_S}" data-gpg-sig="false" data-requires-python="&gt;=3.8">{SDIST}</a><br />
<a href="1.0/{_W}" data-gpg-sig="false" data-requires-python="&gt;=3.8">{WHEEL}</a><br />
</body>
</html>"""

GOOGLE = f"""<!DOCTYPE html>
<html>
  <body>
<a href="https://europe-python.example/project/repo/lantern/{_S}">{SDIST}</a><br>
<a href="https://europe-python.example/project/repo/lantern/{_W}" \
data-requires-python="&gt;=3.8">{WHEEL}</a><br>
  </body>
</html>"""

AZURE = f"""<html><head><title>Links for lantern</title></head><body><h1>Links for lantern</h1>\
<a href="https://pkgs.example/org/_packaging/5e3/pypi/download/lantern/1/{_S}" \
data-requires-python="&gt;=3.8">{SDIST}</a><br/>\
<a href="https://pkgs.example/org/_packaging/5e3/pypi/download/lantern/1/{_W}" \
data-requires-python="&gt;=3.8">{WHEEL}</a><br/></body></html>"""

CLOUDSMITH = f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Links for lantern</title></head>
<body><h1>Links for lantern</h1>
<a data-requires-python=">=3.8" href="https://dl.example/basic/org/repo/python/{_S}" \
rel="internal">{SDIST}</a><br>
<a data-requires-python=">=3.8" href="https://dl.example/basic/org/repo/python/{_W}" \
rel="internal">{WHEEL}</a><br>
</body></html>"""

PYPICLOUD = f"""<html>
<head>
<title>Links for lantern</title>
</head>
<body>
<h1>Links for lantern</h1>
<a href="http://index.example/api/package/lantern/{_S}" data-requires-python="">{SDIST}</a><br>
<a href="http://index.example/api/package/lantern/{_W}" data-requires-python="">{WHEEL}</a><br>
</body>
</html>"""

DUMB_PYPI = f"""<!DOCTYPE html>
<html>
    <head>
        <meta charset="utf-8" />
        <title>Links for lantern</title>
        <style> body {{ max-width: 60em; }} ul > li {{ margin: 1px }} </style>
    </head>
    <body>
        <h1>Links for lantern</h1>
        <p class=note>Generated on 2024-02-29.</p>
        <ul>
                <li><a href="../../../packages/{_S}">{SDIST}</a> (Feb 29, 2024)</li>
                <li><a href="../../../packages/{_W}"
                       data-requires-python="&gt;=3.8">{WHEEL}</a></li>
        </ul>
    </body>
</html>"""

# Directory listings give no hash.

NGINX = f"""<html>
<head><title>Index of /simple/lantern/</title></head>
<body>
<h1>Index of /simple/lantern/</h1><hr><pre><a href="../">../</a>
<a href="{WHEEL}">{WHEEL[:20]}..&gt;</a>      29-Feb-2024 12:00        5
<a href="{SDIST}">{SDIST}</a>                 29-Feb-2024 12:00        7
</pre><hr></body>
</html>
"""

APACHE = f"""<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html>
 <head>
  <title>Index of /simple/lantern</title>
 </head>
 <body>
<h1>Index of /simple/lantern</h1>
  <table>
   <tr><th valign="top"><img src="/icons/blank.gif" alt="[ICO]"></th>\
<th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>
   <tr><th colspan="3"><hr></th></tr>
<tr><td valign="top"><img src="/icons/back.gif" alt="[PARENTDIR]"></td><td>\
<a href="/simple/">Parent Directory</a></td><td>&nbsp;</td></tr>
<tr><td valign="top"><img src="/icons/unknown.gif" alt="[   ]"></td><td>\
<a href="{WHEEL}">{WHEEL[:20]}..&gt;</a></td><td align="right">2024-02-29 12:00  </td></tr>
<tr><td valign="top"><img src="/icons/compressed.gif" alt="[   ]"></td><td>\
<a href="{SDIST}">{SDIST}</a></td><td align="right">2024-02-29 12:00  </td></tr>
   <tr><th colspan="3"><hr></th></tr>
</table>
<address>Apache/2.4.62 Server at index.example Port 80</address>
</body></html>
"""

CADDY = f"""<!DOCTYPE html>
<html>
	<head>
		<title>lantern</title>
		<meta name="viewport" content="width=device-width, initial-scale=1.0">
<style>* {{ padding: 0; }} a:hover {{ color: #319cff; }}</style>
	</head>
	<body onload="initPage()">
	<svg version="1.1" xmlns="http://www.w3.org/2000/svg" height="0" width="0">
		<g id="file"><path d="M9 7V3" stroke-width='2'/></g></svg>
	<input type="text" placeholder="filter" id="filter" onkeyup='filter()'>
		<a href="./{WHEEL}">
			<svg><use xlink:href="#file"/></svg> <span class="name">{WHEEL}</span></a>
		<a href="./{SDIST}">
			<svg><use xlink:href="#file"/></svg> <span class="name">{SDIST}</span></a>
	<script>for (let i = 0; i < 9; i++) {{ "</p>" }}</script>
	</body>
</html>"""

PYTHON = f"""<!DOCTYPE HTML>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Directory listing for /simple/lantern/</title>
</head>
<body>
<h1>Directory listing for /simple/lantern/</h1>
<hr>
<ul>
<li><a href="{SDIST}">{SDIST}</a></li>
<li><a href="{WHEEL}">{WHEEL}</a></li>
</ul>
<hr>
</body>
</html>
"""

_HTML = "text/html"
_HTML_UTF8 = "text/html; charset=utf-8"

# Each with its Content-Type.
WITH_HASHES = {
    "PyPI": (PYPI, "application/vnd.pypi.simple.v1+html"),
    "PyPI, old clients": (PYPI, "text/html; charset=UTF-8"),
    "PyPI, JSON": (PYPI_JSON, JSON),
    "devpi": (DEVPI, _HTML_UTF8),
    "devpi, JSON": (DEVPI_JSON, JSON),
    "pypiserver": (PYPISERVER, "text/html; charset=UTF-8"),
    "Artifactory": (ARTIFACTORY, _HTML),
    "Artifactory, JSON": (ARTIFACTORY_JSON, JSON),
    "Nexus": (NEXUS, _HTML),
    "GitLab": (GITLAB, _HTML),
    "CodeArtifact": (CODEARTIFACT, _HTML_UTF8),
    "Google Artifact Registry": (GOOGLE, _HTML_UTF8),
    "Azure Artifacts": (AZURE, _HTML),
    "Cloudsmith": (CLOUDSMITH, _HTML_UTF8),
    "pypicloud": (PYPICLOUD, "text/html; charset=UTF-8"),
    "dumb-pypi": (DUMB_PYPI, _HTML),
}
WITHOUT_HASHES = {
    "nginx": (NGINX, _HTML),
    "Apache": (APACHE, "text/html;charset=ISO-8859-1"),
    "Caddy": (CADDY, _HTML_UTF8),
    "Python": (PYTHON, _HTML_UTF8),
}

#!/usr/bin/python3
# Which pages of a site a correct crawl reaches, found out without any of mocra's code: lxml and urllib only.
# Must stay independent of the engine: a mistake shared by both would be invisible.
"""Crawl a site breadth first within its start host, and print the URLs of its HTML pages.

Every URL that answers 2xx with an HTML content type is printed once, sorted, without its fragment and in the
serialisation of the WHATWG URL Standard. A redirect is followed as a URL of its own. Links are those of a,
area, iframe, frame, link rel=next/prev and meta refresh; base href is honoured.

Example: reachable.py http://127.0.0.1:8080/index.html --json
"""

import argparse
import collections
import http.client
import ipaddress
import json
import re
import ssl
import sys
import urllib.parse
import urllib.robotparser

import lxml.etree
import lxml.html

HTML_TYPES = ("text/html", "application/xhtml+xml")
REDIRECTS = (301, 302, 303, 307, 308)
DEFAULT_PORTS = {"http": 80, "https": 443}
C0_OR_SPACE = "".join(map(chr, range(0x21)))
# URL Standard, percent-encode sets beside C0 controls and everything above 0x7E.
PATH_SET = ' "#<>?`{}^'
SPECIAL_QUERY_SET = " \"#<>'"
USERINFO_SET = PATH_SET + "/:;=@[\\]|"


class NotAPage(Exception):
    """A reference that is not a http or https URL."""


def encode(text, percent_encode_set):
    """Percent-encode what the set, a control or a character outside ASCII demands; keep the rest, '%' too."""
    result = []
    for byte in text.encode("utf-8", "replace"):
        character = chr(byte)
        if byte <= 0x1F or byte > 0x7E or character in percent_encode_set:
            result.append(f"%{byte:02X}")
        else:
            result.append(character)
    return "".join(result)


def host_of(text):
    """A host as the URL Standard serialises it, for names in ASCII, IPv4 in four numbers, and IPv6."""
    if text.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(text[1:-1]).compressed}]"
        except ValueError as error:
            raise NotAPage(text) from error
    name = urllib.parse.unquote(text)
    try:
        name = name.encode("ascii").decode("ascii").lower()
    except UnicodeEncodeError:
        try:
            name = name.encode("idna").decode("ascii").lower()
        except UnicodeError as error:
            raise NotAPage(text) from error
    if not name or re.search(r"[\x00-\x20#/:<>?@\[\\\]^|%\x7f]", name):
        raise NotAPage(text)
    return name


def without_dot_segments(path):
    """The path's segments joined, with single and double dots resolved, also percent-encoded ones."""
    output = []
    segments = path.split("/")[1:]
    for index, segment in enumerate(segments):
        is_last = index == len(segments) - 1
        dots = re.sub("%2e", ".", segment, flags=re.IGNORECASE)
        if dots == "..":
            if output:
                output.pop()
            if is_last:
                output.append("")
        elif dots == ".":
            if is_last:
                output.append("")
        else:
            output.append(segment)
    return "/" + "/".join(output)


def resolve(reference, base):
    """The URL Standard's serialisation of a reference, without its fragment; `base` is already in that form.

    urllib.parse.urljoin differs on white space, backslashes, empty queries and percent-encoding, so the steps
    of the standard are spelt out here for the two schemes that matter.
    """
    text = reference.strip(C0_OR_SPACE)
    text = re.sub("[\t\n\r]", "", text).split("#", 1)[0]
    scheme_match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", text)
    scheme = None
    if scheme_match:
        scheme = scheme_match.group(1).lower()
        if scheme not in DEFAULT_PORTS:
            raise NotAPage(reference)
        text = text[scheme_match.end():]
    base_scheme, base_rest = base.split("://", 1)
    base_authority, base_path = base_rest.split("/", 1)
    base_path, base_mark, base_query = ("/" + base_path).partition("?")

    before_query, mark, query = text.partition("?")
    before_query = before_query.replace("\\", "/")
    if scheme is not None and (scheme != base_scheme or before_query.startswith("//")):
        # A special URL takes any number of slashes before its host, also none.
        return absolute(scheme, before_query.lstrip("/"), mark, query)
    if before_query.startswith("//"):
        return absolute(base_scheme, before_query.lstrip("/"), mark, query)
    if not before_query:
        path = base_path
        if not mark:
            mark, query = base_mark, base_query
    elif before_query.startswith("/"):
        path = encode(before_query, PATH_SET)
    else:
        path = base_path[: base_path.rindex("/") + 1] + encode(before_query, PATH_SET)
    query = encode(query, SPECIAL_QUERY_SET)
    return f"{base_scheme}://{base_authority}{without_dot_segments(path)}{mark}{query}"


def absolute(scheme, rest, mark, query):
    """A URL from everything after its scheme and slashes."""
    authority, slash, path = rest.partition("/")
    userinfo, at, host_and_port = authority.rpartition("@")
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?", host_and_port)
    if not match:
        raise NotAPage(rest)
    host = host_of(match.group(1))
    port = int(match.group(2)) if match.group(2) else DEFAULT_PORTS[scheme]
    if port > 65535:
        raise NotAPage(rest)
    if port != DEFAULT_PORTS[scheme]:
        host += f":{port}"
    if at and userinfo.strip(":"):
        user, colon, password = userinfo.partition(":")
        secret = ":" + encode(password, USERINFO_SET) if password else ""
        host = f"{encode(user, USERINFO_SET)}{secret}@{host}"
    path = without_dot_segments("/" + encode(path, PATH_SET))
    return f"{scheme}://{host}{path}{mark}{encode(query, SPECIAL_QUERY_SET)}"


def origin(url):
    return url.split("/", 3)[:3]


def refresh_target(content):
    """The URL of a refresh directive (HTML Standard, shared declarative refresh steps), or None."""
    space = "[ \t\n\f\r]"
    match = re.match(rf"{space}*(?:[0-9]+[0-9.]*|\.[0-9.]*)(?:{space}*[;,]|{space}){space}*", content)
    if not match:
        return None
    rest = content[match.end():]
    name = re.match(r"url[ \t\n\f\r]*=[ \t\n\f\r]*", rest, re.IGNORECASE)
    if name:
        rest = rest[name.end():]
    elif rest[:1] in ("u", "U"):
        return rest
    if rest[:1] in ("'", '"'):
        rest = rest[1:].split(rest[0], 1)[0]
    return rest or None


def references(body, charset, url):
    """Every reference of the page that a crawl follows, and the base to resolve it against."""
    if not body.strip():
        return [], url
    # Without the limits that libxml2 keeps for trees, deep pages would lose their end.
    parser = lxml.html.HTMLParser(encoding=charset, huge_tree=True)
    try:
        root = lxml.html.document_fromstring(body, parser=parser, ensure_head_body=True)
    except lxml.etree.ParserError:
        return [], url  # Nothing but comments.
    base = None
    found = []
    for element in root.iter():
        tag = element.tag
        if tag in ("a", "area"):
            found.append(element.get("href"))
        elif tag in ("iframe", "frame"):
            found.append(element.get("src") or None)
        elif tag == "link":
            relations = (element.get("rel") or "").lower().split()
            if {"next", "prev", "previous"} & set(relations):
                found.append(element.get("href") or None)
        elif tag == "meta" and (element.get("http-equiv") or "").lower() == "refresh":
            found.append(refresh_target(element.get("content") or ""))
        elif tag == "base" and base is None:
            base = element.get("href")
    if base is not None:
        try:
            url = resolve(base, url)
        except NotAPage:
            pass  # The document's own URL stands in for a base that does not parse.
    return [reference for reference in found if reference is not None], url


class Site:
    """One origin, over one connection that is kept alive."""

    def __init__(self, start, ca_file):
        parts = urllib.parse.urlsplit(start)
        self.requests = 0
        self.origin = origin(start)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=ca_file)
            self.connection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=30, context=context)
        else:
            self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)

    def get(self, url):
        """Status, headers and body; one more try when the server had closed the kept connection."""
        target = "/" + url.split("/", 3)[3]
        for attempt in (1, 2):
            try:
                self.requests += 1
                self.connection.request("GET", target, headers={"User-Agent": "reachable", "Accept": "*/*"})
                response = self.connection.getresponse()
                return response.status, response.headers, response.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                self.connection.close()
                if attempt == 2:
                    raise


def robots_of(site, start):
    rules = urllib.robotparser.RobotFileParser()
    status, _, body = site.get("/".join(origin(start)) + "/robots.txt")
    if 200 <= status < 300:
        rules.parse(body.decode("utf-8", "replace").splitlines())
    elif status >= 500:
        rules.disallow_all = True
    else:
        rules.allow_all = True
    rules.modified()
    return rules


def crawl(start, ca_file, obey_robots, verbose):
    """The sorted URLs of the reachable HTML pages, and how many requests it took."""
    site = Site(start, ca_file)
    rules = robots_of(site, start) if obey_robots else None
    pages = set()
    seen = {start}
    queue = collections.deque([start])

    def discover(reference, base):
        try:
            url = resolve(reference, base)
        except NotAPage:
            return
        if origin(url) == site.origin and url not in seen:
            seen.add(url)
            queue.append(url)

    while queue:
        url = queue.popleft()
        if rules is not None and not rules.can_fetch("mocra", url):
            continue
        status, headers, body = site.get(url)
        if verbose:
            print(status, url, file=sys.stderr)
        if status in REDIRECTS and headers.get("Location"):
            discover(headers["Location"], url)
        # Without the field get_content_type() would say text/plain, so a missing one is no page either.
        if not 200 <= status < 300 or headers.get_content_type() not in HTML_TYPES:
            continue
        pages.add(url)
        found, base = references(body, headers.get_content_charset(), url)
        for reference in found:
            discover(reference, base)
    return sorted(pages), site.requests


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="where to start; the crawl stays on its scheme, host and port")
    parser.add_argument("--ca", metavar="FILE", help="certificates to trust, for https")
    parser.add_argument(
        "--robots", action="store_true", help="obey the site's robots.txt as the agent 'mocra'")
    parser.add_argument("--json", action="store_true", help='print {"urls": […], "requests": n}')
    parser.add_argument("--verbose", action="store_true", help="print each request to standard error")
    arguments = parser.parse_args()
    try:
        start = resolve(arguments.url, "http://invalid/")
    except NotAPage:
        parser.error(f"{arguments.url!r} is not a http or https URL")
    if start.startswith("http://invalid/"):
        parser.error(f"{arguments.url!r} has no scheme: write http:// or https:// in front")
    try:
        pages, requests = crawl(start, arguments.ca, arguments.robots, arguments.verbose)
    except (OSError, http.client.HTTPException) as error:
        sys.exit(
            f"reachable.py: {start}: {error}; check that the server runs there and what its certificate says")
    if arguments.json:
        json.dump({"urls": pages, "requests": requests}, sys.stdout)
        print()
    else:
        print("\n".join(pages))


if __name__ == "__main__":
    main()

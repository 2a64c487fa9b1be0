"""The origin of a URL, and the head of its requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from aembed import BadRequestError, ConfigError
from aembed._settings.http import unix_url
from aembed._wire.proxies import user_from_netrc, way_to
from aembed._wire.route import USER_AGENT, Origin, Proxy, Route, basic, proxy_of, split


@pytest.mark.parametrize(
    ("url", "host", "port", "is_tls", "target", "named"),
    [
        ("http://host/v1/embeddings", "host", 80, False, "/v1/embeddings", "host"),
        ("https://Host.example:443", "host.example", 443, True, "/", "host.example"),
        ("https://host:8443/a b?x=1", "host", 8443, True, "/a%20b?x=1", "host:8443"),
        ("http://[::1]:8080/v1", "::1", 8080, False, "/v1", "[::1]:8080"),
        ("http://[fe80::1%25eth0]/", "fe80::1%25eth0", 80, False, "/", "[fe80::1]"),
        (
            "http://bücher.example/ü/%C3%BC",
            "xn--bcher-kva.example",
            80,
            False,
            "/%C3%BC/%C3%BC",
            "xn--bcher-kva.example",
        ),
        ("http+unix://%2Frun%2FTEI.sock/v1", "localhost", 80, False, "/v1", "localhost"),
    ],
)
def test_a_url_names_a_server(url: str, host: str, port: int, is_tls: bool, target: str, named: str) -> None:
    origin, found = split(url)
    assert (origin.host, origin.port, origin.is_tls, found, origin.host_header) == (host, port, is_tls, target, named)
    assert origin.socket_path == ("/run/TEI.sock" if "unix" in url else None)


@pytest.mark.parametrize(
    "url",
    ["ftp://host/", "http://", "http://a b/", "http://h:99999/", "http://h:0/", "http://[bad/", "http://h\u2028/"],
)
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(BadRequestError, match="base_url is not a valid URL"):
        split(url)


def head(headers: dict[str, str], origin: Origin | None = None, user: str | None = None) -> list[str]:
    origin = origin or Origin(is_tls=True, host="host", port=443)
    return Route(origin, "/v1", user).head(headers).decode().split("\r\n")


def test_a_head_has_the_required_and_the_users_headers() -> None:
    assert head({"X-Own": "ü", "user-agent": "mine"}) == [
        "POST /v1 HTTP/1.1",
        "Host: host",
        "user-agent: mine",
        "Accept: */*",
        "Accept-Encoding: gzip, deflate",
        "X-Own: ü",
        "Content-Length: ",
    ]
    assert f"User-Agent: {USER_AGENT}" in head({})


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection", "Expect", "Upgrade", "TE"])
def test_headers_that_frame_a_request_cannot_be_chosen(name: str) -> None:
    with pytest.raises(ConfigError, match=f"headers: '{name.lower()}' cannot be chosen, the connection sets it"):
        head({name: "5"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("X", "a\r\nY: b"), ("X", "a\nb"), ("X\r\nY", "a"), ("X ", "a"), ("", "a"), ("X", "a\0"), ("X:", "a")],
)
def test_no_header_becomes_two(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match="has a line break, or another character that no header can have"):
        head({name: value})


def test_headers_that_change_make_a_new_head() -> None:
    route, first = Route(Origin(is_tls=True, host="host", port=443), "/"), {"Authorization": "Bearer one"}
    assert b"Bearer one" in route.head(first)
    assert route.head(first) is route.head(first)
    assert b"Bearer two" in route.head({"Authorization": "Bearer two"})


def test_users_come_from_netrc_only_where_a_request_has_none() -> None:
    assert "Authorization: Basic x" in head({}, user="Basic x")
    assert [line for line in head({"authorization": "Bearer k"}, user="Basic x") if "uthor" in line] == [
        "authorization: Bearer k"
    ]


def test_the_password_of_a_proxy_goes_to_the_proxy_alone() -> None:
    proxy = proxy_of("http://user%40:p%3Aw@proxy:3128")
    assert proxy == Proxy("http", "proxy", 3128, basic("user@", "p:w"))
    assert "p:w" not in repr(proxy)
    forwards = Origin(is_tls=False, host="host", port=80, proxy=proxy)
    tunnels = Origin(is_tls=True, host="host", port=443, proxy=proxy)
    assert f"Proxy-Authorization: {proxy.authorization}" in head({}, forwards)
    assert not [line for line in head({}, tunnels) if line.startswith("Proxy-")]


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    file = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(file))
    return file


HTTP, HTTPS = Origin(is_tls=False, host="host", port=80), Origin(is_tls=True, host="host", port=443)
DEEP = Origin(is_tls=True, host="deep.below.host", port=443)
IPV4 = Origin(is_tls=False, host="10.9.8.6", port=80)
IPV6 = Origin(is_tls=False, host="::1", port=80)


@pytest.mark.parametrize(
    ("variables", "origin", "proxy"),
    [
        ({}, HTTP, None),
        ({"http_proxy": "http://a:1"}, HTTP, Proxy("http", "a", 1)),
        ({"http_proxy": "a:1"}, HTTP, Proxy("http", "a", 1)),
        ({"http_proxy": "http://a:1"}, HTTPS, None),
        ({"https_proxy": "https://a"}, HTTPS, Proxy("https", "a", 443)),
        ({"all_proxy": "http://a"}, HTTPS, Proxy("http", "a", 80)),
        ({"all_proxy": "http://a", "https_proxy": "http://b"}, HTTPS, Proxy("http", "b", 80)),
        ({"all_proxy": "http://a", "no_proxy": "other, host"}, HTTPS, None),
        ({"all_proxy": "http://a", "no_proxy": "*"}, HTTPS, None),
        ({"all_proxy": "http://a", "no_proxy": "host:443"}, HTTPS, None),
        ({"all_proxy": "http://a", "no_proxy": "host:443"}, HTTP, Proxy("http", "a", 80)),
        ({"all_proxy": "http://a", "no_proxy": "::1"}, IPV6, None),
        ({"all_proxy": "http://a", "no_proxy": "[::1]"}, IPV6, None),
        ({"all_proxy": "http://a", "no_proxy": "[::1]:80"}, IPV6, None),
        ({"all_proxy": "http://a", "no_proxy": "[::1]:81"}, IPV6, Proxy("http", "a", 80)),
        ({"all_proxy": "http://a", "no_proxy": "elsewhere"}, HTTPS, Proxy("http", "a", 80)),
        ({"all_proxy": "http://a", "no_proxy": "elsewhere host"}, HTTPS, None),
        ({"all_proxy": "http://a", "no_proxy": ".host"}, HTTPS, None),
        ({"all_proxy": "http://a", "no_proxy": "*.host"}, DEEP, None),
        ({"all_proxy": "http://a", "no_proxy": "*.host:443"}, DEEP, None),
        ({"all_proxy": "http://a", "no_proxy": "*.host:444"}, DEEP, Proxy("http", "a", 80)),
        ({"all_proxy": "http://a", "no_proxy": "ost, *ost, *.ost"}, DEEP, Proxy("http", "a", 80)),
        ({"all_proxy": "http://a", "no_proxy": "10.0.0.0/8"}, IPV4, None),
        ({"all_proxy": "http://a", "no_proxy": "10.9.8.7/31"}, IPV4, None),
        ({"all_proxy": "http://a", "no_proxy": "10.9.8.0/30, 11.0.0.0/8, fd00::/8"}, IPV4, Proxy("http", "a", 80)),
        ({"all_proxy": "http://a", "no_proxy": "::/64"}, IPV6, None),
        ({"all_proxy": "http://a", "no_proxy": "10.0.0.0/99, 10/8, /8, host/8"}, HTTPS, Proxy("http", "a", 80)),
        ({"all_proxy": "http://a"}, Origin(is_tls=False, host="localhost", port=80, socket_path="/s"), None),
    ],
)
def test_the_environment_names_a_proxy(
    variables: dict[str, str], origin: Origin, proxy: Proxy | None, netrc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert way_to(origin, None, trust_env=True) == (proxy, None)
    assert way_to(origin, None, trust_env=False) == (None, None)


def test_netrc_names_users_of_servers_and_proxies(netrc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc.write_text("machine host login me password pw\nmachine proxy login you password pw\n")
    netrc.chmod(0o600)
    assert way_to(HTTP, None, trust_env=True) == (None, basic("me", "pw"))
    monkeypatch.setenv("http_proxy", "http://proxy:1")
    assert way_to(HTTP, None, trust_env=True) == (Proxy("http", "proxy", 1, basic("you", "pw")), basic("me", "pw"))
    netrc.write_text("default login me password pw\n")
    for host in ("host", "default"):
        assert way_to(Origin(is_tls=False, host=host, port=80), None, trust_env=True)[1] is None, "for any base_url"
    netrc.write_text("machine host whatever")
    assert way_to(HTTPS, None, trust_env=True) == (None, None)
    netrc.write_bytes(b"machine host login \xff password \x81")  # no UTF-8
    assert way_to(HTTPS, None, trust_env=True) == (None, None)


def test_a_user_without_a_home_has_no_netrc(monkeypatch: pytest.MonkeyPatch) -> None:
    """An arbitrary user id in a container has no entry among the users."""
    for name in ("NETRC", "HOME", "USERPROFILE", "HOMEPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert user_from_netrc("host") is None


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("unix:/run/tei.sock", "http+unix://%2Frun%2Ftei.sock"),
        ("unix:///run/tei.sock", "http+unix://%2Frun%2Ftei.sock"),
        ("unix:/run/vLLM.sock:/v1/", "http+unix://%2Frun%2FvLLM.sock/v1"),
        ("http+unix://%2Frun%2Ftei.sock//v1", "http+unix://%2Frun%2Ftei.sock/v1"),
        ("http://unix/", None),
    ],
)
def test_a_unix_socket_has_one_form(url: str, found: str | None) -> None:
    assert unix_url(url) == found
    if found is not None:
        assert unix_url(found) == found


@pytest.mark.parametrize(
    "url", ["unix:", "unix:run/x.sock", "unix:/run/", "unix:/x:v1", "http+unix://x.sock/v1", "unix:/x:/?a"]
)
def test_a_unix_socket_needs_a_full_path(url: str) -> None:
    with pytest.raises(ValueError, match="must name a Unix socket by its full path"):
        unix_url(url)


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://p", Proxy("http", "p", 80)),
        ("https://p", Proxy("https", "p", 443)),
        ("http://p:3128", Proxy("http", "p", 3128)),
        ("http://b\u00fccher.example:3128", Proxy("http", "xn--bcher-kva.example", 3128)),
        ("http://u:p%40w@p", Proxy("http", "p", 80, basic("u", "p@w"))),
        ("http://u@p", Proxy("http", "p", 80, basic("u", ""))),
    ],
)
def test_a_proxy_has_a_port_and_perhaps_a_user(url: str, proxy: Proxy) -> None:
    assert proxy_of(url) == proxy


def test_a_unix_socket_alone_is_asked_for_its_root() -> None:
    assert split("http+unix://%2Frun%2Fx.sock")[1] == "/"

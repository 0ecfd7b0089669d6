"""A URL is http(s), without credentials, and its host has one spelling."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.media.locations import parse
from enrich.media.refusal import Refusal


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("http://Museum.ORG", "museum.org", 80, "/"),
        ("https://museum.org./a?b=c#d", "museum.org", 443, "/a?b=c"),
        ("https://museum.org:8443/%20a/é", "museum.org", 8443, "/%20a/%C3%A9"),
        ("http://münchen.example/x", "xn--mnchen-3ya.example", 80, "/x"),
        ("http://[2001:DB8::1]:81/x", "2001:db8::1", 81, "/x"),
        ("http://10.0.0.1/", "10.0.0.1", 80, "/"),
        ("http://museum.org/a b/c d.jpg?e f#g h", "museum.org", 80, "/a%20b/c%20d.jpg?e%20f"),
        (" \n\thttp://museum.org/a%20b.jpg \0", "museum.org", 80, "/a%20b.jpg"),
        ("http://museum。org/", "museum.org", 80, "/"),
        ("http://iiif_images.museum.org/", "iiif_images.museum.org", 80, "/"),
    ],
)
def test_plain_urls_are_taken_apart(url: str, host: str, port: int, target: str) -> None:
    location = parse(url)
    assert (location.host, location.port, location.target) == (host, port, target)
    assert parse(location.url) == location


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "only http"),
        ("ftp://museum.org/a", "only http"),
        ("gopher://museum.org/", "only http"),
        ("data:image/png;base64,AAAA", "only http"),
        ("/relative.jpg", "only http"),
        ("", "only http"),
        ("http://user:secret@museum.org/", "credentials"),
        ("http://museum.org@evil.org/", "credentials"),
        ("http://@museum.org/", "credentials"),
        ("http://museum.org:0/", "port 0"),
        ("http://museum.org:99999/", "not a URL"),
        ("http://museum.org:http/", "not a URL"),
        ("http:///a.jpg", "not a valid name"),
        ("http://museum..org/", "not a valid name"),
        ("http://-a.org/", "not a valid name"),
        ("http://%31%32%37.0.0.1/", "not a valid name|unusual spelling"),
        ("http://museum.org\\@evil.org/", "backslash"),
        ("http://museum org/a", "not a valid name"),
        ("http://museum.org /a", "not a valid name"),
        ("http://museum.org/a\tb", "control"),
        ("http://museum.org/\r\nX: y", "control"),
        ("http://museum.org/\0a", "control"),
        ("http://[::1", "not a URL"),
        ("http://[fe80::1%25eth0]/", "interface|IPv6"),
        ("http://museum.org/" + "a" * 9000, "longer"),
    ],
)
def test_other_urls_are_refused_with_their_reason(url: str, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        parse(url)


def _spellings(address: ipaddress.IPv4Address) -> list[str]:
    a, b, c, d = address.packed
    number = int(address)
    return [
        str(number),
        hex(number),
        f"0{number:o}",
        f"{a:#o}.{b}.{c}.{d}".replace("0o", "0"),
        f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        f"{a}.{(b << 16) + (c << 8) + d}",
        f"{a}.{b}.{(c << 8) + d}",
        f"{a}.{b}.{c}.{d:#x}",
        f"{a:03}.{b:03}.{c:03}.{d:03}",
        f"0x{a:010x}.{b}.{c}.{d}",
    ]


@given(st.ip_addresses(v=4), st.integers(0, 9), st.sampled_from(["{}", "{}.", "{}:80"]))
def test_an_address_in_another_spelling_is_refused_or_read_as_itself(
    address: ipaddress.IPv4Address, which: int, form: str
) -> None:
    spelled = _spellings(address)[which]
    try:
        location = parse(f"http://{form.format(spelled)}/")
    except Refusal:
        return
    assert location.host == str(address)
    assert spelled.rstrip(".") == str(address)


@given(st.ip_addresses(v=4))
def test_wide_digits_are_read_as_digits(address: ipaddress.IPv4Address) -> None:
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else "。" for c in str(address))
    assert parse(f"http://{wide}/").host == str(address)


@given(st.text(max_size=60))
def test_any_text_is_a_location_or_a_refusal(text: str) -> None:
    for url in (text, f"http://{text}", f"http://museum.org/{text}", f"http://{text}/x"):
        try:
            location = parse(url)
        except Refusal as error:
            reason = str(error)
        else:
            reason = ""
            assert location.url.isascii()
            assert "\r" not in location.url
            assert "\n" not in location.url
        assert "\n" not in reason


def test_redirects_are_read_relative_to_where_they_come_from() -> None:
    here = parse("https://museum.org/a/b?c")
    assert here.join("../d").url == "https://museum.org/d"
    assert here.join("//other.org/e").url == "https://other.org/e"
    with pytest.raises(Refusal, match=r"only http"):
        here.join("file:///etc/passwd")

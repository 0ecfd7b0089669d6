"""Only public addresses are connected to, unless a museum allows others."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.errors import SettingsError
from enrich.media.addresses import AllowList, kind_of


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "private"),
        ("10.0.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("169.254.169.254", "link-local"),
        ("100.64.0.1", "shared (CGNAT)"),
        ("100.100.100.200", "shared (CGNAT)"),
        ("168.63.129.16", "a cloud's own service"),
        ("192.0.0.10", "special-purpose"),
        ("192.88.99.1", "a 6to4 relay"),
        ("224.0.0.251", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "IPv4-mapped"),
        ("::ffff:8.8.8.8", "IPv4-mapped"),
        ("::127.0.0.1", "reserved"),
        ("64:ff9b::7f00:1", "NAT64"),
        ("64:ff9b:1::a00:1", "NAT64"),
        ("2002:7f00:1::", "6to4"),
        ("2001:0:7f00:1::", "special-purpose"),
        ("fe80::1", "link-local"),
        ("fe80::1%1", "link-local"),
        ("fd00:ec2::254", "private"),
        ("ff02::1", "multicast"),
        ("4000::1", "reserved"),
    ],
)
def test_addresses_that_are_not_public_are_named(address: str, kind: str) -> None:
    assert kind_of(ipaddress.ip_address(address)) == kind


@pytest.mark.parametrize("address", ["8.8.8.8", "193.0.6.139", "2a00:1450:4001::1", "2606:4700::1111"])
def test_public_addresses_are_accepted(address: str) -> None:
    assert kind_of(ipaddress.ip_address(address)) is None


@given(st.ip_addresses())
def test_whatever_python_calls_local_is_refused(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    local = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    if local or address.is_reserved or address.is_unspecified or not address.is_global:
        assert kind_of(address) is not None


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_passes_inside_an_ipv6_one(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    embedded = [number, (0xFFFF << 32) | number, (0x64FF9B << 96) | number, (0x2002 << 112) | (number << 80)]
    for value in embedded:
        assert kind_of(ipaddress.IPv6Address(value)) is not None


def test_allow_list_takes_names_addresses_and_networks() -> None:
    allow = AllowList(["Images.Museum.local.", "10.1.0.0/16", "[fd00::1]", "127.0.0.1"])
    assert allow.allows_name("images.museum.local")
    assert not allow.allows_name("museum.local")
    assert allow.allows(ipaddress.ip_address("10.1.200.3"))
    assert not allow.allows(ipaddress.ip_address("10.2.0.1"))
    assert allow.allows(ipaddress.ip_address("fd00::1"))
    assert allow.allows(ipaddress.ip_address("::ffff:127.0.0.1"))
    assert not allow.allows(ipaddress.ip_address("::1"))


@pytest.mark.parametrize("entry", ["", "http://museum.org", "museum.org:8080", "10.0.0.0/99", "a b"])
def test_allow_list_refuses_what_it_would_not_match(entry: str) -> None:
    with pytest.raises(SettingsError, match=r"media.allow"):
        AllowList([entry])

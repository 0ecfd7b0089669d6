"""Dates as museums write them in six languages, with the years that they lie between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.graph.date_text import read_date, says_no_date

TABLE = """
# XML Schema and EDTF
1488                                    1488 1488
1488-05                                 1488 1488
1488-05-17                              1488 1488
1488-05-17Z                             1488 1488
1488-05-17T10:30:00Z                    1488 1488
1488-05-17T10:30:00.5+02:00             1488 1488
-0044                                   -44 -44
-0044-03-15                             -44 -44
0476                                    476 476
1488/1490                               1488 1490
1488-05-17/1490-01-01                   1488 1490
1488/..                                 1488 ..
../1490                                 .. 1490
148X                                    1480 1489
14XX                                    1400 1499
1488~                                   1488 1488
1488?                                   1488 1488
1488%                                   1488 1488
[1488..1490]                            1488 1490
{1488,1490}                             1488 1490
1488-05-17?/1490~                       1488 1490
148u                                    1480 1489
14--                                    1400 1499
148-                                    1480 1489
14??                                    1400 1499
# English
ca. 1650                                1650 1650
c.1650                                  1650 1650
c1650                                   1650 1650
circa 1650-1700                         1650 1700
ca. 1650–1700                           1650 1700
1650 - ca. 1700                         1650 1700
about 1650                              1650 1650
probably 1650                           1650 1650
[1650?]                                 1650 1650
[16]50                                  1650 1650
1650 or 1651                            1650 1651
1650/51                                 1650 1651
1650-51                                 1650 1651
between 1650 and 1660                   1650 1660
from 1650 to 1660                       1650 1660
before 1700                             .. 1699
after 1700                              1701 ..
until 1700                              .. 1700
not after 1700                          .. 1700
not before 1700                         1700 ..
since 1700                              1700 ..
17 May 1788                             1788 1788
May 17, 1788                            1788 1788
17th May 1788                           1788 1788
May 1788                                1788 1788
Spring 1788                             1788 1788
dated 1788                              1788 1788
1650s                                   1650 1659
1650's                                  1650 1659
early 1650s                             1650 1652
1680s-1690s                             1680 1699
1790s-1800s                             1790 1809
1800s                                   1800 1899
the 1600's                              1600 1699
c. 1900s                                1900 1999
early 1800s                             1800 1832
mid-1800s                               1833 1865
late 1700s                              1766 1799
second half of the 1700s                1750 1799
1600s-1700s                             1600 1799
1600-1700s                              1600 1799
late 1700s to early 1800s               1766 1832
last quarter of the 1500s               1575 1599
before the 1700s                        .. 1699
2350s BC                                -2359 -2350
18th century                            1700 1799
18th c.                                 1700 1799
18th cent.                              1700 1799
eighteenth century                      1700 1799
Early 18th century                      1700 1732
mid-18th century                        1733 1765
middle of the 18th century              1733 1765
late 18th century                       1766 1799
beginning of the 18th century           1700 1732
end of the 18th century                 1766 1799
first half of the 18th century          1700 1749
1st half 18th c.                        1700 1749
second half of the eighteenth century   1750 1799
18th century, second half               1750 1799
third quarter of the 18th century       1750 1774
last quarter 18th century               1775 1799
16th-17th century                       1500 1699
16th or 17th century                    1500 1699
17th/18th century                       1600 1799
late 16th - early 17th century          1566 1632
early to mid-18th century               1700 1765
2nd half of 15th c. or early 16th c.    1450 1532
5th century BC                          -500 -401
5th-4th century BCE                     -500 -301
500-450 BC                              -500 -450
100 BC - 50 AD                          -100 50
3rd century AD                          200 299
A.D. 250                                250 250
# German
um 1700                                 1700 1700
etwa 1700                               1700 1700
wohl 1700                               1700 1700
vermutlich um 1700                      1700 1700
1650 bis 1660                           1650 1660
von 1650 bis 1660                       1650 1660
zwischen 1650 und 1660                  1650 1660
1650 oder 1651                          1650 1651
vor 1700                                .. 1699
nach 1700                               1701 ..
bis 1700                                .. 1700
ab 1700                                 1700 ..
3. März 1788                            1788 1788
03.03.1788                              1788 1788
Sommer 1788                             1788 1788
datiert 1788                            1788 1788
1650er Jahre                            1650 1659
1890er                                  1890 1899
1800er Jahre                            1800 1899
Anfang der 1800er-Jahre                 1800 1832
1790er-1800er Jahre                     1790 1809
vor den 1700er Jahren                   .. 1699
18. Jahrhundert                         1700 1799
18. Jh.                                 1700 1799
18. Jhdt.                               1700 1799
achtzehntes Jahrhundert                 1700 1799
1. Hälfte 19. Jh.                       1800 1849
1. Hälfte des 19. Jahrhunderts          1800 1849
erste Hälfte 19. Jahrhundert            1800 1849
19. Jh., 2. Hälfte                      1850 1899
letztes Viertel 17. Jh.                 1675 1699
2. Viertel 16. Jh.                      1525 1549
letztes Drittel 16. Jh.                 1566 1599
Anfang 19. Jh.                          1800 1832
Mitte des 19. Jahrhunderts              1833 1865
Ende 19. Jh.                            1866 1899
frühes 18. Jh.                          1700 1732
spätes 15. Jahrhundert                  1466 1499
Anfang 19. Jh. - Mitte 19. Jh.          1800 1865
16./17. Jh.                             1500 1699
16.-17. Jahrhundert                     1500 1699
4.-3. Jh. v. Chr.                       -400 -201
100 v. Chr.                             -100 -100
1.-2. Jh. n. Chr.                       0 199
# French
vers 1650                               1650 1650
environ 1650                            1650 1650
entre 1650 et 1660                      1650 1660
de 1650 à 1660                          1650 1660
1650 ou 1651                            1650 1651
avant 1700                              .. 1699
après 1700                              1701 ..
jusqu'en 1700                           .. 1700
depuis 1700                             1700 ..
3 mars 1788                             1788 1788
1er août 1788                           1788 1788
été 1788                                1788 1788
années 1920                             1920 1929
années 1700                             1700 1799
fin des années 1800                     1866 1899
années 1790 - années 1800               1790 1809
décennie 1800                           1800 1809
XVIIIe siècle                           1700 1799
XVIIIᵉ siècle                           1700 1799
18e siècle                              1700 1799
XVIIIème siècle                         1700 1799
XVIIIe s.                               1700 1799
dix-huitième siècle                     1700 1799
1ère moitié du XIXe siècle              1800 1849
seconde moitié du XVIIIe siècle         1750 1799
2e moitié XVIIIe siècle                 1750 1799
dernier quart du XVIIe siècle           1675 1699
troisième quart du XIXe siècle          1850 1874
premier tiers du XVIe siècle            1500 1532
début du XVIe siècle                    1500 1532
milieu du XVIIIe siècle                 1733 1765
fin du XIXe siècle                      1866 1899
fin XVIIIe - début XIXe siècle          1766 1832
XVIe-XVIIe siècles                      1500 1699
IIIe siècle av. J.-C.                   -300 -201
# Italian
circa 1650                              1650 1650
verso il 1650                           1650 1650
tra il 1650 e il 1660                   1650 1660
dal 1650 al 1660                        1650 1660
prima del 1700                          .. 1699
dopo il 1700                            1701 ..
fino al 1700                            .. 1700
3 marzo 1788                            1788 1788
anni 1920                               1920 1929
inizio degli anni 1600                  1600 1632
decennio 1800                           1800 1809
XVIII secolo                            1700 1799
sec. XVIII                              1700 1799
secolo XVIII                            1700 1799
Settecento                              1700 1799
Quattrocento                            1400 1499
prima metà del XIX secolo               1800 1849
XVIII secolo, seconda metà              1750 1799
ultimo quarto del XVII secolo           1675 1699
secondo quarto del XVI secolo           1525 1549
metà del XVIII secolo                   1733 1765
inizio XIX secolo                       1800 1832
fine XV - inizio XVI secolo             1466 1532
secc. XVI-XVII                          1500 1699
IV-III secolo a.C.                      -400 -201
# Spanish
hacia 1650                              1650 1650
entre 1650 y 1660                       1650 1660
de 1650 a 1660                          1650 1660
antes de 1700                           .. 1699
después de 1700                         1701 ..
hasta 1700                              .. 1700
desde 1700                              1700 ..
3 de marzo de 1788                      1788 1788
años 1920                               1920 1929
hacia los años 1800                     1800 1899
década de 1800                          1800 1809
década de 1790 - años 1800              1790 1809
década de 1920                          1920 1929
siglo XVIII                             1700 1799
s. XVIII                                1700 1799
siglos XVI-XVII                         1500 1699
primera mitad del siglo XIX             1800 1849
2ª mitad del siglo XVII                 1650 1699
s. XVIII, 2ª mitad                      1750 1799
tercer cuarto del siglo XIX             1850 1874
último tercio del siglo XIX             1866 1899
principios del siglo XX                 1900 1932
mediados del siglo XVIII                1733 1765
finales del siglo XV                    1466 1499
siglo III a. C.                         -300 -201
# Dutch
omstreeks 1650                          1650 1650
ongeveer 1650                           1650 1650
tussen 1650 en 1660                     1650 1660
van 1650 tot 1660                       1650 1660
1650 of 1651                            1650 1651
voor 1700                               .. 1699
na 1700                                 1701 ..
tot 1700                                .. 1700
3 maart 1788                            1788 1788
jaren 1920                              1920 1929
late jaren 1700                         1766 1799
18e eeuw                                1700 1799
18de eeuw                               1700 1799
achttiende eeuw                         1700 1799
eerste helft 19e eeuw                   1800 1849
2e helft 17e eeuw                       1650 1699
tweede kwart 16e eeuw                   1525 1549
laatste kwart 17e eeuw                  1675 1699
begin 20e eeuw                          1900 1932
midden 18e eeuw                         1733 1765
eind 18e eeuw                           1766 1799
16e-17e eeuw                            1500 1699
3e eeuw v. Chr.                         -300 -201
"""
ROWS = [line.rsplit(None, 2) for line in TABLE.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize(("text", "begin", "end"), ROWS, ids=[row[0] for row in ROWS])
def test_a_date_is_read_into_its_years(text: str, begin: str, end: str) -> None:
    span = read_date(text)

    assert span is not None
    assert [".." if year is None else str(year) for year in (span.begin, span.end)] == [begin, end]


def test_the_table_is_long_enough() -> None:
    assert len({row[0] for row in ROWS}) >= 150


@pytest.mark.parametrize(("text", "years"), [("18  ", (1800, 1899)), ("189 ", (1890, 1899))])
def test_blanks_stand_for_digits_that_are_not_known(text: str, years: tuple[int, int]) -> None:
    """Given a catalogue's year of four places with blanks, then they are digits; trimmed it would be another year."""
    span = read_date(text)

    assert span is not None
    assert (span.begin, span.end) == years


@pytest.mark.parametrize(
    "text",
    ["", "Damask", "18", "Ming", "5 x 7 cm", "1700-1650", "c. 1650 (frame later)", "inv. 1788.12.4", "1650; 1700; 1720",
     "99th century", "12345", "the 1st", "page 1650 f.", "1650 reign of X" * 20],
)  # fmt: skip
def test_what_is_not_understood_whole_is_no_date(text: str) -> None:
    assert read_date(text) is None


@pytest.mark.parametrize("text", ["s.d.", "[s. d.]", "n.d.", "o. J.", "undated", "undatiert", "sans date", "senza data",
                                  "sin fecha", "z.j.", "unknown"])  # fmt: skip
def test_words_for_no_date_are_known(text: str) -> None:
    assert says_no_date(text)
    assert read_date(text) is None


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_none(text: str) -> None:
    span = read_date(text)

    assert span is None or span.begin is not None or span.end is not None
    assert span is None or span.begin is None or span.end is None or span.begin <= span.end


@given(
    st.lists(
        st.sampled_from(
            [
                "18th",
                "century",
                "1.",
                "Hälfte",
                "1650",
                "-",
                "/",
                "of",
                "bis",
                "c.",
                "BC",
                "XVIII",
                "secolo",
                "early",
                "e",
                "s.",
                "17",
                "~",
                "[",
                "]",
            ]
        ),
        max_size=8,
    )
)
def test_any_mixture_of_its_words_is_a_date_or_none(words: list[str]) -> None:
    span = read_date(" ".join(words))

    assert span is None or span.begin is None or span.end is None or span.begin <= span.end

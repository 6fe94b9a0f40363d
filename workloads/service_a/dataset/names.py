"""Invented names for synthetic employees: every stem with every ending."""

from itertools import product

FIRST_STEMS = """
    Al Ar Bas Ber Bran Cal Car Cor Dal Dar Don Ed El Em Fer Fran Gal Ger Han Har Il Jar Jon Kal Kar Kon Lan
    Leon Lor Mal Mar Mel Nor Ol Or Pal Per Quin Ran Ros Sal Ser Tam Ter Ul Val Vin Wal Yor Zen
"""
LAST_STEMS = """
    Abel Ander Barn Beck Berg Black Brack Cald Carl Dorn Eber Fal Ferr Gold Grun Hal Hart Holm Jans Kell Kirch
    Lind Lund Mark Mors Nord Oster Pell Quer Rams Rosen Sand Schell Stern Thorn Ulm Vald Wal Wester Zell
"""
MALE_ENDINGS = "an ard en ias ino imir"
FEMALE_ENDINGS = "ana ella ette ia ina isa"
LAST_ENDINGS = "a by er feld ini man ov sen ski wood"


def _all(stems: str, endings: str) -> tuple[str, ...]:
    return tuple(stem + ending for stem, ending in product(stems.split(), endings.split()))


MALE = _all(FIRST_STEMS, MALE_ENDINGS)
FEMALE = _all(FIRST_STEMS, FEMALE_ENDINGS)
LAST = _all(LAST_STEMS, LAST_ENDINGS)

"""The words of dates in English, German, French, Italian, Spanish and Dutch, as regular expressions of their stems."""

CENTURY = (
    r"centur(?:y|ies)|cent\.?|c\.?(?=$|[\s,;)-])|jahrhunderts?|jahrhunderte|jhdts?\.?|jhds?\.?|jhs?\.?|jh\.?|"
    r"si[eè]cles?|s\.|ss\.|secol[oi]|secc?\.?|siglos?|eeuw(?:en)?"
)
"""Words for a century after or before its number; `c` and `s.` only where a number stands beside them."""
CENTURY_BEFORE = r"centur(?:y|ies)|si[eè]cles?|ss?\.?|secol[oi]|secc?\.?|siglos?|sig\.?"
YEARS_OF = r"ann[eé]es|anni|años|jaren"
YEARS_BEHIND = r"s|ers?(?:[- ]jahren?)?"
"""What makes the years of a decade of one, or of a round hundred those of a century: "années 1890", "1890er Jahre", "1800s"."""
DECADE = r"d[eé]cada de|d[eé]cada|decennio|d[eé]cennie|decade"
NAMED_CENTURIES = {
    "duecento": 13, "trecento": 14, "quattrocento": 15, "cinquecento": 16, "seicento": 17, "settecento": 18,
    "ottocento": 19, "novecento": 20,
}  # fmt: skip
ORDINALS = {
    1: r"first|erste[nrs]?|premi[eè]re?|prim[oa]|primer[oa]?|eerste",
    2: r"second|zweite[nrs]?|deuxi[eè]me|seconde|second[oa]|segund[oa]|tweede",
    3: r"third|dritte[nrs]?|troisi[eè]me|terz[oa]|tercer[oa]?|derde",
    4: r"fourth|vierte[nrs]?|quatri[eè]me|quart[oa]|cuart[oa]|vierde",
    5: r"fifth|fünfte[ns]?|cinqui[eè]me|vijfde",
    6: r"sixth|sechste[ns]?|sixi[eè]me|zesde",
    7: r"seventh|sieb(?:en)?te[ns]?|septi[eè]me|zevende",
    8: r"eighth|achte[ns]?|huiti[eè]me|achtste",
    9: r"ninth|neunte[ns]?|neuvi[eè]me|negende",
    10: r"tenth|zehnte[ns]?|dixi[eè]me|tiende",
    11: r"eleventh|elfte[ns]?|onzi[eè]me|elfde",
    12: r"twelfth|zwölfte[ns]?|douzi[eè]me|twaalfde",
    13: r"thirteenth|dreizehnte[ns]?|treizi[eè]me|dertiende",
    14: r"fourteenth|vierzehnte[ns]?|quatorzi[eè]me|veertiende",
    15: r"fifteenth|fünfzehnte[ns]?|quinzi[eè]me|vijftiende",
    16: r"sixteenth|sechzehnte[ns]?|seizi[eè]me|zestiende",
    17: r"seventeenth|siebzehnte[ns]?|dix-septi[eè]me|zeventiende",
    18: r"eighteenth|achtzehnte[ns]?|dix-huiti[eè]me|achttiende",
    19: r"nineteenth|neunzehnte[ns]?|dix-neuvi[eè]me|negentiende",
    20: r"twentieth|zwanzigste[ns]?|vingti[eè]me|twintigste",
    21: r"twenty-first|einundzwanzigste[ns]?|vingt et uni[eè]me|eenentwintigste",
}
LAST = r"last|letzte[ns]?|derni[eè]re?|ultim[oa]|[uú]ltim[oa]|laatste"
UNITS = {
    2: r"half|hälfte|moiti[eé]|met[aà]|mitad|helft",
    4: r"quarter|viertels?|quart|quarto|cuarto|kwart",
    3: r"third|drittels?|tiers|terzo|tercio|derde deel",
}
"""The parts of a century: words for a half, a quarter and a third of it."""
EARLY = (
    r"early|beginning|start|anf(?:ang|\.)?|frühe[sn]?|beginn|début|debut|commencement|inizio?|inizi|princip(?:io|ios)|"
    r"comienzos?|begin|vroege?"
)
MIDDLE = r"mid(?:dle)?|mitte|milieu|mi|met[aà]|mediados|medio|midden"
LATE = r"late|end|ende|späte[sn]?|ausgehende[sn]?|fine?|finales|fines|einde?|laat|late"
BC = (
    r"b\.? ?c\.?(?: ?e\.?)?|before christ|v\. ?chr\.?|v\. ?u\. ?z\.?|vor christus|av\. ?j\.?-?c\.?|avant j\.?-?c\.?|"
    r"a\. ?c\.?|a\. ?e\. ?c\.?|avanti cristo|antes de cristo|voor christus"
)
AD = r"a\.? ?d\.?|c\.? ?e\.?|n\. ?chr\.?|nach christus|ap\. ?j\.?-?c\.?|d\. ?c\.?|dopo cristo|na christus"
ABOUT = (
    r"circa|ca\.?|cca\.?|c\.|about|around|approx(?:imately|\.)?|probably|possibly|perhaps|prob\.|um|etwa|ungefähr|wohl|"
    r"vermutlich|wahrscheinlich|zirka|vers|environ|env\.|probablement|peut-être|verso|intorno|probabilmente|forse|hacia|"
    r"h\.|alrededor|aprox\.?|aproximadamente|probablemente|quiz[aá]s?|omstreeks|ongeveer|rond|waarschijnlijk|vermoedelijk"
)
BEFORE = r"before|prior to|vor|avant|prima|ante|antes|voor|v[oó]{2}r"
AFTER = r"after|nach|après|apres|dopo|post|despu[eé]s|na"
UNTIL = r"until|till|up to|to|bis|jusqu'?(?:en|au|à)?|fino|hasta|tot|not after|no later than|spätestens|non post|nicht nach|no después|non après"
SINCE = r"since|from|ab|seit|depuis|dal|desde|vanaf|not before|non ante|nicht vor|frühestens|sinds"
TO = r"to|until|till|bis|à|a|al|ai|e|et|y|und|and|en|tot|t/m|&"
OR = r"or|oder|ou|o|of|bzw\.?"
BETWEEN = r"between|from|zwischen|von|entre|de|du|tra(?: il)?|fra(?: il)?|dal|del|tussen|van"
SMALL = (
    r"the|of|in|des|der|dem|den|das|im|am|du|de|la|le|les|l'|d'|del|della|dell'|dello|degli|gli|il|lo|al|alla|el|los|las|van|het|"
    r"'t|years?|jahre?n?|jahrs|ann[eé]es?|an|anni|anno|años?|año|jaren|jaar|dated|datiert|date|year|en|aan|uit|aus|decennio|"
    r"d[eé]cada|decade|d[eé]cennie|decennium|part|teil|parte|partie|deel|ad|sometime|der jahre|dec|nel|negli"
)
"""Words that say nothing of the time."""
MONTHS = (
    r"jan(?:uary|uar|vier)?|gennaio|genn?|enero|ene|januari|feb(?:ruary|ruar|braio|rero|ruari|r)?|f[eé]vr(?:ier)?|"
    r"mar(?:ch|s|zo|t)?|märz|maart|mrt|apr(?:il|ile)?|avr(?:il)?|abr(?:il)?|may|mai|magg?(?:io)?|mayo|mei|"
    r"jun[ei]?|juin|giu(?:gno)?|junio|jul[yi]?|juillet|juil|luglio|lug|julio|aug(?:ust|ustus)?|ao[uû]t|ago(?:sto)?|"
    r"sep(?:t|tember|tembre|tiembre)?|sett(?:embre)?|okt(?:ober)?|oct(?:ober|obre|ubre)?|ott(?:obre)?|"
    r"nov(?:ember|embre|iembre)?|dec(?:ember)?|dez(?:ember)?|d[eé]c(?:embre)?|dic(?:embre|iembre)?"
)
SEASONS = (
    r"spring|summer|autumn|fall|winter|frühling|frühjahr|sommer|herbst|printemps|été|automne|hiver|primavera|estate|"
    r"autunno|inverno|verano|otoño|invierno|lente|zomer|herfst"
)
UNDATED = (
    r"undated|no date|date unknown|n\.? ?d\.?|s\.? ?d\.?|s\.? ?a\.?|sine anno|o\.? ?j\.?|ohne jahr|undatiert|sans date|"
    r"non dat[eé]|senza data|non datat[oa]|sin fecha|z\.? ?j\.?|zonder jaar|ongedateerd|unknown|unbekannt|inconnue?"
)
"""What museums write where they know no date."""

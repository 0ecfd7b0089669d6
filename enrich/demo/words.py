"""The made museum's words: classes with their names, and hints at them, in four languages."""

from collections.abc import Mapping

LANGUAGES = ("en", "es", "fr", "ca")

Named = Mapping[str, tuple[str, str, str, str]]
"""A class, and its name in each of LANGUAGES."""

PLACES: Named = {
    "france": ("France", "Francia", "France", "França"),
    "italy": ("Italy", "Italia", "Italie", "Itàlia"),
    "spain": ("Spain", "España", "Espagne", "Espanya"),
    "great-britain": ("Great Britain", "Gran Bretaña", "Grande-Bretagne", "Gran Bretanya"),
    "turkey": ("Turkey", "Turquía", "Turquie", "Turquia"),
    "india": ("India", "India", "Inde", "Índia"),
    "japan": ("Japan", "Japón", "Japon", "Japó"),
}
CENTURIES: Named = {
    "16th-century": ("16th century", "siglo XVI", "XVIe siècle", "segle XVI"),
    "17th-century": ("17th century", "siglo XVII", "XVIIe siècle", "segle XVII"),
    "18th-century": ("18th century", "siglo XVIII", "XVIIIe siècle", "segle XVIII"),
    "19th-century": ("19th century", "siglo XIX", "XIXe siècle", "segle XIX"),
    "20th-century": ("20th century", "siglo XX", "XXe siècle", "segle XX"),
}
TECHNIQUES: Named = {
    "damask": ("damask", "damasco", "damas", "domàs"),
    "velvet": ("velvet", "terciopelo", "velours", "vellut"),
    "embroidery": ("embroidery", "bordado", "broderie", "brodat"),
    "brocade": ("brocade", "brocado", "brocart", "brocat"),
    "lace": ("lace", "encaje", "dentelle", "punta"),
    "tapestry": ("tapestry", "tapiz", "tapisserie", "tapís"),
    "printing": ("printing", "estampado", "impression", "estampació"),
}
MATERIALS: Named = {
    "silk": ("silk", "seda", "soie", "seda"),
    "cotton": ("cotton", "algodón", "coton", "cotó"),
    "linen": ("linen", "lino", "lin", "lli"),
    "wool": ("wool", "lana", "laine", "llana"),
    "metal-thread": ("metal thread", "hilo metálico", "fil métallique", "fil metàl·lic"),
}
TYPES: Named = {
    "dress": ("dress", "vestido", "robe", "vestit"),
    "vestment": ("chasuble", "casulla", "chasuble", "casulla"),
    "furnishing": ("curtain", "cortina", "rideau", "cortina"),
    "hanging": ("wall hanging", "colgadura", "tenture", "penjoll"),
    "sample": ("sample", "muestra", "échantillon", "mostra"),
    "accessory": ("collar", "cuello", "col", "coll"),
}

HINTS: Mapping[str, tuple[str, str, str, str]] = {
    "france": (
        "from the looms of Lyon",
        "de los telares de Lyon",
        "des métiers de Lyon",
        "dels telers de Lió",
    ),
    "italy": ("bought in Genoa", "comprado en Génova", "acheté à Gênes", "comprat a Gènova"),
    "spain": (
        "made near Valencia",
        "hecho cerca de Valencia",
        "fait près de Valence",
        "fet a prop de València",
    ),
    "great-britain": (
        "made in Spitalfields",
        "hecho en Spitalfields",
        "fait à Spitalfields",
        "fet a Spitalfields",
    ),
    "turkey": (
        "from a workshop of Bursa",
        "de un taller de Bursa",
        "d'un atelier de Bursa",
        "d'un taller de Bursa",
    ),
    "india": ("shipped from Gujarat", "enviado desde Guyarat", "expédié du Gujarat", "enviat des de Gujarat"),
    "japan": ("sold in Kyoto", "vendido en Kioto", "vendu à Kyoto", "venut a Kyoto"),
    "16th-century": (
        "in the Renaissance taste",
        "de gusto renacentista",
        "de goût Renaissance",
        "de gust renaixentista",
    ),
    "17th-century": (
        "with a baroque scroll",
        "con una voluta barroca",
        "à volute baroque",
        "amb una voluta barroca",
    ),
    "18th-century": ("with rococo ribbons", "con cintas rococó", "à rubans rococo", "amb cintes rococó"),
    "19th-century": (
        "in the Empire manner",
        "a la manera imperio",
        "dans la manière Empire",
        "a la manera imperi",
    ),
    "20th-century": ("of modern design", "de diseño moderno", "au dessin moderne", "de disseny modern"),
    "damask": (
        "the pattern shows matt on a lustrous ground",
        "el dibujo se ve mate sobre un fondo brillante",
        "le motif paraît mat sur un fond brillant",
        "el dibuix es veu mat sobre un fons brillant",
    ),
    "velvet": (
        "a deep pile, worn at the folds",
        "un pelo profundo, gastado en los pliegues",
        "un poil profond, usé aux plis",
        "un pèl profund, gastat als plecs",
    ),
    "embroidery": (
        "the flowers are worked with the needle in satin stitch",
        "las flores están hechas a la aguja con punto de raso",
        "les fleurs sont faites à l'aiguille au passé plat",
        "les flors són fetes a l'agulla amb punt de setí",
    ),
    "brocade": (
        "extra wefts raise the flowers above the ground",
        "tramas suplementarias realzan las flores",
        "des trames supplémentaires relèvent les fleurs",
        "trames suplementàries realcen les flors",
    ),
    "lace": (
        "an open mesh made with bobbins",
        "una malla abierta hecha con bolillos",
        "un réseau ajouré fait aux fuseaux",
        "una malla oberta feta amb boixets",
    ),
    "tapestry": (
        "the wefts turn back at the edge of each colour",
        "las tramas vuelven al borde de cada color",
        "les trames reviennent au bord de chaque couleur",
        "les trames tornen a la vora de cada color",
    ),
    "printing": (
        "the colours were laid on with wooden blocks",
        "los colores se aplicaron con tacos de madera",
        "les couleurs furent posées à la planche de bois",
        "els colors es van aplicar amb motlles de fusta",
    ),
    "silk": ("reeled from cocoons", "devanada de capullos", "dévidée de cocons", "debanada de capolls"),
    "cotton": (
        "spun from white bolls",
        "hilado de copos blancos",
        "filé de capsules blanches",
        "filat de flocs blancs",
    ),
    "linen": ("of bleached flax", "de fibra blanqueada", "de fibre blanchie", "de fibra blanquejada"),
    "wool": ("from merino fleece", "de vellón merino", "de toison mérinos", "de velló merí"),
    "metal-thread": (
        "wrapped in gilt strips",
        "envuelto en láminas doradas",
        "enroulé de lames dorées",
        "embolcallat de làmines daurades",
    ),
}
"""What a curator may write instead of naming the class."""

MOTIFS: tuple[tuple[str, str, str, str], ...] = (
    ("with birds", "con pájaros", "aux oiseaux", "amb ocells"),
    ("with pomegranates", "con granadas", "aux grenades", "amb magranes"),
    ("with stripes", "con rayas", "à rayures", "amb ratlles"),
    ("with a crest", "con un escudo", "aux armes", "amb un escut"),
    ("with carnations", "con claveles", "aux œillets", "amb clavells"),
    ("with waves", "con olas", "aux vagues", "amb onades"),
)
REMARKS: tuple[tuple[str, str, str, str], ...] = (
    ("Gift of the family.", "Donación de la familia.", "Don de la famille.", "Donació de la família."),
    ("Faded along one edge.", "Descolorido en un borde.", "Décoloré sur un bord.", "Descolorit en una vora."),
    (
        "Restored in two places.",
        "Restaurado en dos zonas.",
        "Restauré en deux endroits.",
        "Restaurat en dos llocs.",
    ),
    (
        "Inventoried with its box.",
        "Inventariado con su caja.",
        "Inventorié avec sa boîte.",
        "Inventariat amb la caixa.",
    ),
)
JOINTS: Mapping[str, Mapping[str, str]] = {
    "en": {"of": "{type} of {material}", "made": "Made in {place}.", "dated": "Dated to the {century}."},
    "es": {"of": "{type} de {material}", "made": "Hecho en {place}.", "dated": "Fechado en el {century}."},
    "fr": {"of": "{type} de {material}", "made": "Fait en {place}.", "dated": "Daté du {century}."},
    "ca": {"of": "{type} de {material}", "made": "Fet a {place}.", "dated": "Datat al {century}."},
}
DEPARTMENT_LABELS: Mapping[str, str] = {
    "collection": "General collection",
    "early": "Textiles before 1700",
    "modern": "Textiles after 1800",
    "asia": "Asian textiles",
}
CLASSES: Mapping[str, Named] = {
    "place": PLACES,
    "time": CENTURIES,
    "technique": TECHNIQUES,
    "material": MATERIALS,
}
"""The classes of each property."""

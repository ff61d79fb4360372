#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""entity-names.py OUTPUT DEPFILE PO-DIRECTORY SOURCE...: the table behind jkb-ha-translate.c.

Takes the texts that the sources mark with N_() and their translations from the catalogues. The daemon
cannot use gettext for them: their language is an option, not its locale. A catalogue that breaks a
pattern breaks the build: the daemon must never fill in what is not there.
"""

import re
import sys
import zlib

MARKED = re.compile(r'\bN_ ?\(\s*("(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*)\s*\)')
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
PATTERN = re.compile(r"%[us]")
ENTRY = re.compile(r'^msgid ((?:".*"\s*)+)^msgstr ((?:".*"\s*)+)', re.M)


def text_of(literals):
    joined = "".join(LITERAL.findall(literals))
    return joined.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def marked_texts(sources):
    return sorted({text_of(found) for path in sources for found in MARKED.findall(read(path))},
                  key=lambda text: text.encode())


def translations(path):
    """What is translated and not fuzzy; entries with a context or a plural are not for entities."""
    known = {}
    for block in read(path).split("\n\n"):
        if re.search(r"^#,.*\bfuzzy\b", block, re.M) or re.search(r"^(msgctxt|msgid_plural|#~)", block, re.M):
            continue
        for source, translation in ENTRY.findall(block + "\n"):
            known[text_of(source)] = text_of(translation)
    return known


def check(path, text, translation):
    marks = PATTERN.findall(text)
    if not marks or text.count("%") != 1:
        return
    if PATTERN.findall(translation) != marks or translation.count("%") != 1:
        sys.exit(f"{path}: “{translation}” must have {marks[0]} once and no other %, as “{text}” has")


def literal(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def print_bytes(out, name, data):
    out.write(f"static const guint8 {name}[] = {{\n")
    for start in range(0, len(data), 20):
        out.write("  " + ", ".join(map(str, data[start:start + 20])) + ",\n")
    out.write("};\n")


def print_language(out, language, strings):
    """One blob, packed, and where each text begins in it; the texts that are missing begin at its end.

    Returns the size of the blob."""
    blob, places = b"", []
    for string in strings:
        places.append(len(blob) if string else None)
        blob += string.encode() + b"\0" if string else b""
    if len(blob) > 0xffff:
        sys.exit(f"{language}: more than 64 KiB of names")
    print_bytes(out, f"packed_{language}", zlib.compress(blob + b"\0", 9))
    numbers = ", ".join(str(len(blob) if place is None else place) for place in places)
    out.write(f"static const guint16 at_{language}[] = {{ {numbers} }};\n")
    return len(blob) + 1


def main():
    output, depfile, directory, *sources = sys.argv[1:]
    languages = [line for line in read(f"{directory}/LINGUAS").split("\n") if line and line[0] != "#"]
    texts = marked_texts(sources)
    catalogues = {language: f"{directory}/{language}.po" for language in languages}
    sizes = {}
    with open(output, "w", encoding="utf-8") as out:
        out.write("/* Made by entity-names.py. SPDX-License-Identifier: MIT */\n"
                  "/* clang-format off */\n")
        # The linker finds the same literals where they are used and keeps one of each.
        out.write("static const char *const english[] = {\n")
        for text in texts:
            out.write(f"  {literal(text)},\n")
        out.write("};\n")
        for language, path in catalogues.items():
            known = translations(path)
            strings = [known.get(text, "") for text in texts]
            for text, translation in zip(texts, strings):
                if translation:
                    check(path, text, translation)
            sizes[language] = print_language(out, language, strings)
        out.write("static const Language languages[] = {\n")
        for language in languages:
            out.write(f'  {{ "{language}", packed_{language}, sizeof packed_{language}, '
                      f"{sizes[language]}, at_{language} }},\n")
        out.write("};\n")
    with open(depfile, "w", encoding="utf-8") as file:
        file.write(f"{output}: {directory}/LINGUAS {' '.join(sources)} {' '.join(catalogues.values())}\n")


main()

"""The project's Markdown as data: the commands that it tells a reader to type, its links, its headings. Pure."""

import re
from collections import Counter
from itertools import dropwhile, pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

Words = tuple[str, ...]

SHELL = ("", "sh", "bash", "shell", "console")  # what a fence calls itself that holds commands
IN_PROSE = ("python run.py", "make ")  # how a code span begins that is a command

SECTION = re.compile(r"^\s*\[[\w .-]+\]\s*$", re.MULTILINE)  # of a configuration file
HTML_LINK = re.compile(r'\b(?:src|href)="([^"]+)"')
MARKDOWN = MarkdownIt("commonmark").enable("table")

PROMPT = re.compile(r"^\s*\$ ", re.MULTILINE)
HEREDOC = re.compile(
    r"<<-?[ \t]*(['\"]?)(?P<end>\w+)\1(?P<rest>[^\n]*)\n.*?^[ \t]*(?P=end)[ \t]*$", re.MULTILINE | re.DOTALL
)
WORD = r"""(?:[^\s;|&()<>'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+"""
TOKEN = re.compile(
    r"(?P<comment>(?<![^\s;|&()])#[^\n]*)"
    rf"|(?P<redirection>\d*[<>]+&?[ \t]*{WORD})"
    r"|(?P<end>[\n;|&()]+)"
    rf"|(?P<word>{WORD})"
    r"""|(?P<stray>['"\\<>])""",
    re.DOTALL,
)
QUOTED = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)""", re.DOTALL)
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
BEFORE_COMMANDS = {
    "if", "then", "elif", "else", "fi", "while", "until", "do", "done", "!", "{", "}", "sudo", "env", "time", "exec",
}  # fmt: skip


def blocks(text: str, *languages: str, has: tuple[str, ...] = ("",)) -> list[str]:
    """The contents of the fenced blocks in one of these languages that have one of these words."""
    contents = [fence.content for fence in tokens(text, "fence") if (fence.info.split() or [""])[0] in languages]
    return [content for content in contents if any(words in content for words in has)]


def tokens(text: str, *kinds: str) -> list[Token]:
    """The document's tokens of these kinds, those within lines of text too."""
    found = MARKDOWN.parse(text)
    return [one for token in found for one in (token, *(token.children or ())) if one.type in kinds]


def told(text: str, *, indented: bool = False) -> list[Words]:
    """The commands of a document, each once: in shell blocks, and in code spans that begin as IN_PROSE says.

    A block that begins with ``#!`` is a file's content. ``indented``: indented blocks are code, too, but for those
    with the section of a configuration file.
    """
    scripts = [block for block in blocks(text, *SHELL) if not block.startswith("#!")]
    if indented:
        contents = (block.content for block in tokens(text, "code_block"))
        scripts += [content for content in contents if not SECTION.search(content)]
    spans = (" ".join(code.content.split()) for code in tokens(text, "code_inline"))
    scripts += [span for span in spans if span.startswith(IN_PROSE)]
    return list(dict.fromkeys(command for script in scripts for command in commands(script)))


def commands(script: str) -> list[Words]:
    """The simple commands of a shell script or session, as words.

    Left out: output, comments, here-documents, redirections, and what may stand ahead of a command: keywords,
    assignments, sudo. What the shell would put in the place of a word is not known: ``$x`` stays.
    """
    script = re.sub(r"\\\n[ \t]*", " ", HEREDOC.sub(r"\g<rest>", typed(script)))
    found: list[list[str]] = [[]]
    for token in TOKEN.finditer(script):
        if token.lastgroup == "end":
            found.append([])
        elif token.lastgroup in ("word", "stray"):
            found[-1].append(QUOTED.sub(lambda quoted: quoted[quoted.lastindex or 0], token[0]))
    return [command for words in found if (command := simple(words))]


def typed(script: str) -> str:
    """Of a session with prompts only what follows them, and the lines on which that goes on."""
    if not PROMPT.search(script):
        return script
    kept: list[str] = []
    goes_on = False
    for line in script.splitlines():
        if goes_on or PROMPT.match(line):
            kept.append(PROMPT.sub("", line))
            goes_on = line.endswith("\\")
    return "\n".join(kept)


def simple(words: list[str]) -> Words:
    rest = tuple(dropwhile(lambda word: word in BEFORE_COMMANDS or ASSIGNMENT.match(word), words))
    return () if rest[:1] == ("for",) else rest


def links(text: str) -> list[str]:
    """Where a document's links and pictures lead, in HTML too."""
    written = (str(token.attrs.get("href") or token.attrs.get("src")) for token in tokens(text, "link_open", "image"))
    html = (found for token in tokens(text, "html_inline", "html_block") for found in HTML_LINK.findall(token.content))
    environment: dict[str, dict[str, dict[str, str]]] = {}
    MARKDOWN.parse(text, environment)
    defined = (definition["href"] for definition in environment.get("references", {}).values())
    return list(dict.fromkeys([*written, *defined, *html]))


def anchors(text: str) -> set[str]:
    """What a link to a heading of the document may have behind its #, as GitHub names them."""
    found: set[str] = set()
    before: Counter[str] = Counter()
    for opened, heading in pairwise(MARKDOWN.parse(text)):
        if opened.type != "heading_open":
            continue
        shown = "".join(part.content for part in heading.children or () if part.type in ("text", "code_inline"))
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found.add(f"{name}-{before[name]}" if before[name] else name)
        before[name] += 1
    return found


def targets(makefile: str) -> set[str]:
    """The targets that a Makefile's text names, without patterns."""
    found: set[str] = set()
    for line in makefile.splitlines():
        if rule := re.match(r"([^\t#=$%:][^=$%:]*):(?!=)(.*)", line):
            names = rule[1].split()
            found.update(rule[2].split() if names == [".PHONY"] else names)
    return found

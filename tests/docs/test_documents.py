"""What is taken from a document: commands as a shell would see them, links, headings, a Makefile's targets."""

import pytest
from documents import Words, anchors, blocks, commands, links, targets, told

TEXT = """\
# Two commands, and `one` more

`make  not` is one of prose, `make` and `cat x` are none. See [this](a.md#b), [![badge](b.svg)](c.md) and `[no](d.md)`.

```
make test   # all
```

   ```sh
   python run.py \\
       --quick
   ```

```text
make nothing of this
```

```toml
[condition.x]
```

~~~bash
#!/bin/sh
make no part of what is typed
~~~

## Two commands
## Two commands

[that]: e.md
<img src="f.png" alt="">

The end, `python run.py
report`.
"""


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("", []),
        ("make test # all of it\n# nothing\nmake lint", [("make", "test"), ("make", "lint")]),
        ("$ make test\n3 passed; it's done\n$ python run.py \\\n    --quick\nok",
         [("make", "test"), ("python", "run.py", "--quick")]),
        ("git log 'b # c' a#b \"c d\" e\\ f # g", [("git", "log", "b # c", "a#b", "c d", "e f")]),
        ("sudo A=1 make x && cd y; z | jq '.a |\n .b' > out.txt 2>&1 || w",
         [("make", "x"), ("cd", "y"), ("z",), ("jq", ".a |\n .b"), ("w",)]),
        ("while :; do\n  prefetchctl policy off; sleep 1h\ndone",
         [(":",), ("prefetchctl", "policy", "off"), ("sleep", "1h")]),
        ("for x in 1 2; do make $x; done", [("make", "$x")]),
        ("cat > file <<'EOF'\nnot a command\nEOF\nmake", [("cat",), ("make",)]),
        ("X=$(make a)", [("make", "a")]),
        ("run.py report <RUN>\nmake", [("run.py", "report", ">"), ("make",)]),
    ],
)  # fmt: skip
def test_commands_are_those_of_a_shell(script: str, found: list[Words]) -> None:
    assert commands(script) == found


def test_a_documents_commands() -> None:
    in_fences = [("make", "test"), ("python", "run.py", "--quick")]
    in_prose = [("make", "not"), ("python", "run.py", "report")]
    assert told(TEXT) == in_fences + in_prose
    assert told(TEXT + "\n    make once\n", indented=True) == [*in_fences, ("make", "once"), *in_prose]


def test_indented_configuration_is_no_command() -> None:
    assert told("Say:\n\n    # first\n    [group web]\n    cgroup = a\n\nand\n\n    make x\n", indented=True) == [
        ("make", "x")
    ]


def test_blocks_by_language() -> None:
    assert blocks(TEXT, "toml") == ["[condition.x]\n"]
    assert blocks(TEXT, "sh") == ["python run.py \\\n    --quick\n"]


def test_links_and_the_names_of_headings() -> None:
    assert sorted(links(TEXT)) == ["a.md#b", "b.svg", "c.md", "e.md", "f.png"]
    assert anchors(TEXT) == {"two-commands-and-one-more", "two-commands", "two-commands-1"}


def test_targets_of_a_makefile() -> None:
    makefile = "A := b\nC = d:e\n.PHONY: all check\nall: x\n\tcc -o a: b\nx y: z; cc\nbuild/%.o: %.c\n$(F): g\n# h: i\n"
    assert targets(makefile) == {"all", "check", "x", "y"}

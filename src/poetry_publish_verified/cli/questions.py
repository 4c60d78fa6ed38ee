"""Questions on a terminal; cleo's own repeat themselves forever where the input ends."""

from cleo.io.io import IO


def ask(io: IO, question: str) -> str:
    """The answer to a question, in lower case; empty where the input ends."""
    io.write_error(f"<question>{question}</question> ")
    answer = ""
    try:
        answer = io.read_line(4096)
    finally:
        if not answer:  # Ctrl-C or Ctrl-D, after which the line goes on
            io.write_error_line("")
    return answer.strip().lower()


def agrees(io: IO, question: str) -> bool:
    """Whether the answer is yes."""
    return ask(io, f"{question} [y/N]") in {"y", "yes"}

"""Jobs of GitHub Actions and GitLab, run on this machine as their runners do.

Expressions are names alone (`steps.run.outputs.version`): what else a file has is an error here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.beds.processes import HANG

# How the runners start a script without `shell:`, with `shell: bash`, and GitLab's.
PLAIN = ("bash", "-e")
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
GITLAB = ("bash", "-eo", "pipefail")
_EXPRESSION = re.compile(r"\$\{\{ *([\w.-]+) *\}\}")
_INPUT = re.compile(r"\$\[\[ *inputs\.([\w-]+) *\]\]")


def load(text: str) -> Any:
    """The document of a YAML file."""
    return YAML(typ="safe").load(text)


def blocks(page: str) -> list[str]:
    """The blocks of YAML on a page."""
    return re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def check_schema(schema: str, *files: Path) -> None:
    """Check files by the published schema of a CI system."""
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*command, *files], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@dataclass(frozen=True)
class Ended:
    """How a step ended, with what it wrote on both streams."""

    code: int
    said: str


@dataclass
class Job:
    """A job of GitHub Actions: its workspace, its variables, and what its steps left.

    `values` are what expressions read, by their full names. `actions` stand for those of others:
    each gets the job and the step's `with`.
    """

    folder: Path
    variables: dict[str, str]
    values: dict[str, str] = field(default_factory=dict)
    actions: Mapping[str, Callable[[Job, Mapping[str, str]], None]] = field(default_factory=dict)
    change: Callable[[str], str] = lambda script: script
    """What a test changes in a script, such as the repository."""

    def __post_init__(self) -> None:
        """Make the directories and files that a runner makes."""
        self.workspace = self.folder / "work"
        self.temporary = self.folder / "runner temp"
        for directory in (self.workspace, self.temporary):
            directory.mkdir(parents=True, exist_ok=True)
        self.values["runner.temp"] = str(self.temporary)
        for name in ("output", "summary", "path", "environment"):
            (self.folder / name).touch()
        self.variables |= {
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_PATH": str(self.folder / "path"),
            "GITHUB_ENV": str(self.folder / "environment"),
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temporary),
        }

    @property
    def summary(self) -> str:
        """The job summary."""
        return (self.folder / "summary").read_text(encoding="utf-8")

    def filled(self, text: Any) -> str:
        """A value with its expressions replaced; what a step has not set is empty."""

        def value(found: re.Match[str]) -> str:
            name = found[1]
            return self.values.get(name, "") if ".outputs." in name else self.values[name]

        return _EXPRESSION.sub(value, str(text))

    def run(self, job: Mapping[str, Any]) -> Ended:
        """Run all steps of a job; after one has failed, only those with `if: always()`."""
        env = {name: self.filled(value) for name, value in job.get("env", {}).items()}
        self.variables |= env
        result = Ended(0, "")
        for step in job["steps"]:
            if result.code and step.get("if") != "always()":
                continue
            ended = self.step(step)
            result = Ended(result.code or ended.code, result.said + ended.said)
        return result

    def step(self, step: Mapping[str, Any]) -> Ended:
        """Run one step."""
        if "uses" in step:
            inputs = {name: self.filled(value) for name, value in step.get("with", {}).items()}
            self.actions[step["uses"].partition("@")[0]](self, inputs)
            return Ended(0, "")
        shell = BASH if step.get("shell") == "bash" else PLAIN
        env = {name: self.filled(value) for name, value in step.get("env", {}).items()}
        assert not _EXPRESSION.search(step["run"]), "an expression is spliced into a script"
        where = self.workspace / self.filled(step.get("working-directory", "."))
        ended = run_script(self.change(step["run"]), shell, where, {**self.variables, **env})
        self._read_files(step.get("id", ""))
        return ended

    def action(self, file: Path, inputs: Mapping[str, str]) -> tuple[Ended, dict[str, str]]:
        """Run a composite action; how it ended, and its outputs."""
        action = load(file.read_text(encoding="utf-8"))
        unknown = set(inputs) - set(action["inputs"])
        assert not unknown
        for name, about in action["inputs"].items():
            self.values[f"inputs.{name}"] = inputs.get(name, about["default"])
        ended = self.run(action["runs"])
        outputs = {name: self.filled(each["value"]) for name, each in action["outputs"].items()}
        return ended, outputs

    def _read_files(self, step: str) -> None:
        """Do what the runner does after each step."""
        output = self.folder / "output"
        for line in output.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            self.values[f"steps.{step}.outputs.{name}"] = value
        output.write_text("", encoding="utf-8")
        path = self.folder / "path"
        for line in path.read_text(encoding="utf-8").splitlines():
            self.variables["PATH"] = f"{line}:{self.variables['PATH']}"
        path.write_text("", encoding="utf-8")


def run_script(
    script: str, shell: tuple[str, ...], where: Path, variables: Mapping[str, str]
) -> Ended:
    """Run a script as a runner does."""
    done = subprocess.run(
        [*shell, "-c", script],
        cwd=where,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=HANG,
        check=False,
    )
    return Ended(done.returncode, done.stdout)


def gitlab_script(job: Mapping[str, Any]) -> str:
    """The script of a GitLab job: all of its lines in one shell."""
    lines = [job.get(part, []) for part in ("before_script", "script")]
    return "\n".join(line for part in lines for line in ([part] if isinstance(part, str) else part))


def component(text: str, inputs: Mapping[str, str]) -> tuple[Any, str]:
    """A GitLab component's header, and its text with these inputs, checked as GitLab does."""
    head, _, body = text.partition("\n---\n")
    header = load(head)
    asked = header["spec"]["inputs"]
    assert set(inputs) <= set(asked)
    values = {name: inputs.get(name, about["default"]) for name, about in asked.items()}
    for name, value in values.items():
        if not re.search(asked[name]["regex"], value):
            raise ValueError(f"{name}: {value!r}")
    return header, _INPUT.sub(lambda found: values[found[1]], body)


def copied(source: Path) -> Callable[[Job, Mapping[str, str]], None]:
    """What stands for actions/checkout: the files of a directory."""
    return lambda job, _: (shutil.copytree(source, job.workspace, dirs_exist_ok=True), None)[1]


class Artifacts:
    """What stands for actions/upload-artifact and actions/download-artifact, in a directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def kept(self, name: str) -> Path:
        """The directory of an artifact."""
        return self._folder / name

    def upload(self, job: Job, inputs: Mapping[str, str]) -> None:
        """Keep a file or the files of a directory, without hidden ones, as the action does."""
        target, source = self.kept(inputs["name"]), job.workspace / inputs["path"]
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns(".*"))
        else:
            target.mkdir(parents=True)
            shutil.copy(source, target)

    def download(self, job: Job, inputs: Mapping[str, str]) -> None:
        """Bring them back."""
        where = job.workspace / inputs.get("path", ".")
        shutil.copytree(self.kept(inputs["name"]), where, dirs_exist_ok=True)

    def all(self) -> dict[str, Callable[[Job, Mapping[str, str]], None]]:
        """Both, by their names."""
        return {
            "actions/upload-artifact": self.upload,
            "actions/download-artifact": self.download,
        }


def scripts(document: Any) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Every script of a workflow, an action or a GitLab file: its place, shell and text."""
    if "runs" in document:
        document = {"jobs": {"runs": document["runs"]}}
    if "jobs" in document:
        for name, job in document["jobs"].items():
            for number, step in enumerate(job["steps"], start=1):
                if "run" in step:
                    shell = BASH if step.get("shell") == "bash" else PLAIN
                    yield f"{name}, step {number}", shell, step["run"]
        return
    for name, job in document.items():
        if isinstance(job, dict) and "script" in job:
            yield name, GITLAB, gitlab_script(job)

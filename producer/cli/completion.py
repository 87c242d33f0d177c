"""Completion: the script of each shell, and where the shell reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import shellingham
import typer

from tagsweep.producer.cli.input import profiles
from tagsweep.producer.cli.input.errors import WrongUse

# bash: a word that is completed begins at any of COMP_WORDBREAKS, of which @ and : are two, but the
# command is asked about the line as it stands. What it answers loses what stands before the word.
BASH = r"""_tagsweep_completion() {
    local before=${COMP_LINE:0:COMP_POINT} quote= found start word
    found=$(env _TAGSWEEP_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
        _TYPER_COMPLETE_ARGS="$before" "$1" 2>/dev/null)
    start=${before%"$2"}
    start=${start##*[[:space:]]}
    [[ $start != --*=* ]] || start=${start#*=}
    [[ $start != [\"\']* ]] || { quote=yes; start=${start:1}; }
    COMPREPLY=()
    while IFS=$'\t' read -r word _; do
        word=${word#"$start"}
        [[ $word ]] || continue
        [[ $quote ]] || printf -v word %q "$word"
        COMPREPLY+=("$word")
    done <<<"$found"
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace
    elif [[ ${#COMPREPLY[@]} == 0 && $2 != @* ]]; then
        compopt -o default
    fi
}

complete -F _tagsweep_completion tagsweep
"""
# All three ask as fish does, since that is answered line by line, with a tab before a help text; of
# `--option=value` what is offered is the value.
ZSH = r"""#compdef tagsweep

_tagsweep_completion() {
    local found line; local -a items ending
    found=$(env _TAGSWEEP_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
        _TYPER_COMPLETE_ARGS="${words[1,CURRENT]}" tagsweep 2>/dev/null)
    for line in ${(f)found}; do
        line=${line//:/\\:}
        items+=(${line/$'\t'/:})
    done
    [[ $PREFIX != --*=* ]] || compset -P 1 '*='
    (( $#items == 1 )) && [[ $items[1] == */ ]] && ending=(-S '')
    if (( $#items )); then
        _describe -V tagsweep items "${ending[@]}"
    else
        _files
    fi
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _tagsweep_completion "$@"
else
    compdef _tagsweep_completion tagsweep
fi
"""
FISH = r"""function __tagsweep_complete
    set -l start (string match --regex '^--[^=]+=' -- (commandline -ct))
    for line in (env _TAGSWEEP_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
            _TYPER_COMPLETE_ARGS=(commandline -cp) tagsweep 2>/dev/null)
        test -z "$line"; or echo "$start$line"
    end
end

complete --command tagsweep --no-files --condition "count (__tagsweep_complete) >/dev/null" \
    --arguments "(__tagsweep_complete)"
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def _install(context: typer.Context, _: Any, given: object) -> None:
    if given and not context.resilient_parsing:
        shell = _shell()
        path = _place(shell)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(SCRIPTS[shell])
            for startup, line in _startup(shell, path).items():
                _ensure(startup, line)
        except OSError as error:
            raise WrongUse(f"{error.filename} cannot be written: {error.strerror}.") from None
        typer.echo(f"{path} has the completion for {shell}: open a new shell to use it.")
        raise typer.Exit


def _show(context: typer.Context, _: Any, given: object) -> None:
    if given and not context.resilient_parsing:
        typer.echo(SCRIPTS[_shell()], nl=False)
        raise typer.Exit


def _shell() -> str:
    """Return the name of the shell that the command was typed into."""
    try:
        name = str(shellingham.detect_shell()[0])
    except shellingham.ShellDetectionFailure:
        name = "a shell that cannot be told"
    if name not in SCRIPTS:
        raise WrongUse(f"There is no completion for {name}: run this in {', '.join(SCRIPTS)}.")
    return name


def _place(shell: str) -> Path:
    """Return the path of the script."""
    if shell == "fish":
        return profiles.config_folder() / "fish" / "completions" / "tagsweep.fish"
    if shell == "zsh":
        return Path.home() / ".zfunc" / "_tagsweep"
    return Path.home() / ".bash_completions" / "tagsweep.sh"


def _startup(shell: str, path: Path) -> dict[Path, str]:
    """Return the line that a file which the shell reads at its start needs."""
    if shell == "fish":  # reads its folder by itself
        return {}
    if shell == "zsh":
        folder = Path(os.environ.get("ZDOTDIR") or Path.home())
        return {folder / ".zshrc": "fpath+=~/.zfunc; autoload -Uz compinit; compinit"}
    return {Path.home() / ".bashrc": f"source '{path}'"}


def _ensure(file: Path, line: str) -> None:
    """Append ``line`` to ``file`` unless it is there."""
    text = file.read_bytes() if file.exists() else b""
    if line.encode() not in text.splitlines():
        with file.open("a") as opened:
            opened.write(f"\n{line}\n" if text and not text.endswith(b"\n") else f"{line}\n")


#: what the two options do, by their names; what typer's own do fits neither ZDOTDIR nor
#: XDG_CONFIG_HOME, nor words with an @ or a colon in bash
CALLBACKS: dict[str, Any] = {"install_completion": _install, "show_completion": _show}

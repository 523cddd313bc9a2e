/**
 * Scripts for shells. Each hands the words up to the cursor to `wiac __complete`, which prints candidates, one a
 * line: the word, a tab, and what it is. A last line `:files` lets the shell complete the names of files as well.
 */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

const BASH = `# wiac completion for bash
_wiac() {
  local IFS=$'\\n' line words=() files=
  # COMP_WORDS breaks words at = and :, which are parts of ours.
  local before="\${COMP_LINE:0:COMP_POINT}"
  IFS=$' \\t\\n' read -ra words <<< "$before"
  [[ "$before" =~ [[:space:]]$ ]] && words+=('')
  local current="\${words[-1]}" cut=
  COMPREPLY=()
  # What stands before the last = or : of a word is not replaced.
  [[ "$current" == *[=:]* ]] && cut="\${current%\${current##*[=:]}}"
  while IFS= read -r line; do
    if [[ "$line" == :files ]]; then files=1; continue; fi
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2> /dev/null)
  if [[ -n "$files" ]]; then
    compopt -o filenames
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "\${current#"$cut"}")
  else
    COMPREPLY=("\${COMPREPLY[@]#"$cut"}")
    # Names come from anybody, and bash takes a word as it is: $(...) in it would be run with the line.
    local at
    for at in "\${!COMPREPLY[@]}"; do
      [[ "\${COMPREPLY[at]}" =~ ^[[:alnum:]_./:=@%+,-]*$ ]] || printf -v "COMPREPLY[at]" %q "\${COMPREPLY[at]}"
    done
  fi
  [[ "\${#COMPREPLY[@]}" == 1 && "\${COMPREPLY[0]}" == *= ]] && compopt -o nospace
}
complete -F _wiac wiac
`;

const ZSH = `#compdef wiac
# wiac completion for zsh
_wiac() {
  local line files= found=()
  while IFS= read -r line; do
    if [[ "$line" == :files ]]; then files=1; continue; fi
    found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2> /dev/null)
  (( \${#found} )) && _describe -V wiac found
  [[ -n "$files" ]] && _files
}
if [[ "$funcstack[1]" == _wiac ]]; then _wiac "$@"; else compdef _wiac wiac; fi
`;

const FISH = `# wiac completion for fish
function __wiac_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] 2> /dev/null)
        if test "$line" = :files
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c wiac -f -a '(__wiac_complete)'
`;

/** The script for a shell. */
export function completionScript(shell: (typeof SHELLS)[number]): string {
  return { bash: BASH, zsh: ZSH, fish: FISH }[shell];
}

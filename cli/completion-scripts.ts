/** A command, and what may follow it. Names are of a-z and hyphens: nothing that a shell would read otherwise. */
export interface Completable {
  readonly name: string
  readonly summary: string
  readonly options: readonly string[]
  readonly verbs: readonly { readonly name: string; readonly options: readonly string[] }[]
}

const GENERAL = '--help --version'

/** A case for each command and each of its verbs, as bash and zsh both read it; `offered` is what may come next. */
function cases(commands: readonly Completable[]): string {
  const lines = commands.flatMap(({ name, options, verbs }) => {
    const next = [...verbs.map((verb) => verb.name), ...options].join(' ')
    return [
      ...verbs.map((verb) => `    '${name} ${verb.name}') offered='${verb.options.join(' ')}' ;;`),
      `    '${name} '*) offered='${verbs.length > 0 ? next : options.join(' ')}' ;;`,
    ]
  })
  return lines.join('\n')
}

function names(commands: readonly Completable[]): string {
  return commands.map(({ name }) => name).join(' ')
}

export function bashScript(commands: readonly Completable[]): string {
  return `# bash completion of countersign
_countersign() {
  local current="\${COMP_WORDS[COMP_CWORD]}" offered=''
  if (( COMP_CWORD == 1 )); then
    offered='${names(commands)} ${GENERAL}'
  else
    local verb=''
    (( COMP_CWORD > 2 )) && verb="\${COMP_WORDS[2]}"
    case "\${COMP_WORDS[1]} $verb" in
${cases(commands)}
    esac
  fi
  COMPREPLY=( $(compgen -W "$offered" -- "$current") )
}
complete -o default -F _countersign countersign
`
}

export function zshScript(commands: readonly Completable[]): string {
  return `#compdef countersign
# zsh completion of countersign
_countersign() {
  local command offered=''
  if (( CURRENT == 2 )); then
    offered='${names(commands)} ${GENERAL}'
  else
    local verb=''
    (( CURRENT > 3 )) && verb="\${@[3]}"
    case "\${@[2]} $verb" in
${cases(commands)}
    esac
  fi
  compadd -- \${=offered} || _files
}
_countersign_complete() { _countersign "\${words[@]}" }
compdef _countersign_complete countersign
`
}

export function fishScript(commands: readonly Completable[]): string {
  const lines = commands.flatMap(({ name, summary, options, verbs }) => {
    const here = `__fish_seen_subcommand_from ${name}`
    const all = verbs.map((verb) => verb.name).join(' ')
    const noVerb = verbs.length === 0 ? here : `${here}; and not __fish_seen_subcommand_from ${all}`
    return [
      `complete -c countersign -n __fish_use_subcommand -a ${name} -d '${quoted(summary)}'`,
      ...verbs.map((verb) => `complete -c countersign -n '${noVerb}' -a ${verb.name}`),
      ...options.map((option) => `complete -c countersign -n '${noVerb}' -l ${option.slice(2)}`),
      ...verbs.flatMap((verb) =>
        verb.options.map(
          (option) =>
            `complete -c countersign -n '${here}; and __fish_seen_subcommand_from ${verb.name}' -l ${option.slice(2)}`,
        ),
      ),
    ]
  })
  return `# fish completion of countersign\n${lines.join('\n')}\n`
}

/** Within single quotes, fish reads a backslash before a quote or another backslash as that alone. */
function quoted(text: string): string {
  return text.replaceAll(/[\\']/g, (character) => `\\${character}`)
}

/** `tilemesh completion`: what there is to complete, taken from the declared commands, as a script for a shell. */
import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';

interface Node {
  /** Names from the program on, as `peer inspect`; empty for the program itself. */
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly description: string }[];
}

function nodesOf(command: Command, path: readonly string[] = []): readonly Node[] {
  const commands = command.commands.map((inner) => ({ word: inner.name(), description: inner.description() }));
  const options = command.options.map((option) => ({
    word: option.long ?? option.short!,
    description: option.description,
  }));
  const choices = command.registeredArguments.flatMap(({ argChoices = [] }) =>
    argChoices.map((word) => ({ word, description: '' })),
  );
  const help = { word: '--help', description: 'how to use it' };
  return [
    { path: path.join(' '), words: [...commands, ...choices, ...options, help] },
    ...command.commands.flatMap((inner) => nodesOf(inner, [...path, inner.name()])),
  ];
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function bash(nodes: readonly Node[]): string {
  const cases = nodes.map(
    ({ path, words }) => `    ${quoted(path)}) words=${quoted(words.map(({ word }) => word).join(' '))} ;;`,
  );
  return `# bash completion for tilemesh: source <(tilemesh completion bash)
_tilemesh() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path='' words='' word
  local index
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "\${path:+$path }$word" in
${nodes
  .filter(({ path }) => path !== '')
  .map(({ path }) => `      ${quoted(path)}) path=${quoted(path)} ;;`)
  .join('\n')}
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ \${#COMPREPLY[@]} -eq 0 ] && [ -n "$path" ]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -o filenames -F _tilemesh tilemesh
`;
}

function zsh(nodes: readonly Node[]): string {
  const describe = ({ path, words }: Node): string => {
    const lines = words.map(({ word, description }) => quoted(`${word}:${description.replaceAll(':', ' ')}`));
    return `    ${quoted(path)}) words_=(${lines.join(' ')}) ;;`;
  };
  return `#compdef tilemesh
# zsh completion for tilemesh: tilemesh completion zsh > ~/.zfunc/_tilemesh
_tilemesh() {
  local path_='' word
  local -a words_
  for word in \${words[2,CURRENT-1]}; do
    case "\${path_:+$path_ }$word" in
${nodes
  .filter(({ path }) => path !== '')
  .map(({ path }) => `      ${quoted(path)}) path_=${quoted(path)} ;;`)
  .join('\n')}
    esac
  done
  case "$path_" in
${nodes.map(describe).join('\n')}
  esac
  _describe 'tilemesh' words_ || _files
}
if [ "$funcstack[1]" = '_tilemesh' ]; then _tilemesh "$@"; else compdef _tilemesh tilemesh; fi
`;
}

function fish(nodes: readonly Node[]): string {
  const names = nodes.filter(({ path }) => path !== '').map(({ path }) => path);
  const tops = names.filter((path) => !path.includes(' ')).join(' ');
  const lines = nodes.flatMap(({ path, words }) => {
    const inner = path.split(' ');
    const condition =
      path === ''
        ? `not __fish_seen_subcommand_from ${tops}`
        : inner.map((name) => `__fish_seen_subcommand_from ${name}`).join('; and ');
    return words.map(({ word, description }) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${quoted(word)}`;
      return `complete -c tilemesh -n ${quoted(condition)} ${what} -d ${quoted(description)}`;
    });
  });
  return `# fish completion for tilemesh: tilemesh completion fish > ~/.config/fish/completions/tilemesh.fish\n${lines.join('\n')}\n`;
}

const SCRIPTS = { bash, zsh, fish } as const;

export function completionCommand(terminal: Terminal, program: Command, shell: keyof typeof SCRIPTS): void {
  terminal.out(SCRIPTS[shell](nodesOf(program)));
}

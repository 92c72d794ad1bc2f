/** Commands about the command line and the configuration themselves. */
import { Argument, type Command } from 'commander';
import type { ConfigShowOptions } from '../commands/config.ts';
import { examples, jsonOption, plainOption } from '../options.ts';
import type { Terminal } from '../terminal.ts';

export function addConfig(program: Command, terminal: Terminal): void {
  const config = program
    .command('config')
    .description('the configuration of a peer started here')
    .addHelpText('before', examples(['npx tilemesh config show', 'npx tilemesh config show --origin']));
  config
    .command('show')
    .description('every setting with its value')
    .option('--origin', 'say where each comes from: default, file, variable')
    .option('--config <file>', 'configuration (default: mesh.config.ts where there is one)')
    .addOption(jsonOption())
    .addOption(plainOption())
    .addHelpText('before', examples(['npx tilemesh config show', 'npx tilemesh config show --origin --json']))
    .action(async (options: ConfigShowOptions) => {
      const { configShowCommand } = await import('../commands/config.ts');
      return configShowCommand(terminal, options);
    });
}

export function addCompletion(program: Command, terminal: Terminal): void {
  program
    .command('completion')
    .description('a script with which a shell completes commands and options')
    .addArgument(new Argument('<shell>', 'which').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'before',
      examples([
        'source <(npx tilemesh completion bash)',
        'npx tilemesh completion zsh > ~/.zfunc/_tilemesh',
        'npx tilemesh completion fish > ~/.config/fish/completions/tilemesh.fish',
      ]),
    )
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const { completionCommand } = await import('../commands/completion.ts');
      completionCommand(terminal, program, shell);
    });
}

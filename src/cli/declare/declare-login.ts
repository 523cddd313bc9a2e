/** Declares `wiac login` and `wiac logout`. */
import type { Command } from 'commander';

const REGISTRY = 'host[:port]';

/** wiac login, logout */
export function addLogin(program: Command): void {
  program
    .command('login')
    .summary('log in to a registry')
    .description(
      'Asks the registry whether it accepts the password, and keeps it in $REGISTRY_AUTH_FILE or\n$DOCKER_CONFIG/config.json (~/.docker), or with the helper that is named there.',
    )
    .argument('[registry]', REGISTRY, 'docker.io')
    .option('-u, --username <user>', 'user name; asked for on the terminal otherwise')
    .option('-p, --password <password>', 'password; asked for on the terminal otherwise')
    .option('--password-stdin', 'read the password from standard input', false)
    .action(async (registry: string, options) => {
      await (await import('../login-command.js')).loginCommand(registry, options);
    });
  program
    .command('logout')
    .summary('forget the login to a registry')
    .argument('[registry]', REGISTRY, 'docker.io')
    .action(async (registry: string) => {
      await (await import('../login-command.js')).logoutCommand(registry);
    });
}

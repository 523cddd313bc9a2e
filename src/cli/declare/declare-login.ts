/** Declares `wiac login` and `wiac logout`. */
import type { Command } from 'commander';
import { certificateOptions } from './declare-registry.js';

const REGISTRY = 'host[:port]';
const AUTHFILE = 'file with the logins, instead of the usual ones';

/** wiac login, logout */
export function addLogin(program: Command): void {
  certificateOptions(program.command('login'))
    .summary('log in to a registry')
    .description(
      'Asks the registry whether it accepts the password, and saves it in $REGISTRY_AUTH_FILE or\n$DOCKER_CONFIG/config.json (~/.docker), or with the credential helper that the file names.',
    )
    .argument('[registry]', REGISTRY, 'docker.io')
    .option('-u, --username <user>', 'user name; asked for on the terminal otherwise')
    .option('-p, --password <password>', 'password; asked for on the terminal otherwise')
    .option('--password-stdin', 'read the password from standard input', false)
    .option('--authfile <file>', AUTHFILE)
    .action(async (registry: string, options) => {
      await (await import('../login-command.js')).loginCommand(registry, options);
    });
  program
    .command('logout')
    .summary('forget the login to a registry')
    .argument('[registry]', REGISTRY, 'docker.io')
    .option('--authfile <file>', AUTHFILE)
    .action(async (registry: string, options) => {
      await (await import('../login-command.js')).logoutCommand(registry, options);
    });
}

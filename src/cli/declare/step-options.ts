/** Options that give RUN steps something; all of them count in the keys of these steps. */
import { type Command, Option } from 'commander';
import { collect } from './collect.js';
import { SANDBOX } from './help-groups.js';

/** --add-host, --network, --volume and so on */
export function stepOptions(command: Command): Command {
  return command
    .option(
      '--add-host <name:address>',
      "line for /etc/hosts of RUN steps; the address host-gateway is this machine's",
      collect,
      [],
    )
    .option('--no-hosts', 'leave /etc/hosts of the image as it is')
    .option('--dns <address>', 'name server of RUN steps; none: resolv.conf of the image', collect)
    .option('--dns-search <domain>', 'domain that RUN steps search; . for none', collect)
    .option('--dns-option <option>', 'option for resolv.conf of RUN steps', collect)
    .option('--shm-size <size>', 'size of /dev/shm of RUN steps (default: 64m)')
    .option(
      '--ulimit <name=soft:hard>',
      'resource limit of RUN steps, such as nofile=1024',
      collect,
      [],
    )
    .option('--cap-add <name>', 'capability that RUN steps get besides the usual ones', collect)
    .option('--cap-drop <name>', 'capability that RUN steps do not get', collect)
    .addOption(
      new Option(
        '-v, --volume <source:path[:ro]>',
        'directory or file of this machine for RUN steps; the key has its path, not its content',
      )
        .argParser(collect)
        .helpGroup(SANDBOX),
    )
    .addOption(
      new Option('--network <mode>', 'network of RUN steps that ask for none in particular')
        .choices(['default', 'none', 'host', 'private'])
        .default('default'),
    );
}

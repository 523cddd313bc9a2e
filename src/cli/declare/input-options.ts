/** What a build gives its steps, and takes from other machines. */
import type { Command } from 'commander';
import { collect } from './collect.js';

/** --secret, --ssh, --cache-from */
export function inputOptions(command: Command): Command {
  return command
    .option(
      '--secret <id=name,src=file|env=variable>',
      'secret for RUN --mount=type=secret, also as type=env,src=VARIABLE; read once',
      collect,
      [],
    )
    .option(
      '--ssh <id=socket|keyfile>',
      'ssh agent or keys for RUN --mount=type=ssh; default is also for repositories',
      collect,
      [],
    )
    .option(
      '--cache-from <source>',
      'use entries of another machine: REF, type=registry,ref=REF, type=local,src=DIR, type=s3,...,\ntype=gha (GitHub Actions)',
      collect,
      [],
    );
}

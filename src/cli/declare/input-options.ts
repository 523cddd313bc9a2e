/** What a build gives its steps, and takes from other machines. */
import type { Command } from 'commander';
import { collect } from './collect.js';

/** --secret, --cache-from */
export function inputOptions(command: Command): Command {
  return command
    .option(
      '--secret <id=name,src=file|env=variable>',
      'secret for RUN --mount=type=secret, also as type=env,src=VARIABLE; read once',
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

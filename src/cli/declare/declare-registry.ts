/** Options of every command that speaks to registries, spelled as podman and buildah have them. */
import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../../dockerfile/duration.js';
import { parseBoolean } from './switches.js';

/** @throws InvalidArgumentError */
export function booleanOption(value: string): boolean {
  const parsed = parseBoolean(value);
  if (parsed === undefined) throw new InvalidArgumentError('It is true or false.');
  return parsed;
}

function count(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(value);
}

function milliseconds(value: string): number {
  const nanoseconds = parseDuration(/^\d+$/.test(value) ? `${value}s` : value);
  if (nanoseconds === undefined || nanoseconds < 0)
    throw new InvalidArgumentError('Write it like 2s or 500ms.');
  return nanoseconds / 1e6;
}

/** --tls-verify, --cert-dir */
export function certificateOptions(command: Command): Command {
  return command
    .option(
      '--tls-verify <bool>',
      'false: allow registries without TLS, or with an untrusted certificate',
      booleanOption,
    )
    .option(
      '--cert-dir <directory>',
      'certificates for registries: *.crt of authorities, *.cert and *.key of our own',
    );
}

/** Those, and --authfile, --creds, --retry, --retry-delay. */
export function registryOptions(command: Command): Command {
  return certificateOptions(command)
    .option('--authfile <file>', 'logins for registries, instead of $REGISTRY_AUTH_FILE')
    .option('--creds <user[:password]>', 'login for every registry that asks for one')
    .option('--retry <n>', 'number of retries of a request to a registry (default: 4)', count)
    .option(
      '--retry-delay <duration>',
      'wait before the first retry, doubled each time (default: 300ms)',
      milliseconds,
    );
}

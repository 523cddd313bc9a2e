/** Declares `wiac worker`, `wiac workers`, and what `wiac build` has for queues. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { collect } from './collect.js';
import { limitOptions } from './declare-limits.js';
import { registryOptions } from './declare-registry.js';
import { WORKERS } from './help-groups.js';
import { isolationOption, positiveInteger, runtimeOption, type SetExitCode } from './options.js';

const QUEUE_VARIABLE = 'WIAC_QUEUE';
const ADDRESS = 'redis://HOST/0 of Redis or Valkey, rediss:// with TLS (default: $WIAC_QUEUE)';

/** An address may have a password, which everybody on a machine sees in the arguments of a process. */
function queueOption(description: string): Option {
  const option = new Option('--queue <url>', description);
  // A variable that is set to nothing is one that is not set.
  return process.env[QUEUE_VARIABLE] ? option.env(QUEUE_VARIABLE) : option;
}

/** --cache, which has another name here than the switch of --no-cache. */
function cacheOption(description: string): Option {
  const option = new Option('--cache <ref>', description);
  option.attributeName = () => 'sharedCache';
  return option;
}

/** --queue, --cache, --queue-fallback */
export function queueOptions(command: Command): Command {
  return command
    .addOption(queueOption(`steps run on the workers of this queue: ${ADDRESS}; needs --cache`))
    .addOption(
      cacheOption(
        'a shared cache that is read and written, as --cache-from and --cache-to with mode=max;\nlayers travel through it to workers and back',
      ),
    )
    .addOption(
      new Option(
        '--queue-fallback <where>',
        'when the queue has no worker: fail, or run the steps on this machine (local)',
      )
        .choices(['fail', 'local'])
        .default('fail'),
    )
    .option(
      '--worker-label <step=label>',
      'this step (its id in wiac plan, its stage, or the beginning of its instruction) wants a worker\nwith this label, as # wiac:label=LABEL above the instruction',
      collect,
      [],
    )
    .option(
      '--worker-key <file>',
      'public key (ed25519, PEM) of the workers that may have steps, also those with secrets: only what they\nsigned counts; without it steps with secrets run here',
    )
    .option(
      '--sign-key <file>',
      'private key (ed25519, PEM) that is put under what goes to workers (wiac worker --trust-key), and under\nthe entries of --cache',
    );
}

/** A name that workers and labels have. @throws InvalidArgumentError */
function word(value: string): string {
  if (/^[\w.-]{1,64}$/.test(value)) return value;
  throw new InvalidArgumentError('Letters, digits, dots, - and _ are allowed, at most 64.');
}

/** Shorter than names: a fleet's key goes behind it. @throws InvalidArgumentError */
function labelWord(value: string): string {
  if (/^[\w.-]{1,40}$/.test(value)) return value;
  throw new InvalidArgumentError('Letters, digits, dots, - and _ are allowed, at most 40.');
}

/** Seconds. @throws InvalidArgumentError */
function seconds(value: string): number {
  const number = Number(value);
  if (Number.isFinite(number) && number >= 0) return number;
  throw new InvalidArgumentError('It must be a number of seconds.');
}

/** @throws InvalidArgumentError */
function positiveSeconds(value: string): number {
  const number = seconds(value);
  if (number > 0) return number;
  throw new InvalidArgumentError('It must be a number of seconds above 0.');
}

/** wiac worker */
export function addWorker(program: Command, setExitCode: SetExitCode): void {
  const command = registryOptions(program.command('worker'))
    .summary('run steps of builds of other machines, which a queue hands out')
    .description(
      'Takes steps from a queue until SIGTERM or Ctrl-C, runs them in a store of its own, and pushes what they\nmade to the cache. Then its steps may end, or go back into the queue.',
    )
    .optionsGroup(WORKERS)
    .addOption(queueOption(ADDRESS).makeOptionMandatory())
    .addOption(
      cacheOption(
        'the shared cache that layers come from and go to, as --cache-from',
      ).makeOptionMandatory(),
    )
    .option('--name <name>', "what it is called in builds (default: this machine's name)", word)
    .option(
      '--platform <platform>',
      "os/architecture[/variant] of the steps that it takes (default: this machine's), several with commas",
    )
    .option(
      '--label <name>',
      'it also takes steps that want a worker with this label, can be given several times',
      (value: string, before: readonly string[]) => collect(labelWord(value), [...before]),
      [],
    )
    .option(
      '-j, --jobs <n>',
      'steps to run at the same time (default: its processors)',
      positiveInteger,
    )
    .option(
      '--key <file>',
      'private key (ed25519, PEM) that builds know this worker by (--worker-key): it may have secrets then',
    )
    .option(
      '--trust-key <file>',
      'it works only for builds that sign with this key (ed25519, PEM; wiac build --sign-key); can be given several times',
      collect,
      [],
    )
    .option('--metrics <host:port>', 'serve metrics for Prometheus at http://HOST:PORT/metrics')
    .option(
      '--lost-after <seconds>',
      'others take its steps over when it was not heard of for so long',
      positiveSeconds,
      15,
    )
    .option(
      '--grace <seconds>',
      'when it is told to end, its steps may go on for so long',
      seconds,
      30,
    )
    .optionsGroup('')
    .addOption(isolationOption())
    .addOption(runtimeOption());
  limitOptions(command).action(async (options) =>
    (await import('../worker-command.js')).workerCommand(options, setExitCode),
  );
}

/** wiac workers */
export function addWorkers(program: Command): void {
  program
    .command('workers')
    .summary('list the workers of a queue, what they run, and what waits')
    .addOption(queueOption(ADDRESS).makeOptionMandatory())
    .option('--json', 'as JSON', false)
    .action(async (options) => (await import('../workers-command.js')).workersCommand(options));
}

/** Declares `wiac build` and `wiac plan`. */
import { type Command, Option } from 'commander';
import { PROGRESS_MODES, PROGRESS_VARIABLE } from '../../ui/progress.js';
import { collect } from './collect.js';
import { limitOptions } from './declare-limits.js';
import { lockOptions } from './declare-lock.js';
import { queueOptions } from './declare-queue.js';
import { booleanOption } from './declare-registry.js';
import { resultOptions } from './declare-result.js';
import { NO_EFFECT } from './help-groups.js';
import { inputOptions } from './input-options.js';
import {
  dockerfileOptions,
  isolationOption,
  logFormatOption,
  logLevelOption,
  positiveInteger,
  runtimeOption,
  type SetExitCode,
} from './options.js';

/** What a build context can be. */
const CONTEXT = 'directory, archive, URL or repository with the build context; - is standard input';

/** wiac build */
export function addBuild(program: Command, setExitCode: SetExitCode): void {
  const command = resultOptions(lockOptions(dockerfileOptions(program.command('build'))))
    .summary('build a Dockerfile, print the lowerdir string of the result')
    .description(
      'Builds the Dockerfile of a build context. Steps that the cache holds are not run. The lowerdir\nstring of the result, topmost layer first, is all that is printed on standard output.',
    )
    .argument('<path>', CONTEXT)
    .option('-t, --tag <name>', 'name for the result, can be given several times', collect, [])
    .option(
      '-o, --output <spec>',
      'where the result goes: a directory, - (a tar archive on standard output), or\ntype=TYPE (local, tar, oci, docker, image, registry or cacheonly) with dest=, name= and more; can be given several times',
      collect,
      [],
    )
    .option('--push', 'push the result to its names, as --output type=registry', false)
    .option(
      '--annotation <[part:]key=value>',
      'annotation of the manifest, or of index, manifest-descriptor, index-descriptor',
      collect,
      [],
    )
    .option(
      '--provenance <mode>',
      'say how it was built: true, false, mode=min or mode=max (SLSA v1, needs an image output)',
    )
    .option('--sbom <wanted>', 'list the packages of dpkg and apk: true or false (SPDX)')
    .option('--attest <type=...>', 'the same: type=provenance,mode=max or type=sbom', collect, [])
    .option('--metadata-file <file>', 'write digests, names, step keys and lowerdir string as JSON')
    .option('--no-cache', 'run every step; what it makes replaces what the cache had')
    .option(
      '--no-cache-filter <stages>',
      'like --no-cache, for these stages (names, commas, or given again)',
      // A switch that is called no-... has true at first.
      (value, before?: string | boolean) =>
        typeof before === 'string' ? `${before},${value}` : value,
    );
  queueOptions(inputOptions(command))
    .option(
      '--cache-to <target>',
      'give entries to other machines: as --cache-from with dest=DIR, [,mode=max][,mounts=true], or type=inline',
      collect,
      [],
    )
    .option('-q, --quiet', 'no progress, only the result, warnings and errors', false)
    .option('--logfile <file>', 'progress goes to this file, replaced if it is there')
    .option('--report <file>', 'write a page about this build: one HTML file that needs no network')
    .option('--iidfile <file>', 'write the id of the result to a file')
    .option('--watch', 'build again whenever a file changes that the result depends on', false)
    .option(
      '--exec <command>',
      'with --watch: a shell command that is started anew with each result; $1 is its lowerdir string',
    )
    .option(
      '--call <method>',
      'build, or print and build nothing: check (what the linter says), outline (arguments and\nsecrets of the target), targets (the stages); with ,format=json for programs',
    )
    .option('--check', 'the same as --call=check; exit code 1 when there are warnings', false)
    .addOption(
      new Option('--format <format>', 'output format of --check: text or json')
        .choices(['text', 'json', 'oci', 'docker'])
        .default('text'),
    )
    .option(
      '-j, --jobs <n>',
      'steps to run at the same time (default: what the machine bears, 8 on a small one)',
      positiveInteger,
    )
    .option(
      '--debug <shell|step>',
      "alone: open a shell in the container of a RUN that fails; /PATH: this shell; STEP: also before\nthis step (id or name in wiac plan, or its instruction's beginning); can be given twice",
      collect,
      [],
    )
    .addOption(progressOption())
    .addOption(isolationOption())
    .addOption(runtimeOption())
    .addOption(logLevelOption())
    .addOption(logFormatOption());
  withoutEffect(limitOptions(command)).action(async (path: string, options) => {
    const { buildCommand } = await import('../build-command.js');
    await buildCommand(path, options, setExitCode);
  });
}

/** What scripts for docker, podman and buildah give, and wiac has no use for. */
function withoutEffect(command: Command): Command {
  return command
    .optionsGroup(NO_EFFECT)
    .option('--load', 'of docker', false)
    .option('--rm', 'of docker', false)
    .option('--force-rm', 'of docker', false)
    .option('--compress', 'of docker', false)
    .option('--disable-content-trust', 'of docker', false)
    .option('-D', 'of docker', false)
    .option('--builder <name>', 'of docker')
    .option('--disable-compression', 'of buildah', false)
    .option('--identity-label <bool>', 'of buildah', booleanOption)
    .option('--no-hostname', 'of buildah')
    .option('--skip-unused-stages <bool>', 'of buildah', booleanOption)
    .option('--unsetannotation <name>', 'of buildah', collect)
    .option('--layers', 'of buildah', false)
    .optionsGroup('');
}

/** --progress */
export function progressOption(): Option {
  const option = new Option(
    '--progress <mode>',
    'how progress is shown; github and gitlab: for logs of CI jobs',
  )
    .choices(PROGRESS_MODES)
    .default('auto');
  return process.env[PROGRESS_VARIABLE] ? option.env(PROGRESS_VARIABLE) : option;
}

/** wiac plan */
export function addPlan(program: Command, setExitCode: SetExitCode): void {
  lockOptions(dockerfileOptions(program.command('plan')))
    .summary('show the steps of a Dockerfile, their keys, and what the cache has; run nothing')
    .description(
      'Lists the steps of a build: id, state, key, the steps it stands on and reads, name, instruction. hit: the cache\nhas it; miss: it would run; miss?: it would run only if a step before it makes other files than last time;\nunneeded: the cache does not know it, and what follows is found without; -: it makes no layer. What the build\nitself will make is not known here: of two steps that come to the same files, both are a miss.',
    )
    .argument('<path>', CONTEXT)
    .addOption(
      new Option('--format <format>', 'output format')
        .choices(['text', 'json', 'dot'])
        .default('text'),
    )
    .action(async (path: string, options) => {
      const { planCommand } = await import('../plan-command.js');
      await planCommand(path, options, setExitCode);
    });
}

/** wiac why */
export function addWhy(program: Command, setExitCode: SetExitCode): void {
  lockOptions(dockerfileOptions(program.command('why')))
    .summary('say why steps of a Dockerfile would run: what is not as it was; run nothing')
    .description(
      'For each step that the cache does not have: the first thing in its key that differs from the\nnearest entry of the cache, such as a file, an ARG, or the step before.',
    )
    .argument('<path>', CONTEXT)
    .argument('[step]', "a step's id or name in wiac plan, or the beginning of its instruction")
    .addOption(
      new Option('--format <format>', 'output format').choices(['text', 'json']).default('text'),
    )
    .action(async (path: string, step: string | undefined, options) => {
      await (await import('../why.js')).whyCommand(path, step, options, setExitCode);
    });
}

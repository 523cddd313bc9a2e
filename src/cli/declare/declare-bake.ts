/** Declares `wiac bake` and `wiac compose build`. */
import { type Command, Option } from 'commander';
import { collect } from './collect.js';
import { progressOption } from './declare-build.js';
import { booleanOption, registryOptions } from './declare-registry.js';
import { NO_EFFECT } from './help-groups.js';
import {
  isolationOption,
  logFormatOption,
  logLevelOption,
  positiveInteger,
  runtimeOption,
  type SetExitCode,
} from './options.js';

/** What both have: how targets are built, and where results go. */
function commonOptions(command: Command): Command {
  return registryOptions(command)
    .option('--print', 'print what would be built as JSON, and build nothing', false)
    .option('--push', 'push the results to their names', false)
    .option('--no-cache', 'run every step; one that several targets share is run once')
    .option('--pull <bool>', 'ask where base images come from, as in wiac build', booleanOption)
    .option('--provenance <mode>', 'as in wiac build, for every target')
    .option('--sbom <wanted>', 'as in wiac build, for every target')
    .addOption(new Option('--builder <name>', 'of docker').helpGroup(NO_EFFECT))
    .option('--report <file>', 'write a page about all targets, as wiac build --report does')
    .option('-q, --quiet', 'no progress, only results, warnings and errors', false)
    .option(
      '-j, --jobs <n>',
      'steps to run at the same time, of all targets together (default: as in wiac build)',
      positiveInteger,
    )
    .addOption(progressOption())
    .addOption(isolationOption())
    .addOption(runtimeOption())
    .addOption(logLevelOption())
    .addOption(logFormatOption());
}

/** wiac bake */
export function addBake(program: Command, setExitCode: SetExitCode): void {
  commonOptions(program.command('bake'))
    .summary('build the targets of bake files and compose files, all at once')
    .description(
      'Builds targets of docker-bake.hcl, docker-bake.json and compose files together: a step that several of them need is run once. Standard output has a line for each target: its name, a tab, and its lowerdir string.',
    )
    .argument(
      '[targets...]',
      'targets and groups (default: default); before them the repository or URL of a definition that is not here',
    )
    .option(
      '-f, --file <file>',
      'a bake or compose file, - is standard input; can be given several times',
      collect,
    )
    .option(
      '--set <target.field=value>',
      'another value for a field of targets, such as *.platform=linux/arm64 or app.args.X=1; += adds to a list',
      collect,
      [],
    )
    .option(
      '--var <name=value>',
      'value of a variable, before that of the environment',
      collect,
      [],
    )
    .option('--list <what>', 'list targets or variables, ,format=json for programs')
    .option('--load', 'changes nothing: the results are in the store', false)
    .option(
      '--metadata-file <file>',
      'write what wiac build writes there, for each target, as JSON',
    )
    .option(
      '--allow <what>',
      'what the files may ask for: network.host, security.insecure, ssh, fs.read=PATH, fs.write=PATH, fs=PATH, or * for everything',
      collect,
      [],
    )
    .option('--watch', 'build again whenever a file changes that a target depends on', false)
    .option('--call <method>', 'as in wiac build, for every target')
    .option('--check', 'the same as --call=check', false)
    .action(async (targets: readonly string[], options) => {
      await (await import('../bake-command.js')).bakeCommand(targets, options, setExitCode);
    });
}

/** What docker compose takes before the name of the command, and wiac behind it as well. */
interface ProjectOptions {
  readonly file?: readonly string[];
  readonly projectName?: string;
  readonly profile: readonly string[];
}

function projectOptions(command: Command): Command {
  return command
    .option(
      '-f, --file <file>',
      'a compose file (default: compose.yaml, here or in a directory above, and its override)',
      collect,
    )
    .option('-p, --project-name <name>', 'name of the project')
    .option('--profile <name>', 'services of this profile too', collect, []);
}

/** Both, in the order in which they were given. */
function mergeProject(before: ProjectOptions, behind: ProjectOptions): ProjectOptions {
  const file = [...(before.file ?? []), ...(behind.file ?? [])];
  return {
    ...before,
    ...behind,
    ...(file.length === 0 ? {} : { file }),
    profile: [...before.profile, ...behind.profile],
  };
}

/** wiac compose build */
export function addCompose(program: Command, setExitCode: SetExitCode): void {
  const compose = projectOptions(program.command('compose')).summary(
    'build the services of a compose file',
  );
  projectOptions(commonOptions(compose.command('build')))
    .summary('build the services of compose files, all at once')
    .description(
      'Builds the services of compose.yaml that have a build section, as wiac bake builds targets. An image without a name of its own is called PROJECT-SERVICE.',
    )
    .argument('[services...]', 'only these')
    .option('--build-arg <name=value>', 'build argument for every service', collect, [])
    .action(async (services: readonly string[], options) => {
      const given = { ...options, ...mergeProject(compose.opts<ProjectOptions>(), options) };
      await (await import('../compose-command.js')).composeBuild(services, given, setExitCode);
    });
}

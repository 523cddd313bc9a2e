/** `wiac compose build` */
import { parseDotEnv } from '../bake/dot-env.js';
import { readDefinition } from '../bake/read-definition.js';
import type { Selection } from '../bake/resolve-targets.js';
import { mergeNamed, selectTargets } from '../bake/resolve-targets.js';
import { parseOverrides } from '../bake/target-overrides.js';
import { ensurePrivileges } from '../executor/local/privileges.js';
import { storeRoot } from '../store/paths.js';
import type { CommonBakeOptions } from './bake-command.js';
import { bakeWorld, buildSelection, shortOverrides } from './bake-command.js';
import { otherFiles, readComposeFiles, readDotEnv } from './bake-files.js';
import { openWarnings } from './build-command.js';
import type { SetExitCode } from './declare/options.js';

/** As commander gives them. */
interface ComposeBuildOptions extends CommonBakeOptions {
  readonly projectName?: string;
  readonly profile: readonly string[];
  readonly buildArg: readonly string[];
}

/** Variables of the environment, and of `.env`: COMPOSE_FILE and the like may be in either. */
function composeSettings(directory: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const found = readDotEnv(directory);
  if (!found) return env;
  return {
    ...Object.fromEntries(parseDotEnv(found.name, found.text, (name) => env[name])),
    ...env,
  };
}

/** Services of no profile are always part of the project, and those that are named. */
function activeServices({ profile }: ComposeBuildOptions, { COMPOSE_PROFILES }: NodeJS.ProcessEnv) {
  const fromEnvironment = COMPOSE_PROFILES?.split(',') ?? [];
  const active = new Set([...profile, ...fromEnvironment].map((name) => name.trim()));
  return (profiles: readonly string[]) =>
    profiles.length === 0 || active.has('*') || profiles.some((name) => active.has(name));
}

const NOTHING: Selection = { groups: [], targets: [] };

/** @throws BakeFileError, UsageError, what a build throws */
export async function composeBuild(
  services: readonly string[],
  options: ComposeBuildOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  if (!options.print) {
    const relayed = await ensurePrivileges(storeRoot(process.env, process.getuid?.() === 0));
    if (relayed !== undefined) return setExitCode(relayed);
  }
  const warn = await openWarnings(options);
  const here = composeSettings('.', process.env);
  const { files, directory } = readComposeFiles(options.file, here);
  const settings = composeSettings(directory, here);
  const world = bakeWorld();
  const name = options.projectName ?? (settings.COMPOSE_PROJECT_NAME || undefined);
  const definition = await readDefinition({
    files,
    dotEnv: readDotEnv(directory),
    world,
    others: otherFiles(directory, () => {}),
    project: { name, directory },
    isActive: activeServices(options, settings),
  });
  definition.warnings.forEach(warn);
  const named = mergeNamed(definition);
  const args = options.buildArg.map((arg) => `*.args.${arg}`);
  const given = named.targets.size > 0 ? [...args, ...shortOverrides(options)] : [];
  const overrides = parseOverrides(given, [...named.targets.values()], world.environment);
  const isBuilt = (service: string) => !definition.unbuilt.includes(service);
  const wanted = services.filter(isBuilt).map((service) => service.replaceAll('.', '_'));
  const selection =
    services.length > 0 && wanted.length === 0 ? NOTHING : selectTargets(named, wanted, overrides);
  // As docker compose has it: a script may build whatever project it is in.
  if (selection.targets.length === 0) warn('no service that is asked for has a build section');
  // The user's own project: docker compose asks for nothing either.
  await buildSelection(selection, options, undefined, ['*'], setExitCode, warn);
}
